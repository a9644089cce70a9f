/**
 * Works in the background on the leases that are due: releases, re-checks, and what the last run left undone. A few at a
 * time, so that a backlog never becomes a burst on the grid.
 */
import { messageOf } from '../../errno.ts';
import { type Backoff, pauseBefore, withDeadline } from '../concurrency/clock.ts';
import { type GridError, hasReason, isGridAway, isRefused } from '../errors.ts';
import { type LeaseDeps, maxStopMs } from './deps.ts';
import { endLease } from './endings.ts';
import { apply, attemptTimeoutMs, reconcile } from './execute.ts';
import { postpone, recheck } from './lease.ts';
import { noteRefusedRelease } from './lease-conditions.ts';

const workers = 3;
const retry: Backoff = { firstMs: 1_000, maxMs: 300_000 };
/** Milliseconds between attempts while the grid or the state fails altogether, whatever the leases say. */
const outagePauseMs = 5_000;
/** Pause, in milliseconds, before a lease is tried again whose lock was taken, or for which the grid had no capacity to spare. */
const busyPauseMs = 1_000;
/** Longest wait of a lease for spare capacity, in milliseconds. */
const maxYieldMs = 1_800_000;
/** Milliseconds between two rounds of retries because the grid is back: one that comes and goes must not undo all backoff. */
const hurryPauseMs = 30_000;
/**
 * Milliseconds before a fail-over in which the new master may have lost what the old one had confirmed (NIOS 9.0
 * documentation, "Promoting a Grid Master Candidate").
 */
const failoverLoss = 3_600_000;
/** Milliseconds between two rounds of re-checks after fail-overs. A grid that comes and goes makes many. */
const recheckPauseMs = 300_000;
/** Times are the clock's. */
export class Reconciler {
  readonly #deps: LeaseDeps;
  readonly #working = new Set<string>();
  readonly #cutShort = new AbortController();
  #isStarted = false;
  #isStopped = false;
  #cancelTimer = () => {};
  /** When the timer fires. It is never moved later: on a busy host it would never come. */
  #wakesAt = Number.POSITIVE_INFINITY;
  #pausedUntil = Number.NEGATIVE_INFINITY;
  #yieldsUntil = Number.NEGATIVE_INFINITY;
  #hurriedAt = Number.NEGATIVE_INFINITY;
  /** When the last round of re-checks began, or the next one will. */
  #recheckAt = Number.NEGATIVE_INFINITY;

  constructor(deps: LeaseDeps) {
    this.#deps = deps;
  }

  /** Begins with what the last run left pending. From now on it wakes by itself when a lease becomes due. */
  start(): void {
    this.#isStarted = true;
    const { store, conditions } = this.#deps;
    this.#releaseAbandoned();
    store.subscribe({
      changed: (_, lease) => {
        if (lease?.dueAt != null) this.#wakeAt(lease.dueAt);
      },
      failed: (error) => this.#pauseForState(error),
    });
    conditions.subscribe({
      raised: () => undefined,
      cleared: ({ kind }) => {
        if (kind !== 'state-not-writable') return;
        this.#pausedUntil = Number.NEGATIVE_INFINITY;
        this.#wake();
      },
    });
    this.#wake();
  }

  /**
   * The grid answers again: what waited for it need not wait longer.
   * @param afterFailover whether another grid host may serve now, which need not know all that was written last
   */
  gridIsBack(afterFailover: boolean): void {
    if (this.#isStopped) return;
    this.#pausedUntil = Number.NEGATIVE_INFINITY;
    const { store, clock } = this.#deps;
    const now = clock.now();
    if (now - this.#hurriedAt > hurryPauseMs) {
      this.#hurriedAt = now;
      const failed = store.where(({ attempts, dueAt }) => attempts > 0 && dueAt !== null);
      for (const { mark } of failed) apply(store, mark, (lease) => recheck(lease, now));
    }
    if (afterFailover) this.#recheckLately(now);
    this.#wake();
  }

  /** A lease is due whose lock was taken until now. */
  lookSoon(): void {
    if (this.#isStarted) this.#wake();
  }

  /** Takes up nothing more. What is under way, in its locks, ends soon, or is cut short and tried again by the next daemon. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelTimer();
    this.#deps.clock.after(maxStopMs, () => this.#cutShort.abort());
  }

  /** Looks at what was reserved lately, spread over a while. */
  #recheckLately(now: number): void {
    const { store, host, moment } = this.#deps;
    if (this.#recheckAt <= now) this.#recheckAt = Math.max(now, this.#recheckAt + recheckPauseMs);
    const lately = store.where(
      ({ phase, dueAt, writtenAt }) => phase === 'bound' && dueAt === null && writtenAt > now - failoverLoss,
    );
    for (const { mark } of lately) {
      const at = Math.round(this.#recheckAt + host.random() * moment().window.end);
      apply(store, mark, (lease) => recheck(lease, at));
    }
  }

  #wake(): void {
    if (this.#working.size >= workers) return;
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

  /** When there is something to do next; undefined: never. */
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
    if (now >= this.#pausedUntil) {
      let { spare } = grid;
      const due = store.due(now, workers - this.#working.size, { has: (mark) => this.#isTaken(mark) });
      for (const { mark, owedSince, dueAt } of due) {
        // A container uses the address of a create that is owed. Everything else can wait.
        const mayWait = owedSince === null && now - (dueAt ?? now) < maxYieldMs;
        if (mayWait) spare -= 1;
        if (!mayWait || spare >= 0) void this.#take(mark);
        else this.#yieldsUntil = now + busyPauseMs;
      }
    }
    this.#wake();
  }

  /** Whose lock an ADD has would keep a worker for as long as that ADD takes. */
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
    // That the state fails is said once for all.
    if (lease === undefined || hasReason(error, 'state')) return;
    noteRefusedRelease(this.#deps, lease, error);
    log.warn(lease.phase === 'releasing' ? 'release failed; will retry' : 're-check failed; will retry', {
      attachment: mark,
      address: lease.address,
      attempts: lease.attempts,
      reason: messageOf(error),
    });
  }

  /** ADDs of a daemon that died: their creates may still be on their way to the grid. */
  #releaseAbandoned(): void {
    const { store, log } = this.#deps;
    const pending = store.where(({ phase }) => phase === 'pending');
    for (const lease of pending) endLease(this.#deps, lease, { cause: 'dead ADD' });
    if (pending.length > 0) log.info('releasing unfinished ADDs of the last run', { count: pending.length });
  }

  /** A state that fails is not asked again without a pause. */
  #pauseForState({ message }: GridError): void {
    const { clock, log } = this.#deps;
    const now = clock.now();
    if (this.#pausedUntil <= now) log.warn('the reconciler cannot use the state; will retry', { reason: message });
    this.#pausedUntil = now + outagePauseMs;
  }
}
