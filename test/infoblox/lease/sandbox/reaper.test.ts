import { expect, test } from 'vitest';
import { Reaper } from '../../../../src/infoblox/lease/sandbox/reaper.ts';
import { aLease, put } from '../a-lease.ts';
import { markOf, useLeases } from '../lease-fixture.ts';

const leases = useLeases();

test('many that died at once are released with calls in between', async () => {
  const { store, deps } = leases();
  const gone = { netns: '/run/netns/gone', netnsId: '4:1', bootId: 'before', bootedAt: 1_000_000 };
  for (let n = 2; n < 202; n += 1) put(store, aLease(markOf(`c${n}`), { address: `10.0.0.${n}`, ...gone }));
  const reaper = new Reaper(deps, 0);
  await reaper.look();
  const writesAtATime = await leases().writesAtATime(() => reaper.look());
  expect(store.count('releasing')).toBe(200);
  expect(Math.max(...writesAtATime)).toBeLessThanOrEqual(50);
});
