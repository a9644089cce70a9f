/** A release that could not be carried out at once follows later: once, in order, and without bursts or busy loops. */
import { readdirSync } from 'node:fs';
import { expect, vi } from 'vitest';
import type { SqliteLeaseStore } from '../../../src/infoblox/lease/store/sqlite-store.ts';
import { owedDir } from '../../../src/modes/protocol.ts';
import { isNote } from '../../../src/modes/release-note.ts';
import { atMost } from '../../fixture/at-most.ts';
import { until } from '../../fixture/host.ts';
import { intercept } from '../../fixture/intercept.ts';
import { pause, type World } from '../../fixture/world.ts';
import { lonelyWorldTest, worldTest } from './world-test.ts';

// The tests mostly wait, so they run in parallel.
vi.setConfig({ maxConcurrency: 12 });

/** Number of times that the reconciler has asked for the next due time. */
let looks = 0;
const countLooks = (store: SqliteLeaseStore) =>
  intercept(store, (method, _, run) => {
    if (method === 'nextDue') looks += 1;
    return run();
  });

const gone = (world: World) => () => world.ledger.reservations().length === 0;

worldTest('a DEL noted by the plugin while the daemon was down does not undo the ADD that follows', async (world) => {
  const { host, caller, ledger } = world;
  await caller.add('c1');
  await host.stop();
  caller.leaveNote('c1');
  await host.start();
  expect(await caller.add('c1')).toBe('ok');
  await pause(500);
  await ledger.settled();
});

worldTest('a DEL noted while the daemon was slow is carried out before the ADD that follows', async (world) => {
  const { host, caller, ledger } = world;
  await caller.add('c1');
  caller.leaveNote('c1');
  expect(await caller.add('c1')).toBe('ok');
  // No note is left that could undo the ADD when the daemon next looks for notes.
  expect(readdirSync(owedDir(host.socketDir, 'infoblox')).filter(isNote)).toEqual([]);
  await ledger.settled();
});

worldTest('a DEL noted by the plugin while the daemon was down is carried out at its start', async (world) => {
  const { host, caller } = world;
  await caller.add('c1');
  await host.stop();
  caller.leaveNote('c1');
  await host.start();
  await until('the note is settled', gone(world));
});

worldTest('a DEL that the daemon could not complete survives its restart', async (world) => {
  const { grid, host, caller } = world;
  await caller.add('c1');
  await grid.pause();
  await caller.del('c1');
  await host.stop();
  await grid.resume();
  await host.start();
  await until('the owed release is settled', gone(world));
});

lonelyWorldTest(
  'while the grid hangs the reconciler waits, and does not look at the clock a thousand times a second',
  async (world) => {
    const { host, grid, caller } = world;
    await caller.add('c1');
    await host.stop();
    caller.leaveNote('c1');
    const disarm = grid.inject({ times: Number.POSITIVE_INFINITY, type: 'fixedaddress', effect: { kind: 'hang' } });
    grid.clearLog();
    await host.start();
    await until('the reconciler asks', () => grid.requests.some(({ type }) => type === 'fixedaddress'));
    looks = 0;
    await pause(1_000);
    expect(looks).toBeLessThan(20);
    disarm();
  },
  { wrapStore: countLooks },
);

worldTest('a backlog of 150 releases is carried out two at a time', async (world) => {
  const { host, grid, caller } = world;
  const few = atMost(8);
  await Promise.all(Array.from({ length: 150 }, (_, index) => few(() => caller.add(`c${index}`))));
  await host.stop();
  for (let index = 0; index < 150; index += 1) caller.leaveNote(`c${index}`);
  grid.latencyMs = 5;
  grid.clearLog();
  await host.start();
  await until('all are settled', gone(world));
  // The reconciler's workers, and the request of the grid monitor.
  expect(grid.inFlightMax).toBeLessThanOrEqual(4);
});
