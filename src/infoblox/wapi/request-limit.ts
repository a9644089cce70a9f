/**
 * Limits the requests of this host that are in flight, and says which goes next. A slow grid is overloaded, as when all hosts of a site
 * reboot: each host then sends fewer requests, down to one now and then, and more again when the answers are quick.
 */
import { abortable, type Clock } from '../concurrency/clock.ts';

/** Limit on requests in flight, and so on connections: a grid master is a small machine with many clients. */
export const maxConnections = 8;
/** Milliseconds after which an answer is slow. One place in the limit then rests `restFactor` times as long as the answer was late. */
const slowMs = 5_000;
const restFactor = 4;
const maxRestMs = 15_000;
/** Rest, in milliseconds, after a request that failed: short, since another grid host may serve by then. */
const failureRestMs = 4_000;
/** Milliseconds within which an answer is quick: the grid has capacity for background work, which else pauses for `spareRestMs`. */
const quickMs = 1_500;
const spareRestMs = 30_000;

interface RequestLimitDeps {
  readonly clock: Pick<Clock, 'now' | 'after'>;
  /** Returns a number from 0 up to 1, to spread rests. */
  readonly random: () => number;
}

/** Separate from the HTTP pool, so a request that timed out while waiting was certainly not sent. */
export class RequestLimit {
  readonly #deps: RequestLimitDeps;
  /** In the order of arrival. */
  readonly #waiting = new Set<() => void>();
  readonly #urgent = new Set<() => void>();
  /** Half as many after each slow answer, all after any other. */
  #limit = 1;
  #inFlight = 0;
  #resting = 0;
  #isQuick = false;
  /** As the clock's `now`. */
  #spareFrom = Number.NEGATIVE_INFINITY;

  constructor(deps: RequestLimitDeps) {
    this.#deps = deps;
  }

  /** Number of waiting requests. */
  get waiting(): number {
    return this.#waiting.size + this.#urgent.size;
  }

  /** Number of background requests that may be sent now. */
  get spare(): number {
    if (this.waiting > 0 || this.#deps.clock.now() < this.#spareFrom) return 0;
    const taken = this.#inFlight + this.#resting;
    return this.#isQuick ? Math.max(Math.floor(this.#limit) - taken, 0) : Number(taken === 0);
  }

  /**
   * Waits until a request may be sent; `release` must follow.
   * @param urgency `urgent`: before all others, however slow the grid is
   * @throws the signal's reason if that fires first
   */
  async acquire(signal: AbortSignal, urgency?: 'urgent'): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve } = Promise.withResolvers<void>();
    const line = urgency === undefined ? this.#waiting : this.#urgent;
    line.add(resolve);
    this.#admit();
    await abortable(promise, signal, () => signal.reason).catch((error) => {
      // It was admitted at the same moment.
      if (!line.delete(resolve)) this.release();
      throw error;
    });
  }

  /** Lets the next one go. */
  release(): void {
    this.#inFlight -= 1;
    this.#admit();
  }

  /**
   * Learns from a request that was sent and is about to be released.
   * @param tookMs milliseconds until it ended
   * @param hasFailed whether the grid did not answer, or answered with a server error
   */
  learn({ tookMs, hasFailed }: { readonly tookMs: number; readonly hasFailed: boolean }): void {
    const now = this.#deps.clock.now();
    const isSlow = hasFailed || tookMs > slowMs;
    this.#isQuick = !hasFailed && tookMs <= quickMs;
    this.#limit = isSlow ? Math.max(this.#limit / 2, 1) : maxConnections;
    if (isSlow) this.#rest(hasFailed ? failureRestMs : Math.min(restFactor * (tookMs - slowMs), maxRestMs));
    if (tookMs > quickMs && !hasFailed && now >= this.#spareFrom) this.#spareFrom = now + this.#spread(spareRestMs);
  }

  /** Spreads a rest by half of it, so that hosts which slowed down together do not return together. */
  #spread(milliseconds: number): number {
    return milliseconds * (0.5 + this.#deps.random());
  }

  #rest(milliseconds: number): void {
    this.#resting += 1;
    this.#deps.clock.after(this.#spread(milliseconds), () => {
      this.#resting -= 1;
      this.#admit();
    });
  }

  #admit(): void {
    for (;;) {
      const line = this.#urgent.size > 0 ? this.#urgent : this.#waiting;
      const limit = this.#urgent.size > 0 ? maxConnections : this.#limit - this.#resting;
      const [next] = line;
      if (next === undefined || this.#inFlight + 1 > limit) return;
      line.delete(next);
      this.#inFlight += 1;
      next();
    }
  }
}
