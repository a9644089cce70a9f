/** Concurrent identical calls share one piece of work, which ends early when all of its callers have left. */

/** The work as whoever does it sees it. */
export interface Flight {
  /** Fires when the last caller has left, or when it is aborted. */
  readonly signal: AbortSignal;
  /** IDs of all callers that have joined so far, also of those that have left. */
  readonly callers: ReadonlySet<string>;
  /** From now on nobody joins any more: what callers there are is about to be written down. */
  seal(): void;
}

/** One caller's share of the work. */
export interface Share<T> {
  /** Resolves as the work does. */
  readonly result: Promise<T>;
  /** This caller does not wait any longer. The work is aborted with the last one. */
  leave(): void;
}

interface Entry<T> extends Flight {
  readonly variant: string;
  readonly controller: AbortController;
  readonly callers: Set<string>;
  result: Promise<T>;
  isSealed: boolean;
  waiting: number;
}

export class SingleFlight<T> {
  readonly #flights = new Map<string, Entry<T>>();

  /**
   * Joins the work under way for this key, or starts it.
   * @param call `variant`: calls for one key that differ in it do not share, the later one starts work of its own;
   * `caller`: its ID
   */
  join(
    key: string,
    call: { readonly variant: string; readonly caller: string },
    work: (flight: Flight) => Promise<T>,
  ): Share<T> {
    const { variant, caller } = call;
    const current = this.#flights.get(key);
    const canShare = current?.variant === variant && !current.isSealed && !current.signal.aborted;
    const flight = canShare ? current : this.#create(variant);
    flight.callers.add(caller);
    flight.waiting += 1;
    if (!canShare) this.#start(key, flight, work);
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

  /** Aborts the work for this key, for the given reason. */
  abort(key: string, reason: Error): void {
    this.#flights.get(key)?.controller.abort(reason);
  }

  #create(variant: string): Entry<T> {
    const controller = new AbortController();
    const entry: Entry<T> = {
      variant,
      controller,
      signal: controller.signal,
      callers: new Set<string>(),
      result: new Promise<T>(() => {}),
      isSealed: false,
      waiting: 0,
      seal: () => {
        entry.isSealed = true;
      },
    };
    return entry;
  }

  #start(key: string, flight: Entry<T>, work: (flight: Flight) => Promise<T>): void {
    this.#flights.set(key, flight);
    flight.result = work(flight);
    const end = () => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    };
    flight.result.then(end, end);
  }
}
