/** GC at the same time as other calls: its list cannot know what is under way. */
import { expect } from 'vitest';
import { until } from '../../fixture/host.ts';
import type { RequestRecord } from '../../simulator/grid.ts';
import { worldTest } from './world-test.ts';

worldTest(
  'an ADD that is under way when a GC comes keeps what it has on the grid',
  async ({ grid, caller, ledger }) => {
    await caller.add('c0');
    // The create is carried out, and the daemon is kept waiting while it looks for it.
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
  },
);

worldTest('an ADD that comes while a GC is under way keeps its address', async ({ grid, caller, ledger }) => {
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

worldTest('a DEL, an ADD and two GCs at once leave each other what is theirs', async ({ caller, ledger }) => {
  for (const container of ['c0', 'c1', 'c2']) await caller.add(container);
  caller.dies('c2');
  const calls = [caller.gc(['c0']), caller.del('c1'), caller.add('c3'), caller.gc(['c0', 'c3'])];
  expect(await Promise.all(calls)).toEqual(['ok', 'ok', 'ok', 'ok']);
  await ledger.settled();
  expect(ledger.live).toHaveLength(2);
});

worldTest('a GC on one host does not touch what another host has on the same network', async (world) => {
  const other = await world.another({ node: 'host-b' });
  await world.caller.add('c1');
  await other.add('c1');
  await other.add('c2');
  world.caller.dies('c1');
  expect(await world.caller.gc([])).toBe('ok');
  await world.ledger.settled();
  expect(world.ledger.live).toHaveLength(2);
});
