/**
 * A delete whose answer was lost may be carried out long afterwards. References are natural keys: whoever has the address
 * by then would lose it.
 */
import { expect } from 'vitest';
import { until } from '../fixture/host.ts';
import type { Fault } from '../simulator/grid.ts';
import { pause } from './world.ts';
import { worldTest } from './world-test.ts';

const late = (ms: number): Fault => ({
  method: 'DELETE',
  type: 'fixedaddress',
  effect: { kind: 'commit-later', ms },
});

worldTest(
  'carried out after its container was added again, it takes nothing from it',
  async ({ grid, caller, ledger }) => {
    await caller.add('c1');
    grid.inject(late(800));
    expect(await caller.del('c1')).toBe('ok');
    expect(await caller.add('c1')).toBe('ok');
    expect(await caller.add('c1')).toBe('ok');
    await pause(1_000);
    expect(ledger.brokenNow()).toEqual([]);
    await ledger.settled();
    expect(await caller.del('c1')).toBe('ok');
    await ledger.settled();
  },
  { doubtWindow: { recheck: 200, end: 1_500 } },
);

worldTest(
  'it is not followed by a second one, which could hit the next holder of the address',
  async ({ grid, caller, ledger }) => {
    await caller.add('c1');
    grid.inject(late(6_500));
    grid.clearLog();
    expect(await caller.del('c1')).toBe('ok');
    await until('it has been carried out', () => ledger.reservations().length === 0);
    expect(await caller.add('c2')).toBe('ok');
    await pause(2_500);
    expect(grid.requests.filter(({ method }) => method === 'DELETE')).toHaveLength(1);
    await ledger.settled();
  },
  { doubtWindow: { recheck: 200, end: 8_000 } },
);

worldTest(
  'lost with its daemon, it is waited for by the next daemon',
  async ({ grid, host, caller, ledger }) => {
    await caller.add('c1');
    grid.inject(late(1_500));
    await caller.del('c1');
    await host.stop();
    grid.clearLog();
    await host.start();
    expect(await caller.add('c1')).toBe('ok');
    await pause(1_500);
    expect(grid.requests.filter(({ method }) => method === 'DELETE')).toHaveLength(0);
    await ledger.settled();
  },
  { doubtWindow: { recheck: 200, end: 3_000 } },
);

worldTest('it is sent again when the first can be carried out no more', async ({ grid, caller, ledger }) => {
  await caller.add('c1');
  grid.inject({ method: 'DELETE', effect: { kind: 'reset' } });
  expect(await caller.del('c1')).toBe('ok');
  await ledger.settled();
});

/** The next search for c1, of which `skip` go by before, is answered with what the grid had when it came. */
const lookAnsweredLate = (ms: number, skip = 0): Fault => ({
  method: 'GET',
  type: 'fixedaddress',
  skip,
  when: ({ query }) => query.comment?.includes('container=c1 ') === true,
  effect: { kind: 'answer-late', ms },
});

worldTest(
  'carried out between a look and its answer, it is not sent again',
  async (world) => {
    const { grid, caller, ledger } = world;
    const other = await world.another({ node: 'host-b' });
    await other.add('warm');
    await caller.add('c1');
    grid.clearLog();
    grid.inject(late(1_350));
    grid.inject(lookAnsweredLate(1_000, 1));
    expect(await caller.del('c1')).toBe('ok');
    const isThere = () => ledger.reservations().some(({ comment }) => comment?.includes('container=c1 '));
    await until('it has been carried out', () => !isThere());
    expect(await other.add('c2')).toBe('ok');
    await pause(1_500);
    expect(grid.requests.filter(({ method }) => method === 'DELETE')).toHaveLength(1);
    expect(ledger.brokenNow()).toEqual([]);
  },
  { doubtWindow: { recheck: 200, end: 1_500 } },
);

worldTest(
  'carried out between a look and its answer, it leaves nobody with an address that is not reserved',
  async ({ grid, caller, ledger }) => {
    await caller.add('c1');
    grid.inject(late(900));
    expect(await caller.del('c1')).toBe('ok');
    await pause(600);
    grid.inject(lookAnsweredLate(700));
    expect(await caller.add('c1')).toBe('ok');
    await pause(300);
    expect(ledger.brokenNow()).toEqual([]);
    await ledger.settled();
  },
  { doubtWindow: { recheck: 100, end: 1_000 } },
);

worldTest(
  'a create that is carried out between a look and its answer is found',
  async ({ grid, caller, ledger }) => {
    await caller.add('c0');
    grid.inject({
      method: 'POST',
      type: 'fixedaddress',
      effect: { kind: 'commit-later', ms: 900, answer: 'hang' },
    });
    const adding = caller.add('c1');
    await pause(50);
    grid.inject(lookAnsweredLate(1_000, 1));
    expect(await caller.del('c1')).toBe('ok');
    await adding;
    await until('it has been carried out', () => ledger.reservations().length === 2);
    await ledger.settled();
  },
  { doubtWindow: { recheck: 500, end: 1_000 } },
);
