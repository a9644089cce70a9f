/** Concurrent identical calls share one piece of work, which ends early when all of its callers have left. */

/** One caller's share of the work. */
export interface Share<T> {
  /** Resolves as the work does. */
  readonly result: Promise<T>;
  /** This caller does not wait any longer. The work is aborted with the last one. */
  leave(): void;
}

interface Flight<T> {
  readonly variant: string;
  readonly controller: AbortController;
  readonly result: Promise<T>;
  callers: number;
}

export class SingleFlight<T> {
  readonly #flights = new Map<string, Flight<T>>();

  /**
   * Joins the work under way for this key, or starts it.
   * @param variant calls for one key that differ in it do not share: the later one starts work of its own
   * @param work its signal fires when the last caller has left, or when `abort` is called
   */
  join(key: string, variant: string, work: (signal: AbortSignal) => Promise<T>): Share<T> {
    const current = this.#flights.get(key);
    const shared = current !== undefined && current.variant === variant && !current.controller.signal.aborted;
    const flight = shared ? current : this.#start(key, variant, work);
    flight.callers += 1;
    return {
      result: flight.result,
      leave: () => {
        flight.callers -= 1;
        if (flight.callers === 0) flight.controller.abort();
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

  #start(key: string, variant: string, work: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const controller = new AbortController();
    const result = work(controller.signal);
    const flight = { variant, controller, result, callers: 0 };
    this.#flights.set(key, flight);
    const end = () => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    };
    result.then(end, end);
    return flight;
  }
}
