/** Concurrent identical calls share one piece of work, which ends early when all of its callers have left. */

/** The work as whoever does it sees it. */
export interface SharedWork {
  /** Fires when the last caller has left, or when it is aborted. */
  readonly signal: AbortSignal;
  /** IDs of all callers that have joined so far, also of those that have left. */
  readonly callers: ReadonlySet<string>;
  /** What it is waiting for, if whoever does it says so: to be told to a caller that waits no longer. */
  delay: Error | undefined;
  /** From now on nobody joins any more: what callers there are is about to be written down. */
  close(): void;
}

/** One caller's share of the work. */
interface Share<T> {
  readonly work: Pick<SharedWork, 'delay'>;
  /** Resolves as the work does. */
  readonly result: Promise<T>;
  /** This caller does not wait any longer. The work is aborted with the last one. */
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

export class SingleFlight<T> {
  /** More than one for a key only while variants of its call are under way, or one is closed. */
  readonly #works = new Map<string, Set<Work<T>>>();

  /**
   * Joins the work under way for this key, or starts it.
   * @param call `variant`: calls for one key that differ in it do not share, the later one starts work of its own;
   * `caller`: its ID
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

  /** True while work for this key is under way. */
  underWay(key: string): boolean {
    return this.#works.has(key);
  }

  /** Aborts all work for this key, for the given reason. */
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
