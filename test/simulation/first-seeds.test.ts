/**
 * Runs the core in virtual time under all faults: containers start, stop and die; runtimes repeat and forget calls; daemons are killed;
 * clocks are set; hosts reboot, are renamed, cloned and lost; disks are full; answers are lost or late; masters fail over; people use
 * commands and edit the grid. After each event no two live containers have the same address, each has its reservation, and foreign
 * reservations are untouched. When the faults end, the system settles. further-seeds.test.ts runs the other half of the seeds in a second
 * worker; `make simulate` runs any number.
 */
import { expect, test } from 'vitest';
import { cannotBeMet, watchTables } from './coverage.ts';
import { simulate } from './run.ts';
import { planOf, simulateSeed } from './seeds.ts';
import { situations } from './situations/all.ts';

const coverage = watchTables();

test('the invariants hold in the runs of seeds 1 to 250', { timeout: 300_000 }, async () => {
  for (let seed = 1; seed <= 250; seed += 1) await simulateSeed(seed);
});

test('these seeds, or known situations, use every row of the tables except unreachable ones', {
  timeout: 180_000,
}, async () => {
  for (const { run } of situations) await run();
  expect(coverage.missing().sort()).toEqual(Object.keys(cannotBeMet).sort());
});

test('the same seed gives the same trace, twice', async () => {
  const plan = planOf(7);
  expect(await simulate(plan)).toEqual(await simulate(plan));
});
