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
