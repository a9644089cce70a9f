/**
 * A delete whose answer was lost may be carried out long afterwards. References are natural keys: whoever has the address
 * by then would lose it.
 */
import { expect } from 'vitest';
import { until } from '../../fixture/host.ts';
import { pause } from '../../fixture/world.ts';
import type { Fault, Grid } from '../../simulator/grid.ts';
import { worldTest } from './world-test.ts';

/** Milliseconds; long enough for all that a test does while a write is in doubt. */
const doubtWindow = { recheck: 200, end: 4_000 };

/** The next delete is carried out when `after` is fulfilled. */
const deletedLate = (after: Promise<unknown>): Fault => ({
  method: 'DELETE',
  type: 'fixedaddress',
  effect: { kind: 'commit-later', after },
});

/** A search for the reservations of c1. */
const isLook: Fault['when'] = ({ method, query }) =>
  method === 'GET' && query.comment?.includes('container=c1 ') === true;

/** The next look but `skip` is answered, when `after` is fulfilled, with what the grid had when it came. */
const lookAnsweredLate = (after: Promise<unknown>, skip = 0): Fault => ({
  type: 'fixedaddress',
  skip,
  when: isLook,
  effect: { kind: 'answer-late', after },
});

const looks = (grid: Grid, count: number) =>
  until(`look ${count} has come`, () => grid.requests.filter((request) => isLook(request)).length >= count);

const deletes = (grid: Grid) => grid.requests.filter(({ method }) => method === 'DELETE');

/** From a moment at which something is in doubt. */
const doubtIsOver = () => pause(doubtWindow.end + 100);

worldTest(
  'carried out after its container was added again, it takes nothing from it',
  async ({ grid, caller, ledger }) => {
    const carriedOut = Promise.withResolvers<void>();
    await caller.add('c1');
    grid.inject(deletedLate(carriedOut.promise));
    expect(await caller.del('c1')).toBe('ok');
    expect(await caller.add('c1')).toBe('ok');
    expect(await caller.add('c1')).toBe('ok');
    carriedOut.resolve();
    await ledger.settled();
    expect(await caller.del('c1')).toBe('ok');
    await ledger.settled();
  },
  { doubtWindow },
);

worldTest(
  'it is not followed by a second one, which could hit the next holder of the address',
  async ({ grid, caller, ledger }) => {
    const carriedOut = Promise.withResolvers<void>();
    await caller.add('c1');
    grid.inject(deletedLate(carriedOut.promise));
    grid.clearLog();
    expect(await caller.del('c1')).toBe('ok');
    await looks(grid, 2);
    carriedOut.resolve();
    await until('it has been carried out', () => ledger.reservations().length === 0);
    expect(await caller.add('c2')).toBe('ok');
    await doubtIsOver();
    expect(deletes(grid)).toHaveLength(1);
    await ledger.settled();
  },
  { doubtWindow },
);

worldTest(
  'lost with its daemon, it is waited for by the next daemon',
  async ({ grid, host, caller, ledger }) => {
    const carriedOut = Promise.withResolvers<void>();
    await caller.add('c1');
    grid.inject(deletedLate(carriedOut.promise));
    await caller.del('c1');
    await host.stop();
    grid.clearLog();
    await host.start();
    expect(await caller.add('c1')).toBe('ok');
    carriedOut.resolve();
    await ledger.settled();
    await doubtIsOver();
    expect(deletes(grid)).toHaveLength(0);
    await ledger.settled();
  },
  { doubtWindow },
);

worldTest('it is sent again when the first can be carried out no more', async ({ grid, caller, ledger }) => {
  await caller.add('c1');
  grid.inject({ method: 'DELETE', effect: { kind: 'reset' } });
  expect(await caller.del('c1')).toBe('ok');
  await ledger.settled();
});

worldTest(
  'carried out between a look and its answer, it is not sent again',
  async (world) => {
    const { grid, caller, ledger } = world;
    const [carriedOut, answered] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const other = await world.another({ node: 'host-b', doubtWindow });
    await other.add('warm');
    await caller.add('c1');
    grid.clearLog();
    grid.inject(deletedLate(carriedOut.promise));
    grid.inject(lookAnsweredLate(answered.promise, 1));
    expect(await caller.del('c1')).toBe('ok');
    await looks(grid, 2);
    carriedOut.resolve();
    await until('it has been carried out', () => ledger.reservations().length === 1);
    expect(await other.add('c2')).toBe('ok');
    await doubtIsOver();
    answered.resolve();
    await looks(grid, 3);
    await ledger.settled();
    expect(deletes(grid)).toHaveLength(1);
  },
  { doubtWindow },
);

worldTest(
  'carried out between a look and its answer, it leaves nobody with an address that is not reserved',
  async ({ grid, caller, ledger }) => {
    const [carriedOut, answered] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    await caller.add('c1');
    grid.clearLog();
    grid.inject(deletedLate(carriedOut.promise));
    expect(await caller.del('c1')).toBe('ok');
    await looks(grid, 2);
    grid.inject(lookAnsweredLate(answered.promise));
    const adding = caller.add('c1');
    await looks(grid, 3);
    carriedOut.resolve();
    await until('it has been carried out', () => ledger.reservations().length === 0);
    await doubtIsOver();
    answered.resolve();
    expect(await adding).toBe('ok');
    expect(ledger.brokenNow()).toEqual([]);
    await ledger.settled();
  },
  { doubtWindow },
);

worldTest(
  'a create that is carried out between a look and its answer is found',
  async ({ grid, caller, ledger }) => {
    const [carriedOut, answered] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    await caller.add('c0');
    grid.clearLog();
    grid.inject({
      method: 'POST',
      type: 'fixedaddress',
      effect: { kind: 'commit-later', after: carriedOut.promise, answer: 'hang' },
    });
    const adding = caller.add('c1');
    await until('the create has come', () => grid.requests.some(({ method }) => method === 'POST'));
    grid.clearLog();
    grid.inject(lookAnsweredLate(answered.promise, 1));
    expect(await caller.del('c1')).toBe('ok');
    await adding;
    await looks(grid, 2);
    carriedOut.resolve();
    await until('it has been carried out', () => ledger.reservations().length === 2);
    await doubtIsOver();
    answered.resolve();
    await ledger.settled();
  },
  { doubtWindow },
);
