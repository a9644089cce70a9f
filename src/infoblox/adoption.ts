/**
 * Reads this host's reservations from the grid into a new state file, tried until it succeeds. Until then each ADD looks
 * for its attachment on the grid first.
 */
import { setImmediate } from 'node:timers/promises';
import { hostPrefix, networkOf, type Origin } from './mark.ts';
import type { Reservations } from './reservations.ts';
import { importedAt, newRow, type Store } from './store.ts';
import type { Turns } from './turns.ts';

/** Milliseconds for one attempt. */
const attemptTimeout = 120_000;
/** Milliseconds between attempts: soon at first, then seldom. */
const firstPause = 1_000;
const longestPause = 300_000;
/** Rows that are written between two turns of the event loop: each waits for the disk, and calls wait for them. */
const rowsAtATime = 20;

export interface AdoptionParts {
  readonly store: Store;
  readonly turns: Turns;
  readonly reservations: Reservations;
  readonly origin: Origin;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: {
    info(message: string, details?: Record<string, unknown>): void;
    warn(message: string, details?: Record<string, unknown>): void;
  };
}

export class Adoption {
  readonly #parts: AdoptionParts;
  readonly #stopping = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #pause = firstPause;
  #underWay = false;
  #done = false;

  constructor(parts: AdoptionParts) {
    this.#parts = parts;
  }

  /** Tries now, and later again if that fails. Nothing happens if this state file is not new or an attempt is under way. */
  async attempt(): Promise<void> {
    if (this.#underWay || this.#done || this.#stopping.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#underWay = true;
    try {
      if (this.#parts.store.fact('adopted') === undefined) await this.#adopt();
      this.#done = true;
    } catch (error) {
      this.#tryLater(error);
    } finally {
      this.#underWay = false;
    }
  }

  stop(): void {
    this.#stopping.abort();
    clearTimeout(this.#timer);
  }

  async #adopt(): Promise<void> {
    const { removed, end } = this.#parts.store.watchRemovals();
    try {
      await this.#readBack(removed);
    } finally {
      end();
    }
  }

  /** @param released what has been released since: a page that was read before shows it still */
  async #readBack(released: ReadonlySet<string>): Promise<void> {
    const { reservations, store, origin, turns, now, log } = this.#parts;
    const stopping = this.#stopping.signal;
    const signal = AbortSignal.any([stopping, AbortSignal.timeout(attemptTimeout)]);
    const listed = [];
    for await (const object of reservations.list(hostPrefix(origin), undefined, signal, 'answer')) listed.push(object);
    // Not before the list has come to its end: one without an end must not fill the state, attempt by attempt.
    let found = 0;
    for (const { comment: identity, network_view: view, ipv4addr: address } of listed) {
      stopping.throwIfAborted();
      if (turns.busy(identity) || released.has(identity) || store.get(identity) !== undefined) continue;
      // Older than whatever this daemon will be asked: a GC that is under way may judge it.
      store.put({ ...newRow(identity, networkOf(identity), view, importedAt), state: 'held', address });
      found += 1;
      if (found % rowsAtATime === 0) await setImmediate();
    }
    stopping.throwIfAborted();
    store.setFact('adopted', new Date(now()).toISOString());
    if (found > 0) log.info(`read back from the grid what this host holds: ${found}`);
  }

  #tryLater(error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    const pause = this.#pause * (0.75 + Math.random() / 2);
    const reason = error instanceof Error ? error.message : String(error);
    const details = { reason, secondsToNextAttempt: Math.ceil(pause / 1000) };
    this.#parts.log.warn('cannot read the reservations of this host back from the grid yet', details);
    this.#timer = setTimeout(() => void this.attempt(), pause);
    this.#timer.unref();
    this.#pause = Math.min(this.#pause * 2, longestPause);
  }
}
