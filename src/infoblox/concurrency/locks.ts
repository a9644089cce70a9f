/** Locks: a mutex per key, and a semaphore. */
import { abortable } from './clock.ts';

/** A mutex per key: one action at a time, in the order of arrival; actions of different keys run concurrently. */
export class KeyedMutex {
  readonly #last = new Map<string, Promise<void>>();

  /** Runs `action` when all earlier actions of this key have ended, successfully or not. */
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

  /** Tells whether an action of this key runs or waits. */
  busy(key: string): boolean {
    return this.#last.has(key);
  }

  /** Waits until nothing runs or waits. */
  async idle(): Promise<void> {
    while (this.#last.size > 0) await Promise.all(this.#last.values());
  }
}

/**
 * A limit on concurrent requests to the grid; the others wait in the order of arrival. It is separate from the HTTP
 * pool, so a request that timed out while waiting is known never to have been sent.
 */
export class Semaphore {
  readonly #waiting = new Set<() => void>();
  readonly #urgent = new Set<() => void>();
  #free: number;

  constructor(size: number) {
    this.#free = size;
  }

  /** The number of waiting requests. */
  get waiting(): number {
    return this.#waiting.size + this.#urgent.size;
  }

  /**
   * Waits for a slot; `release` returns it.
   * @param urgency `urgent`: before all others
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
      // It got a slot at the same moment.
      if (!line.delete(resolve)) this.release();
      throw error;
    });
  }

  /** Passes the slot to the longest waiting request. */
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
