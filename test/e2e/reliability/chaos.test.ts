/** A short chaos run. `make soak` runs the long one. */
import { expect, test } from 'vitest';
import { seed } from '../../seed.ts';
import { Chaos } from './chaos.ts';
import { startChaosWorld } from './chaos-world.ts';

const minDurationMs = 12_000;
/** Reached in three seconds on a quiet machine. */
const minOperations = 600;

test('no address is lost or given twice while runtimes, daemons and the grid fail at random', {
  timeout: 180_000,
}, async () => {
  const world = await startChaosWorld();
  try {
    const end = performance.now() + minDurationMs;
    const chaos = new Chaos({
      ...world,
      killable: [...world.hosts.values()],
      seed,
      containers: 6,
      troubleEvery: 120,
      enough: (operations) => operations > minOperations && performance.now() > end,
    });
    const { kills, outcomes } = await chaos.run().catch((error) => {
      throw new Error(`SEED=${seed} repeats the choices of this run`, { cause: error });
    });
    expect(kills).toBeGreaterThan(2);
    expect(outcomes.get('ADD ok')).toBeGreaterThan(100);
    expect(outcomes.get('GC ok')).toBeGreaterThan(2);
  } finally {
    await world.end();
  }
});
