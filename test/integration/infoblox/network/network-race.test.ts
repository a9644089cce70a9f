import { expect, test } from 'vitest';
import { fromContainer, held, useGridAndHost } from '../grid-and-host.ts';

const fixture = useGridAndHost();

/** For other configurations see test/simulation/situations/hosts.ts. */
test('16 hosts that start at once on a new name agree on one network, and leave no other', async () => {
  const { grid } = fixture;
  const hosts = Array.from({ length: 16 }, (_, n) => fixture.another({ node: `node-${n}` }));
  await Promise.all(hosts.map((host) => host.start()));
  // Each request takes a different time, so that the hosts meet in every order.
  for (let n = 0; n < 3_000; n += 1) grid.inject({ effect: { kind: 'delay', ms: Math.floor(Math.random() * 25) } });
  const addresses = await Promise.all(hosts.map((host, n) => host.add(`c${n}`, fromContainer())));
  expect(new Set(addresses).size).toBe(16);
  expect(grid.networks()).toMatchObject([{ comment: 'infoblox-cni network=pods' }]);
  expect(held(grid).sort()).toEqual([...addresses].sort());
});
