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
