/**
 * What has to happen without a caller: owed releases, looks for surplus and lost objects, and what the last run left
 * undone. Two at a time, so that a backlog never becomes a burst.
 */
import { Adoption, type AdoptionParts } from './adoption.ts';
import { hasReason, isGridAway, isRefused } from './errors.ts';
import type { Cleared, Release } from './releases.ts';
import { type RestorationParts, reserveAgain, restore } from './restoration.ts';
import type { Row } from './store.ts';

const workers = 2;
/** Milliseconds for one attempt. */
const attemptTimeout = 15_000;
const firstPause = 1_000;
const longestPause = 300_000;
/** Milliseconds between attempts while the grid or the state is away altogether, whatever the rows say. */
const gridPause = 5_000;
/** Milliseconds after which a row is looked at again whose turn somebody else had. */
const busyPause = 1_000;
/** Milliseconds between two good news that all rows are told: a grid that comes and goes must not undo all backing off. */
const newsPause = 30_000;
/** Milliseconds that the timer sleeps at most, so that a clock that was set cannot stop it for long. */
const longestSleep = 30_000;
/** Milliseconds before the grid's return during which it may have lost what it had confirmed: another master may serve now. */
const lostSince = 3_600_000;
/** Milliseconds between two rounds of looks. A grid that comes and goes makes many. */
const lookPause = 300_000;

export interface UpkeepParts extends AdoptionParts, RestorationParts {
  readonly log: AdoptionParts['log'] & { error(message: string, details?: Record<string, unknown>): void };
}

export class Upkeep {
  readonly #parts: UpkeepParts;
  readonly #working = new Set<string>();
  readonly #stopping = new AbortController();
  readonly #adoption: Adoption;
  #timer: NodeJS.Timeout | undefined;
  #pausedUntil = 0;
  #toldNewsAt = Number.NEGATIVE_INFINITY;
  /** When the last round of looks has begun, or the next one will. */
  #lookAt = Number.NEGATIVE_INFINITY;
  #intentsOwed = false;

  constructor(parts: UpkeepParts) {
    this.#parts = parts;
    this.#adoption = new Adoption(parts);
  }

  /** Owes what the last run was about to give. Where the state cannot be written, that is done later. */
  start(): void {
    this.#guarded(() => this.#oweIntents());
  }

  /** Looks at what is due, now or as soon as it is. Called whenever something has become due. */
  wake(): void {
    if (this.#stopping.signal.aborted) return;
    clearTimeout(this.#timer);
    if (this.#working.size >= workers) return;
    let wait: number | undefined = gridPause;
    this.#guarded(() => {
      wait = this.#nextWait();
    });
    if (wait === undefined) return;
    this.#timer = setTimeout(() => this.#work(), Math.min(Math.max(wait, 0), longestSleep));
    this.#timer.unref();
  }

  /**
   * The grid answers: what waited for it need not wait longer.
   * @param wasAway whether it had not, so that another grid master may serve now, which need not know all that was written
   * last (WAPI: changes on the old one may be lost when a candidate is promoted)
   */
  gridIsBack(wasAway: boolean): void {
    if (this.#stopping.signal.aborted) return;
    this.#pausedUntil = 0;
    const { store, releases, now } = this.#parts;
    if (performance.now() - this.#toldNewsAt > newsPause) {
      this.#toldNewsAt = performance.now();
      this.#guarded(() => store.hurryFailed(now()));
    }
    if (wasAway) {
      const at = performance.now();
      if (this.#lookAt <= at) this.#lookAt = Math.max(at, this.#lookAt + lookPause);
      const wait = Math.round(this.#lookAt - at);
      this.#guarded(() => store.lookAgain(now() - lostSince, now() + wait, releases.certainFrom() + wait));
    }
    void this.#adoption.attempt();
    this.wake();
  }

  /** Takes up nothing more; what is under way is cut short and tried again by the next daemon. */
  stop(): void {
    this.#stopping.abort();
    this.#adoption.stop();
    clearTimeout(this.#timer);
  }

  /** A state that fails is no reason to die, nor to be asked again without a pause. */
  #guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#stateFails(error);
    }
  }

  #stateFails(error: unknown, details: Record<string, unknown> = {}): void {
    const { now, log } = this.#parts;
    const reason = error instanceof Error ? error.message : String(error);
    if (this.#pausedUntil <= now()) log.warn('upkeep failed, will be tried again', { ...details, reason });
    this.#pausedUntil = now() + gridPause;
  }

  #oweIntents(): void {
    const { store, releases, now, log } = this.#parts;
    const owed = store.oweIntents(now(), releases.certainFrom());
    this.#intentsOwed = true;
    if (owed > 0) log.info(`${owed} unfinished ADDs of the last run will be undone`);
  }

  /** Milliseconds until something is due; undefined if nothing ever is. */
  #nextWait(): number | undefined {
    const { store, turns, now } = this.#parts;
    let busy = false;
    const next = store.nextDue({
      has: (identity) => {
        if (this.#working.has(identity)) return true;
        const isBusy = turns.busy(identity);
        busy ||= isBusy;
        return isBusy;
      },
    });
    const times = [
      ...(next === undefined ? [] : [next]),
      ...(busy ? [now() + busyPause] : []),
      ...(this.#intentsOwed ? [] : [now()]),
    ];
    return times.length === 0 ? undefined : Math.max(Math.min(...times), this.#pausedUntil) - now();
  }

  #work(): void {
    this.#guarded(() => {
      if (!this.#intentsOwed) this.#oweIntents();
      const { store, turns, now } = this.#parts;
      // Whose turn an ADD has would keep a worker for as long as that ADD takes.
      const taken = { has: (identity: string) => this.#working.has(identity) || turns.busy(identity) };
      for (const row of store.due(now(), this.#horizon(), workers - this.#working.size, taken)) this.#take(row);
    });
    this.wake();
  }

  #take({ identity }: Row): void {
    this.#working.add(identity);
    this.#attend(identity)
      // Here only a state that cannot be written arrives: the row stays due.
      .catch((error) => this.#stateFails(error, { attachment: identity }))
      .finally(() => {
        this.#working.delete(identity);
        this.wake();
      });
  }

  /** With the attachment's turn: an ADD or DEL that came first may have changed everything. */
  #attend(identity: string): Promise<void> {
    const { store, turns, now } = this.#parts;
    return turns.runUntilWanted(identity, async (wanted) => {
      const row = store.get(identity);
      if (row === undefined || row.dueAt === null) return;
      if (row.dueAt > now() && row.dueAt <= this.#horizon()) return;
      try {
        const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(attemptTimeout)]);
        if (row.state === 'owed') {
          const { owed, addresses } = await this.#settle(row, signal);
          const about = { attachment: identity };
          if (addresses.length > 0 && !owed) this.#parts.log.info('owed release settled', { ...about, addresses });
          else if (store.get(identity) === undefined) {
            this.#parts.log.info('owed release settled: the grid has nothing of it', about);
          }
        } else await this.#lookAgain(row, AbortSignal.any([signal, wanted]));
      } catch (error) {
        // It stays due: who has waited for the look to end comes first.
        if (row.state === 'held' && wanted.aborted) return;
        this.#postpone(row, error);
      }
    });
  }

  /**
   * Where no host is known to accept writes, a look that finds nothing does not end a release. So what is to be released is
   * reserved again first: a host that accepts that is the one to ask from now on.
   */
  async #settle(row: Row, signal: AbortSignal): Promise<Release> {
    const { store, releases } = this.#parts;
    const { identity, view, address } = row;
    try {
      return await releases.settle(row, signal);
    } catch (error) {
      if (!hasReason(error, 'unconfirmed') || address === null || releases.isDoomed(row)) throw error;
      if (store.holder(view, address, identity) !== undefined) throw error;
      if ((await reserveAgain(this.#parts, row, address, signal)) !== undefined) throw error;
      return releases.settle(store.get(identity) ?? row, signal);
    }
  }

  async #lookAgain(row: Row, signal: AbortSignal): Promise<void> {
    const { store, releases, log } = this.#parts;
    let cleared: Cleared;
    try {
      cleared = await releases.clear(row, signal, row.address ?? undefined);
    } catch (error) {
      if (!hasReason(error, 'unconfirmed') || row.address === null) throw error;
      // A create tells what no look can: if it is there after all, the grid refuses it.
      if ((await restore(this.#parts, row, row.address, signal)) !== undefined) throw error;
      return;
    }
    const { removed, doomed, kept, altered } = cleared;
    if (removed.length > 0) log.info('surplus removed', { attachment: row.identity, addresses: removed });
    if (doomed) return store.put({ ...row, attempts: 0, dueAt: row.doomedUntil });
    if (!kept && altered === undefined && row.address !== null) {
      const refusal = await restore(this.#parts, row, row.address, signal);
      if (refusal === undefined) return;
      log.error(`the grid has lost the reservation of ${row.address}, and does not take it again: ${refusal.message}`, {
        for: row.identity,
        cure: 'restart this container, so that it gets an address of its own',
      });
    }
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
    log.warn(row.state === 'owed' ? 'release still owed' : 'reservation still to be looked at', {
      attachment: row.identity,
      attempts,
      reason,
    });
  }
}
