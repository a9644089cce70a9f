import { abortable } from './abortable.ts';

/**
 * At most `size` requests to the grid at once; the rest wait in the order they came. Kept apart from the HTTP pool
 * so that a request whose time ran out while it waited is known never to have been sent.
 */
export class Semaphore {
  readonly #waiting = new Set<() => void>();
  #free: number;

  constructor(size: number) {
    this.#free = size;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Waits for leave to go on, which `release` gives back. @throws the signal's reason if that fires first */
  async acquire(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    await abortable(promise, signal, () => signal.reason).catch((error) => {
      // Its turn came at the same moment.
      if (!this.#waiting.delete(resolve)) this.release();
      throw error;
    });
  }

  /** Lets the one go on who waits longest. */
  release(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free += 1;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
