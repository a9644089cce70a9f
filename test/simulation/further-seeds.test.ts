/** Runs the other half of the seeds of first-seeds.test.ts in a second worker. */
import { test } from 'vitest';
import { simulateSeed } from './seeds.ts';

test('the invariants hold in the runs of seeds 251 to 500', { timeout: 300_000 }, async () => {
  for (let seed = 251; seed <= 500; seed += 1) await simulateSeed(seed);
});
