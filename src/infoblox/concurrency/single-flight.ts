/** Concurrent identical calls share one piece of work, which ends early when all of its callers have left. */

/** The work as whoever does it sees it. */
export interface SharedWork {
  /** Fires when the last caller has left, or when it is aborted. */
  readonly signal: AbortSignal;
  /** IDs of all callers that have joined so far, also of those that have left. */
  readonly callers: ReadonlySet<string>;
  /** From now on nobody joins any more: what callers there are is about to be written down. */
  close(): void;
}

/** One caller's share of the work. */
export interface Share<T> {
  /** Resolves as the work does. */
  readonly result: Promise<T>;
  /** This caller does not wait any longer. The work is aborted with the last one. */
  leave(): void;
}

interface Entry<T> extends SharedWork {
  readonly variant: string;
  readonly controller: AbortController;
  readonly callers: Set<string>;
  result: Promise<T>;
  isClosed: boolean;
  waiting: number;
}

export class SingleFlight<T> {
  /** More than one for a key only while variants of its call are under way. */
  readonly #entries = new Map<string, Set<Entry<T>>>();

  /**
   * Joins the work under way for this key, or starts it.
   * @param call `variant`: calls for one key that differ in it do not share, the later one starts work of its own;
   * `caller`: its ID
   */
  join(
    key: string,
    call: { readonly variant: string; readonly caller: string },
    work: (shared: SharedWork) => Promise<T>,
  ): Share<T> {
    const { variant, caller } = call;
    const current = [...this.#of(key)].find((one) => one.variant === variant && !one.isClosed && !one.signal.aborted);
    const entry = current ?? newEntry<T>(variant);
    entry.callers.add(caller);
    entry.waiting += 1;
    if (current === undefined) this.#start(key, entry, work);
    return {
      result: entry.result,
      leave: () => {
        entry.waiting -= 1;
        if (entry.waiting === 0) entry.controller.abort();
      },
    };
  }

  /** True while work for this key is under way. */
  underWay(key: string): boolean {
    return this.#entries.has(key);
  }

  /** Aborts all work for this key, for the given reason. */
  abort(key: string, reason: Error): void {
    for (const { controller } of this.#of(key)) controller.abort(reason);
  }

  #of(key: string): ReadonlySet<Entry<T>> {
    return this.#entries.get(key) ?? new Set();
  }

  #start(key: string, entry: Entry<T>, work: (shared: SharedWork) => Promise<T>): void {
    const entries = this.#entries.get(key) ?? new Set();
    this.#entries.set(key, entries.add(entry));
    entry.result = work(entry);
    const end = () => {
      entries.delete(entry);
      if (entries.size === 0) this.#entries.delete(key);
    };
    entry.result.then(end, end);
  }
}

function newEntry<T>(variant: string): Entry<T> {
  const controller = new AbortController();
  const entry: Entry<T> = {
    variant,
    controller,
    signal: controller.signal,
    callers: new Set<string>(),
    result: new Promise<T>(() => {}),
    isClosed: false,
    waiting: 0,
    close: () => {
      entry.isClosed = true;
    },
  };
  return entry;
}
