/** Who may go on: one at a time for a key, or so many at once. */
import { abortable } from './clock.ts';

/** One operation at a time for each key, in the order they came; those of different keys run side by side. */
export class KeyedMutex {
  readonly #last = new Map<string, Promise<void>>();

  /** Runs `action` when all earlier actions of this key have ended, however they ended. */
  async run<T>(key: string, action: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const { promise: turn, resolve: end } = Promise.withResolvers<void>();
    this.#last.set(key, turn);
    try {
      await before;
      return await action();
    } finally {
      end();
      if (this.#last.get(key) === turn) this.#last.delete(key);
    }
  }

  /** True while an action of this key runs or waits. */
  busy(key: string): boolean {
    return this.#last.has(key);
  }

  /** Waits until nothing runs or waits. */
  async idle(): Promise<void> {
    while (this.#last.size > 0) await Promise.all(this.#last.values());
  }
}

/**
 * At most `size` requests to the grid at once; the rest wait in the order they came. Kept apart from the HTTP pool
 * so that a request whose time ran out while it waited is known never to have been sent.
 */
export class Semaphore {
  readonly #waiting = new Set<() => void>();
  readonly #urgent = new Set<() => void>();
  #free: number;

  constructor(size: number) {
    this.#free = size;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.size + this.#urgent.size;
  }

  /**
   * Waits for leave to go on, which `release` gives back.
   * @param urgency `urgent`: before all that are not
   * @throws the signal's reason if that fires first
   */
  async acquire(signal: AbortSignal, urgency?: 'urgent'): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const line = urgency === undefined ? this.#waiting : this.#urgent;
    line.add(resolve);
    await abortable(promise, signal, () => signal.reason).catch((error) => {
      // Its turn came at the same moment.
      if (!line.delete(resolve)) this.release();
      throw error;
    });
  }

  /** Lets the one go on who waits longest. */
  release(): void {
    const line = this.#urgent.size > 0 ? this.#urgent : this.#waiting;
    const [next] = line;
    if (next === undefined) {
      this.#free += 1;
      return;
    }
    line.delete(next);
    next();
  }
}
