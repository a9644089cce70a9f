/** Tests that bring their own world, so that they may wait side by side. */
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

/** A test that runs beside others of its file. */
export function worldTest(name: string, run: Run, options: WorldOptions = {}): void {
  test.concurrent(name, () => inWorld(run, options));
}

/** A test that has the process to itself, because it watches or times it. */
export function lonelyWorldTest(name: string, run: Run, options: WorldOptions = {}): void {
  test(name, () => inWorld(run, options));
}
