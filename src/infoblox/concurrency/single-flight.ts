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
interface Share<T> {
  /** Resolves as the work does. */
  readonly result: Promise<T>;
  /** This caller does not wait any longer. The work is aborted with the last one. */
  leave(): void;
}

class Flight<T> implements SharedWork {
  readonly variant: string;
  readonly controller = new AbortController();
  readonly signal = this.controller.signal;
  readonly callers = new Set<string>();
  result!: Promise<T>;
  isClosed = false;
  waiting = 0;

  constructor(variant: string) {
    this.variant = variant;
  }

  close(): void {
    this.isClosed = true;
  }
}

export class SingleFlight<T> {
  /** More than one for a key only while variants of its call are under way, or one is closed. */
  readonly #flights = new Map<string, Set<Flight<T>>>();

  /**
   * Joins the work under way for this key, or starts it.
   * @param call `variant`: calls for one key that differ in it do not share, the later one starts work of its own;
   * `caller`: its ID
   */
  join(
    key: string,
    { variant, caller }: { readonly variant: string; readonly caller: string },
    work: (shared: SharedWork) => Promise<T>,
  ): Share<T> {
    const flights = this.#flights.get(key) ?? new Set<Flight<T>>();
    const current = [...flights].find((one) => one.variant === variant && !one.isClosed && !one.signal.aborted);
    const flight = current ?? new Flight<T>(variant);
    flight.callers.add(caller);
    flight.waiting += 1;
    if (current === undefined) {
      this.#flights.set(key, flights.add(flight));
      flight.result = work(flight);
      const end = () => {
        flights.delete(flight);
        if (flights.size === 0) this.#flights.delete(key);
      };
      flight.result.then(end, end);
    }
    return {
      result: flight.result,
      leave: () => {
        flight.waiting -= 1;
        if (flight.waiting === 0) flight.controller.abort();
      },
    };
  }

  /** True while work for this key is under way. */
  underWay(key: string): boolean {
    return this.#flights.has(key);
  }

  /** Aborts all work for this key, for the given reason. */
  abort(key: string, reason: Error): void {
    for (const { controller } of this.#flights.get(key) ?? []) controller.abort(reason);
  }
}
