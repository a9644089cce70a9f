/**
 * The core in virtual time, whatever comes: containers that start, stop and die, runtimes that repeat and forget, daemons that are killed,
 * clocks that are set, hosts that reboot, are renamed, cloned and lost, disks that are full, answers that are lost or late, masters that
 * fail over, persons with commands and edits. After each event no two living containers have one address, each has its reservation, and no
 * stranger's is touched; and when the troubles end, all comes to rest. The other half of the seeds is in further-seeds.test.ts, for a
 * second worker; `make simulate` runs as many as one likes.
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

test('these seeds, or known situations, meet every row of the tables but those that cannot be met', {
  timeout: 60_000,
}, async () => {
  for (const { run } of situations) await run();
  expect(coverage.missing().sort()).toEqual(Object.keys(cannotBeMet).sort());
});

test('the same seed gives the same trace, twice', async () => {
  const plan = planOf(7);
  expect(await simulate(plan)).toEqual(await simulate(plan));
});
