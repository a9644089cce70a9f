/** Whether the grid can serve requests, as the last requests showed: for STATUS, for logs, and for waking upkeep. */
import { GridError, hasReason } from './errors.ts';

/** Milliseconds after which good news are old: STATUS then asks for a fresh look, without waiting for it. */
const freshFor = 60_000;
/** Milliseconds that a refused write counts, since no read can show that writing works again. */
const writeTroubleFor = 60_000;

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
  #writeTrouble: { readonly error: GridError; readonly at: number } | undefined;
  #asked = false;
  #wellAt = Number.NEGATIVE_INFINITY;

  /** @param now milliseconds, monotonic */
  constructor(events: HealthEvents, now: () => number = () => performance.now()) {
    this.#events = events;
    this.#now = now;
  }

  /**
   * How a request ended.
   * @param trouble undefined for a proper answer
   * @param writes whether the request was one that changes the grid
   */
  report(trouble: GridError | undefined, writes: boolean): void {
    const before = this.trouble;
    const first = !this.#asked;
    this.#asked = true;
    if (hasReason(trouble, 'read-only', 'licence')) this.#writeTrouble = { error: trouble, at: this.#now() };
    else this.#trouble = trouble;
    if (trouble === undefined) {
      this.#wellAt = this.#now();
      if (writes) this.#writeTrouble = undefined;
    }
    const after = this.trouble;
    if (after === undefined && (first || before !== undefined)) this.#events.onWell();
    if (after !== undefined && before?.reason !== after.reason) this.#events.onTrouble(after);
  }

  /** What keeps the grid from serving requests; undefined when nothing is known to. */
  get trouble(): GridError | undefined {
    if (this.#trouble !== undefined) return this.#trouble;
    const write = this.#writeTrouble;
    return write !== undefined && this.#now() - write.at < writeTroubleFor ? write.error : undefined;
  }

  /** What stands against promising service: trouble, or that the grid has not answered at all yet. */
  get obstacle(): GridError | undefined {
    if (this.#asked) return this.trouble;
    return new GridError('timeout', 'the grid has not answered yet since the daemon started', {
      hint: 'try again in a few seconds; if this stays, check --grid-host and --wapi-port of the daemon',
    });
  }

  /** True when the last good answer is too long ago to rely on. */
  get stale(): boolean {
    return this.#now() - this.#wellAt > freshFor;
  }
}
