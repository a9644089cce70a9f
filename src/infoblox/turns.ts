/** Lets operations on one attachment run one after another, in the order they came; different ones run side by side. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();
  readonly #yielding = new Map<string, AbortController>();

  /** Runs `action` when all earlier actions of this key have ended. */
  async run<T>(key: string, action: () => Promise<T>): Promise<T> {
    this.#yielding.get(key)?.abort();
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

  /** As `run`, for an action that can be put off: its signal fires as soon as somebody else waits for this key. */
  async runUntilWanted<T>(key: string, action: (wanted: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const running = this.run(key, () => action(controller.signal));
    this.#yielding.set(key, controller);
    try {
      return await running;
    } finally {
      if (this.#yielding.get(key) === controller) this.#yielding.delete(key);
    }
  }

  /** Waits until nothing runs or waits. */
  async idle(): Promise<void> {
    while (this.#last.size > 0) await Promise.all(this.#last.values());
  }

  /** True while an operation of this key runs or waits. */
  busy(key: string): boolean {
    const yielding = this.#yielding.get(key);
    return this.#last.has(key) && (yielding === undefined || yielding.signal.aborted);
  }
}
