/** GC beside other calls, which its list of valid attachments cannot know. */
import { expect } from 'vitest';
import { until } from '../../fixture/host.ts';
import type { RequestRecord } from '../../simulator/grid.ts';
import { worldTest } from './world-test.ts';

worldTest('an ADD under way when a GC comes keeps its reservation', async ({ grid, caller, ledger }) => {
  await caller.add('c0');
  // The create is carried out, and the search for it is delayed.
  grid.inject({ method: 'POST', type: 'fixedaddress', effect: { kind: 'status', status: 502, commit: true } });
  const isTheLook = ({ query }: RequestRecord) => query.comment?.includes('container=c1 ') === true;
  grid.inject({ method: 'GET', when: isTheLook, effect: { kind: 'delay', ms: 400 } });
  const adding = caller.add('c1');
  await until('the address is reserved', () => ledger.reservations().length === 2);
  const collecting = caller.gc(['c0']);
  expect(await adding).toBe('ok');
  expect(await collecting).toBe('ok');
  await ledger.settled();
  expect(ledger.live).toHaveLength(2);
});

worldTest('an ADD during a GC keeps its address', async ({ grid, caller, ledger }) => {
  await caller.add('c0');
  await caller.add('dead');
  grid.clearLog();
  grid.inject({ method: 'GET', type: 'fixedaddress', times: 3, effect: { kind: 'delay', ms: 150 } });
  caller.dies('dead');
  const collecting = caller.gc(['c0']);
  await until('the GC is under way', () => grid.requests.length > 0);
  for (const container of ['c1', 'c2', 'c3']) expect(await caller.add(container)).toBe('ok');
  expect(await collecting).toBe('ok');
  await ledger.settled();
  expect(ledger.live).toHaveLength(4);
});

worldTest('a DEL, an ADD and two GCs at once do not disturb each other', async ({ caller, ledger }) => {
  for (const container of ['c0', 'c1', 'c2']) await caller.add(container);
  caller.dies('c2');
  const calls = [caller.gc(['c0']), caller.del('c1'), caller.add('c3'), caller.gc(['c0', 'c3'])];
  expect(await Promise.all(calls)).toEqual(['ok', 'ok', 'ok', 'ok']);
  await ledger.settled();
  expect(ledger.live).toHaveLength(2);
});

worldTest('a GC on one host spares the leases of another host on the same network', async (world) => {
  const other = await world.another({ node: 'host-b' });
  await world.caller.add('c1');
  await other.add('c1');
  await other.add('c2');
  world.caller.dies('c1');
  expect(await world.caller.gc([])).toBe('ok');
  await world.ledger.settled();
  expect(world.ledger.live).toHaveLength(2);
});
