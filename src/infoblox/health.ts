/** Whether the grid can serve requests, as the last requests showed: for STATUS, for logs, and for waking upkeep. */
import type { GridError } from './errors.ts';

/** Milliseconds after which good news are old: STATUS then asks for a fresh look, without waiting for it. */
const freshFor = 60_000;

export interface HealthEvents {
  /** The first failure after good times, or another reason than before. */
  onTrouble(trouble: GridError): void;
  /** The first success after trouble, and the first at all. */
  onWell(): void;
}

export class Health {
  readonly #events: HealthEvents;
  readonly #now: () => number;
  #trouble: GridError | undefined;
  #asked = false;
  #wellAt = Number.NEGATIVE_INFINITY;

  /** @param now milliseconds, monotonic */
  constructor(events: HealthEvents, now: () => number = () => performance.now()) {
    this.#events = events;
    this.#now = now;
  }

  /** How a request ended; undefined for a proper answer. */
  report(trouble: GridError | undefined): void {
    const before = this.#trouble;
    const first = !this.#asked;
    this.#asked = true;
    this.#trouble = trouble;
    if (trouble === undefined) {
      this.#wellAt = this.#now();
      if (first || before !== undefined) this.#events.onWell();
    } else if (before?.reason !== trouble.reason) this.#events.onTrouble(trouble);
  }

  /** What keeps the grid from serving requests; undefined when nothing is known to. */
  get trouble(): GridError | undefined {
    return this.#trouble;
  }

  /** True before the first request has ended. */
  get unknown(): boolean {
    return !this.#asked;
  }

  /** True when the last good answer is too long ago to rely on. */
  get stale(): boolean {
    return this.#now() - this.#wellAt > freshFor;
  }
}
