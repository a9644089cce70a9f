/** How actions of one key wait for each other (`KeyedMutex`), or share one piece of work (`SingleFlight`). */

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

/** The shared work, from the side that does it. */
export interface SharedWork {
  /** Fires when the last caller has left, or when it is aborted. */
  readonly signal: AbortSignal;
  /** IDs of all callers so far, including those that have left. */
  readonly callers: ReadonlySet<string>;
  /** Why it is waiting, for a caller that stops waiting. */
  delay: Error | undefined;
  /** Accepts no more callers: the current ones are about to be recorded. */
  close(): void;
}

/** One caller's share of the work. */
interface Share<T> {
  readonly work: Pick<SharedWork, 'delay'>;
  /** Resolves as the work does. */
  readonly result: Promise<T>;
  /** Stops waiting. The work is aborted with its last caller. */
  leave(): void;
}

class Work<T> implements SharedWork {
  readonly variant: string;
  readonly controller = new AbortController();
  readonly signal = this.controller.signal;
  readonly callers: Set<string>;
  readonly result: Promise<T>;
  delay: Error | undefined;
  isClosed = false;
  waiting = 0;

  constructor(variant: string, caller: string, run: (work: SharedWork) => Promise<T>) {
    this.variant = variant;
    this.callers = new Set([caller]);
    this.result = run(this);
  }

  close(): void {
    this.isClosed = true;
  }
}

/** Concurrent identical calls share one piece of work, which is aborted when all callers have left. */
export class SingleFlight<T> {
  /** Several for a key only if variants of its call are in progress, or one is closed. */
  readonly #works = new Map<string, Set<Work<T>>>();

  /**
   * Joins the work in progress for this key, or starts it.
   * @param call `variant`: calls with different variants do not share; the later one starts its own work. `caller`: its
   * ID
   */
  join(
    key: string,
    { variant, caller }: { readonly variant: string; readonly caller: string },
    run: (work: SharedWork) => Promise<T>,
  ): Share<T> {
    const current = [...(this.#works.get(key) ?? [])].find(
      (one) => one.variant === variant && !one.isClosed && !one.signal.aborted,
    );
    const work = current ?? this.#started(key, new Work(variant, caller, run));
    work.callers.add(caller);
    work.waiting += 1;
    const leave = () => {
      work.waiting -= 1;
      if (work.waiting === 0) work.controller.abort();
    };
    return { work, result: work.result, leave };
  }

  /** Tells whether work for this key is in progress. */
  underWay(key: string): boolean {
    return this.#works.has(key);
  }

  /** Aborts all work for this key with a reason. */
  abort(key: string, reason: Error): void {
    for (const { controller } of this.#works.get(key) ?? []) controller.abort(reason);
  }

  #started(key: string, work: Work<T>): Work<T> {
    const works = this.#works.get(key) ?? new Set();
    this.#works.set(key, works.add(work));
    const end = () => {
      works.delete(work);
      if (works.size === 0) this.#works.delete(key);
    };
    work.result.then(end, end);
    return work;
  }
}
