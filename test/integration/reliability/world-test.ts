/** Tests with a world of their own, so that they can wait in parallel. */
import { test } from 'vitest';
import { startWorld, type World, type WorldOptions } from '../../fixture/world.ts';

type Run = (world: World) => Promise<void>;

async function inWorld(run: Run, options: WorldOptions): Promise<void> {
  const world = await startWorld(options);
  try {
    await run(world);
  } finally {
    await world.end();
  }
}

/** Defines a test that runs in parallel with others of its file. */
export function worldTest(name: string, run: Run, options: WorldOptions = {}): void {
  test.concurrent(name, () => inWorld(run, options));
}

/** Defines a test that runs alone, because it observes or times the process. */
export function lonelyWorldTest(name: string, run: Run, options: WorldOptions = {}): void {
  test(name, () => inWorld(run, options));
}
