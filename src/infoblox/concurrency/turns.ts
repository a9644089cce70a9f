/** Long loops share the event loop: others, such as calls of plugins, have a turn after every so many steps. */
import { setImmediate } from 'node:timers/promises';

/** Leases that are written between two turns: each waits for the disk. */
export const writesAtATime = 20;

/** Makes what such a loop awaits after each step: it waits for a turn after every `steps`-th, else for nothing. */
export function turnEvery(steps: number): () => Promise<void> | undefined {
  let count = 0;
  return () => {
    count += 1;
    return count % steps === 0 ? setImmediate() : undefined;
  };
}
