/**
 * Reconciles due leases with the grid in the background: releases, re-checks, and unfinished work of the last run. A few at a time, so that
 * a backlog never becomes a burst on the grid.
 */
import { messageOf } from '../../errno.ts';
import { type Backoff, pauseBefore, withDeadline } from '../concurrency/clock.ts';
import { type GridError, hasReason, isGridAway, isRefused } from '../errors.ts';
import { type LeaseDeps, maxStopMs } from './deps.ts';
import { endLease } from './endings.ts';
import { attemptTimeoutMs, reconcile } from './execute.ts';
import { type Lease, postpone, recheck } from './lease.ts';
import { noteRefusedRelease } from './lease-conditions.ts';
import { apply } from './store/lease-store.ts';

const maxWorkers = 3;
const retry: Backoff = { firstMs: 1_000, maxMs: 300_000 };
/** Milliseconds between attempts while the grid or the state is unavailable. */
const outagePauseMs = 5_000;
/** Milliseconds before a lease is tried again that was locked, or for which the grid had no spare capacity. */
const busyPauseMs = 1_000;
/** Longest wait of a lease for spare capacity, in milliseconds. */
const maxYieldMs = 1_800_000;
/**
 * The same for an owed create. Its container runs, and nobody else gives addresses of its block, while containers of other hosts may wait
 * for the grid before they can start.
 */
const maxOwedYieldMs = 60_000;
/** Milliseconds between two rounds of retries because the grid is back: a grid that comes and goes must not undo all backoff. */
const hurryPauseMs = 30_000;
/**
 * Milliseconds before a failover whose confirmed writes the new master may lack (NIOS 9.0 documentation, "Promoting a Grid Master
 * Candidate").
 */
const failoverLossMs = 3_600_000;
/** Milliseconds between two rounds of re-checks after failovers: a grid that comes and goes causes many. */
const recheckPauseMs = 300_000;
export class Reconciler {
  readonly #deps: LeaseDeps;
  readonly #working = new Set<string>();
  readonly #cutShort = new AbortController();
  #isStopped = false;
  #cancelTimer = () => {};
  /** When the timer fires. It is never moved to a later time: on a busy host it would never fire. */
  #wakesAt = Number.POSITIVE_INFINITY;
  #pausedUntil = Number.NEGATIVE_INFINITY;
  #yieldsUntil = Number.NEGATIVE_INFINITY;
  #hurriedAt = Number.NEGATIVE_INFINITY;
  /** When the last round of re-checks began, or the next one will. */
  #recheckAt = Number.NEGATIVE_INFINITY;

  constructor(deps: LeaseDeps) {
    this.#deps = deps;
  }

  /** Starts with unfinished work of the last run, then wakes when a lease becomes due. */
  start(): void {
    const { store } = this.#deps;
    this.#releaseAbandoned();
    store.subscribe({
      changed: (_, lease) => {
        if (lease?.dueAt != null) this.#wakeAt(lease.dueAt);
      },
      failed: (error) => this.#pauseForState(error),
    });
    this.#wake();
  }

  /** Ends the pauses of leases because the grid answers again. */
  gridIsBack(): void {
    if (this.#isStopped) return;
    this.#pausedUntil = Number.NEGATIVE_INFINITY;
    const { store, clock } = this.#deps;
    const now = clock.now();
    if (now - this.#hurriedAt > hurryPauseMs) {
      this.#hurriedAt = now;
      const failed = store.where(({ attempts, dueAt }) => attempts > 0 && dueAt !== null);
      for (const { mark } of failed) apply(store, mark, (lease) => recheck(lease, now));
    }
    this.#wake();
  }

  /** Re-checks recently written reservations, spread over time, because a grid host that may lack them serves now. */
  recheckLately(): void {
    if (this.#isStopped) return;
    const { store, clock, host, moment } = this.#deps;
    const now = clock.now();
    if (this.#recheckAt <= now) this.#recheckAt = Math.max(now, this.#recheckAt + recheckPauseMs);
    const lately = store.where(
      ({ phase, dueAt, writtenAt }) => phase === 'bound' && dueAt === null && writtenAt > now - failoverLossMs,
    );
    for (const { mark } of lately) {
      const at = Math.round(this.#recheckAt + host.random() * moment().window.end);
      apply(store, mark, (lease) => recheck(lease, at));
    }
  }

  /** Starts no more attempts. Those in progress end soon, or are aborted and repeated by the next daemon. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelTimer();
    this.#deps.clock.after(maxStopMs, () => this.#cutShort.abort());
  }

  #wake(): void {
    if (this.#working.size >= maxWorkers) return;
    const next = this.#next();
    if (next !== undefined) this.#wakeAt(next);
  }

  #wakeAt(at: number): void {
    if (this.#isStopped || at >= this.#wakesAt) return;
    this.#cancelTimer();
    this.#wakesAt = at;
    this.#cancelTimer = this.#deps.clock.after(Math.max(at - this.#deps.clock.now(), 0), () => {
      this.#wakesAt = Number.POSITIVE_INFINITY;
      this.#work();
    });
  }

  /** Returns when a lease is due next; undefined: never. */
  #next(): number | undefined {
    const { store, clock } = this.#deps;
    const now = clock.now();
    let isBusy = false;
    const next = store.nextDue({
      has: (mark) => {
        const isTaken = this.#isTaken(mark);
        isBusy ||= isTaken && !this.#working.has(mark);
        return isTaken;
      },
    });
    const soonest = Math.min(next ?? Number.POSITIVE_INFINITY, isBusy ? now + busyPauseMs : Number.POSITIVE_INFINITY);
    return Number.isFinite(soonest) ? Math.max(soonest, this.#pausedUntil, this.#yieldsUntil) : undefined;
  }

  #work(): void {
    if (this.#isStopped) return;
    const { store, grid, clock } = this.#deps;
    const now = clock.now();
    let { spare } = grid;
    let isShort = false;
    // On a slow grid, what may wait does not keep back what may not.
    const yields = (mark: string) => {
      const lease = isShort ? store.get(mark) : undefined;
      return lease !== undefined && mayWait(lease, now);
    };
    while (now >= this.#pausedUntil && this.#working.size < maxWorkers) {
      const lease = store.due(now, { has: (mark) => this.#isTaken(mark) || yields(mark) });
      if (lease === undefined) break;
      const isUrgent = !mayWait(lease, now);
      if (!isUrgent) spare -= 1;
      isShort ||= spare < 0;
      if (isUrgent || !isShort) void this.#take(lease.mark);
      else this.#yieldsUntil = now + busyPauseMs;
    }
    this.#wake();
  }

  /** Tells whether a lease is locked: waiting for an ADD would block a worker. */
  #isTaken(mark: string): boolean {
    return this.#working.has(mark) || this.#deps.locks.busy(mark);
  }

  async #take(mark: string): Promise<void> {
    this.#working.add(mark);
    const { clock, trace } = this.#deps;
    const deadline = { milliseconds: attemptTimeoutMs, signal: this.#cutShort.signal };
    const attempt = () =>
      withDeadline(clock, deadline, (signal) => reconcile(this.#deps, mark, signal)).catch((error) => {
        this.#postpone(mark, error);
        throw error;
      });
    const goesOn = await trace.attempt('reconcile', mark, attempt).then(
      () => true,
      () => false,
    );
    this.#working.delete(mark);
    if (goesOn) this.#work();
    else this.#wake();
  }

  #postpone(mark: string, error: unknown): void {
    if (this.#isStopped) return;
    const { store, host, clock, log } = this.#deps;
    const now = clock.now();
    const pause = (attempts: number) => pauseBefore(attempts, retry, host.random);
    const lease = apply(store, mark, (current) => postpone(current, now + pause(current.attempts)));
    if (isGridAway(error) || isRefused(error)) this.#pausedUntil = now + outagePauseMs;
    // Failures of the state are logged once, not for each lease.
    if (lease === undefined || hasReason(error, 'state')) return;
    noteRefusedRelease(this.#deps, lease, error);
    log.warn(lease.phase === 'releasing' ? 'release failed; will retry' : 're-check failed; will retry', {
      attachment: mark,
      address: lease.address,
      attempts: lease.attempts,
      reason: messageOf(error),
    });
  }

  /** Releases unfinished ADDs of a daemon that died: their creates may still be carried out. */
  #releaseAbandoned(): void {
    const { store, log } = this.#deps;
    const pending = store.where(({ phase }) => phase === 'pending');
    for (const lease of pending) endLease(this.#deps, lease, { cause: 'dead ADD' });
    if (pending.length > 0) log.info('releasing unfinished ADDs of the last run', { count: pending.length });
  }

  /** Pauses after a failure of the state. */
  #pauseForState({ message }: GridError): void {
    const { clock, log } = this.#deps;
    const now = clock.now();
    if (this.#pausedUntil <= now) log.warn('the reconciler cannot use the state; will retry', { reason: message });
    this.#pausedUntil = now + outagePauseMs;
  }
}

/** Tells whether a lease may wait for spare capacity of the grid. */
function mayWait({ owedSince, attempts, dueAt }: Lease, now: number): boolean {
  const waitedMs = now - (dueAt ?? now);
  return owedSince === null ? waitedMs < maxYieldMs : attempts === 0 && waitedMs < maxOwedYieldMs;
}
