/**
 * Works in the background on the leases that are due: releases, re-checks, and what the last run left undone. A few at a
 * time, so that a backlog never becomes a burst on the grid.
 */
import { type Backoff, pauseBefore } from '../../concurrency/backoff.ts';
import { withDeadline } from '../../concurrency/clock.ts';
import { isGridAway, isRefused } from '../../errors.ts';
import { messageOf } from '../../host/errno.ts';
import { apply } from '../act.ts';
import type { LeaseDeps } from '../deps.ts';
import { endLease } from '../endings.ts';
import { postpone } from '../lease.ts';
import { attemptTimeoutMs, noteRefusedRelease, reconcile } from './reconcile.ts';

const workers = 3;
const retry: Backoff = { first: 1_000, longest: 300_000 };
/** Milliseconds between attempts while the grid or the state fails altogether, whatever the leases say. */
const outagePause = 5_000;
/** Milliseconds after which a lease is tried again whose lock somebody else had. */
const busyPause = 1_000;
/** Milliseconds between two rounds of retries because the grid is back: one that comes and goes must not undo all backoff. */
const hurryPause = 30_000;
/** Milliseconds that the timer sleeps at most, so that a clock that was set cannot stop it for long. */
const longestSleep = 30_000;
/**
 * Milliseconds before a fail-over in which the new master may have lost what the old one had confirmed (NIOS 9.0
 * documentation, "Promoting a Grid Master Candidate").
 */
const failoverLoss = 3_600_000;
/** Milliseconds between two rounds of re-checks after fail-overs. A grid that comes and goes makes many. */
const recheckPause = 300_000;
/**
 * Milliseconds that an attempt may take to end when the daemon stops. A grid that is well answers by then, and a delete that is cut
 * short keeps its address for as long as it is in doubt. Calls wait at the socket meanwhile, for 3 s at most.
 */
const stopPatience = 1_000;

export class Reconciler {
  readonly #deps: LeaseDeps;
  readonly #working = new Set<string>();
  readonly #cutShort = new AbortController();
  #isStopped = false;
  #timer: NodeJS.Timeout | undefined;
  #waking: NodeJS.Immediate | undefined;
  /** Milliseconds since 1970. */
  #pausedUntil = 0;
  /** Monotonic milliseconds. */
  #hurriedAt = Number.NEGATIVE_INFINITY;
  /** When the last round of re-checks began, or the next one will; monotonic milliseconds. */
  #recheckAt = Number.NEGATIVE_INFINITY;
  #abandonedReleased = false;

  constructor(deps: LeaseDeps) {
    this.#deps = deps;
  }

  /** Begins with what the last run left pending. From now on it wakes by itself when a lease becomes due. */
  start(): void {
    this.#guarded(() => this.#releaseAbandoned());
    this.#deps.store.subscribe(() => this.#wakeSoon());
    this.#wake();
  }

  /** Once for all changes of a turn of the event loop: in a burst of ADDs there are many, and it looks at every lease under way. */
  #wakeSoon(): void {
    // The first worker that ends looks, too.
    if (this.#working.size >= workers) return;
    this.#waking ??= setImmediate(() => {
      this.#waking = undefined;
      this.#wake();
    }).unref();
  }

  /**
   * The grid answers again: what waited for it need not wait longer.
   * @param afterFailover whether another grid host may serve now, which need not know all that was written last
   */
  gridIsBack(afterFailover: boolean): void {
    if (this.#isStopped) return;
    this.#pausedUntil = 0;
    const { store, moment } = this.#deps;
    const { now, window } = moment();
    const at = this.#deps.clock.now();
    if (at - this.#hurriedAt > hurryPause) {
      this.#hurriedAt = at;
      this.#guarded(() => store.hurryFailed(now));
    }
    if (afterFailover) {
      if (this.#recheckAt <= at) this.#recheckAt = Math.max(at, this.#recheckAt + recheckPause);
      const wait = Math.round(this.#recheckAt - at);
      this.#guarded(() => store.recheckSince(now - failoverLoss, now + wait, window.end));
    }
    this.#wake();
  }

  /** Takes up nothing more. What is under way, in its locks, ends soon, or is cut short and tried again by the next daemon. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    setTimeout(() => this.#cutShort.abort(), stopPatience).unref();
  }

  #wake(): void {
    if (this.#isStopped) return;
    clearTimeout(this.#timer);
    if (this.#working.size >= workers) return;
    let wait: number | undefined = outagePause;
    this.#guarded(() => {
      wait = this.#nextWait();
    });
    if (wait === undefined) return;
    this.#timer = setTimeout(() => this.#work(), Math.min(Math.max(wait, 0), longestSleep));
    this.#timer.unref();
  }

  /** Milliseconds until something is due; undefined if nothing ever is. */
  #nextWait(): number | undefined {
    const { store, moment } = this.#deps;
    const { now } = moment();
    let busy = false;
    const next = store.nextDue({
      has: (mark) => {
        const taken = this.#isTaken(mark);
        busy ||= taken && !this.#working.has(mark);
        return taken;
      },
    });
    const times = [
      ...(next === undefined ? [] : [next]),
      ...(busy ? [now + busyPause] : []),
      ...(this.#abandonedReleased ? [] : [now]),
    ];
    return times.length === 0 ? undefined : Math.max(Math.min(...times), this.#pausedUntil) - now;
  }

  #work(): void {
    if (this.#isStopped) return;
    this.#guarded(() => {
      if (!this.#abandonedReleased) this.#releaseAbandoned();
      const except = { has: (mark: string) => this.#isTaken(mark) };
      for (const mark of this.#due(workers - this.#working.size, except)) void this.#take(mark);
    });
    this.#wake();
  }

  #due(limit: number, except: Pick<ReadonlySet<string>, 'has'>): string[] {
    const { store, moment } = this.#deps;
    const { now } = moment();
    return store.due({ now, horizon: now + 2 * retry.longest }, limit, except);
  }

  /** Whose lock an ADD has would keep a worker for as long as that ADD takes. */
  #isTaken(mark: string): boolean {
    return this.#working.has(mark) || this.#deps.locks.busy(mark);
  }

  async #take(mark: string): Promise<void> {
    this.#working.add(mark);
    const deadline = { milliseconds: attemptTimeoutMs, signal: this.#cutShort.signal };
    const attempt = () =>
      withDeadline(this.#deps.clock, deadline, (signal) => reconcile(this.#deps, mark, signal)).catch((error) => {
        this.#guarded(() => this.#postpone(mark, error));
        throw error;
      });
    const goesOn = await this.#deps.trace.attempt('reconcile', mark, attempt).then(
      () => true,
      () => false,
    );
    this.#working.delete(mark);
    if (goesOn) this.#work();
    else this.#wake();
  }

  #postpone(mark: string, error: unknown): void {
    if (this.#isStopped) return;
    const { store, moment, log } = this.#deps;
    const { now } = moment();
    const lease = apply(store, mark, (current) => postpone(current, now + pauseBefore(current.attempts, retry)));
    if (isGridAway(error) || isRefused(error)) this.#pausedUntil = now + outagePause;
    if (lease === undefined) return;
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
    const { store, locks, log } = this.#deps;
    let count = 0;
    for (const lease of store.inPhase('pending')) {
      // This daemon may have begun ADDs of its own, if the state could not be written at the start.
      const { answer } = endLease(this.#deps, lease, { cause: 'dead ADD', isAdding: locks.busy(lease.mark) });
      if (answer === 'abandon') count += 1;
    }
    this.#abandonedReleased = true;
    if (count > 0) log.info('releasing unfinished ADDs of the last run', { count });
  }

  /** A state that fails is no reason to end, nor to be asked again without a pause. */
  #guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      const { moment, log } = this.#deps;
      const { now } = moment();
      const reason = messageOf(error);
      if (this.#pausedUntil <= now) log.warn('the reconciler cannot use the state; will retry', { reason });
      this.#pausedUntil = now + outagePause;
    }
  }
}
