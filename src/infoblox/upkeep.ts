/**
 * What has to happen without a caller: owed releases, looks for surplus objects, and, when the state file is new,
 * reading back from the grid what this host holds. Two at a time, so that a backlog never becomes a burst.
 */
import { isGridAway, isRefused } from './errors.ts';
import { hostPrefix, type Origin } from './identity.ts';
import type { Releases } from './releases.ts';
import type { Reservations } from './reservations.ts';
import type { Row, Store } from './store.ts';
import type { Turns } from './turns.ts';

const workers = 2;
/** Milliseconds for one attempt. */
const attemptTimeout = 15_000;
const firstPause = 1_000;
const longestPause = 300_000;
/** Milliseconds between attempts while the grid is away altogether, whatever the rows say. */
const gridPause = 5_000;
/** Milliseconds that the timer sleeps at most, so that a clock that was set cannot stop it for long. */
const longestSleep = 30_000;

export interface UpkeepParts {
  readonly releases: Releases;
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

export class Upkeep {
  readonly #parts: UpkeepParts;
  readonly #working = new Set<string>();
  readonly #stopping = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #pausedUntil = 0;
  #adopting: Promise<void> | undefined;

  constructor(parts: UpkeepParts) {
    this.#parts = parts;
  }

  /** Looks at what is due, now or as soon as it is. Called whenever something has become due. */
  wake(): void {
    if (this.#stopping.signal.aborted) return;
    clearTimeout(this.#timer);
    if (this.#working.size >= workers) return;
    const next = this.#parts.store.nextDue(this.#working);
    if (next === undefined) return;
    const wait = Math.max(next, this.#pausedUntil) - this.#parts.now();
    this.#timer = setTimeout(() => this.#work(), Math.min(Math.max(wait, 0), longestSleep));
    this.#timer.unref();
  }

  /** The grid is back: what waited for it need not wait longer. */
  gridIsBack(): void {
    this.#pausedUntil = 0;
    this.adopt().catch((error) => this.#parts.log.warn('cannot read back reservations', { reason: String(error) }));
    this.wake();
  }

  /** Takes up nothing more; what is under way is cut short and tried again by the next daemon. */
  stop(): void {
    this.#stopping.abort();
    clearTimeout(this.#timer);
  }

  /**
   * Reads this host's reservations from the grid into a new state file. Until it has succeeded, each ADD looks for its
   * attachment on the grid first.
   */
  adopt(): Promise<void> {
    if (this.#parts.store.fact('adopted') !== undefined) return Promise.resolve();
    this.#adopting ??= this.#adopt().finally(() => {
      this.#adopting = undefined;
    });
    return this.#adopting;
  }

  async #adopt(): Promise<void> {
    const { reservations, store, origin, turns, now, log } = this.#parts;
    let found = 0;
    for await (const object of reservations.list(hostPrefix(origin), undefined, AbortSignal.timeout(120_000))) {
      const identity = object.comment;
      if (turns.busy(identity) || store.get(identity) !== undefined) continue;
      store.put({
        identity,
        network: / network=(\S+) /.exec(identity)?.[1] ?? '',
        view: object.network_view,
        state: 'held',
        address: object.ipv4addr,
        netns: null,
        netnsId: null,
        bootId: null,
        // Older than whatever this daemon will be asked: a GC that is under way may judge it.
        createdAt: 0,
        attempts: 0,
        dueAt: null,
        suspectUntil: null,
        doomedUntil: null,
      });
      found += 1;
    }
    store.setFact('adopted', new Date(now()).toISOString());
    if (found > 0) log.info(`read ${found} reservations of this host back from the grid`);
  }

  #work(): void {
    const { store, now } = this.#parts;
    const due = store.due(now(), this.#horizon(), workers * 2).filter((row) => !this.#working.has(row.identity));
    for (const row of due.slice(0, workers - this.#working.size)) {
      this.#working.add(row.identity);
      this.#attend(row.identity)
        .catch((error) => {
          // The state cannot be written: the row stays due, and must not be tried again without pause.
          this.#pausedUntil = now() + gridPause;
          this.#parts.log.warn('upkeep failed', { attachment: row.identity, reason: String(error) });
        })
        .finally(() => {
          this.#working.delete(row.identity);
          this.wake();
        });
    }
    this.wake();
  }

  /** With the attachment's turn: an ADD or DEL that came first may have changed everything. */
  #attend(identity: string): Promise<void> {
    const { store, turns, now } = this.#parts;
    return turns.run(identity, async () => {
      const row = store.get(identity);
      if (row === undefined || row.dueAt === null) return;
      if (row.dueAt > now() && row.dueAt <= this.#horizon()) return;
      try {
        const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(attemptTimeout)]);
        if (row.state === 'owed') {
          const outcome = await this.#parts.releases.settle(row, signal);
          if (outcome === 'released') this.#parts.log.info('owed release settled', { attachment: identity });
        } else await this.#lookAgain(row, signal);
      } catch (error) {
        this.#postpone(row, error);
      }
    });
  }

  async #lookAgain(row: Row, signal: AbortSignal): Promise<void> {
    const { store, releases, log } = this.#parts;
    const { removed, doomed } = await releases.clear(row, signal, row.address ?? undefined);
    if (removed > 0) log.info(`removed ${removed} surplus reservation`, { attachment: row.identity });
    if (doomed) return store.put({ ...row, attempts: 0, dueAt: row.doomedUntil });
    const next = releases.isSuspect(row)
      ? { dueAt: releases.nextLook(row.suspectUntil), suspectUntil: row.suspectUntil }
      : { dueAt: null, suspectUntil: null };
    store.put({ ...row, attempts: 0, doomedUntil: null, ...next });
  }

  /** Nothing is ever due later than this, milliseconds since 1970. */
  #horizon(): number {
    return this.#parts.now() + 2 * longestPause;
  }

  #postpone({ identity }: Row, error: unknown): void {
    const { store, now, log } = this.#parts;
    // Read anew: the attempt may have noted that its delete was lost.
    const row = store.get(identity);
    if (row === undefined) return;
    const attempts = row.attempts + 1;
    const pause = Math.min(firstPause * 2 ** row.attempts, longestPause) * (0.75 + Math.random() / 2);
    store.put({ ...row, attempts, dueAt: now() + Math.round(pause) });
    if (isGridAway(error) || isRefused(error)) this.#pausedUntil = now() + gridPause;
    const reason = error instanceof Error ? error.message : String(error);
    log.warn('release still owed', { attachment: row.identity, attempts, reason });
  }
}
