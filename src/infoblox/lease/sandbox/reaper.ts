/**
 * Finds attachments that died without a DEL: rkt never repeats a failed one, a reboot loses them all. An attachment is
 * alive until proven dead: its network namespace, seen when the address was given, is gone on two looks a grace period
 * apart. One that was never seen is left alone, and so is one that this daemon, started with another view of the host,
 * could not see any more.
 */
import { turnEvery } from '../../concurrency/clock.ts';
import { workloadFields } from '../../workload.ts';
import { type LeaseDeps, writesAtATime } from '../deps.ts';
import type { Lease } from '../lease.ts';
import { releaseIfDead } from '../release/start-release.ts';

const longestPause = 60_000;
const shortestPause = 500;
/** Leases that are looked at between two turns of the event loop. */
const looksAtATime = 100;

export class Reaper {
  readonly #deps: LeaseDeps;
  readonly #grace: number;
  /** When a sandbox was first seen to be gone, by mark. */
  readonly #goneSince = new Map<string, number>();
  #cancelLook = () => {};
  #isStopped = false;

  /** @param grace milliseconds between the two looks */
  constructor(deps: LeaseDeps, grace: number) {
    this.#deps = deps;
    this.#grace = grace;
  }

  /** Looks from time to time until stopped. */
  start(): void {
    if (this.#isStopped) return;
    const pause = Math.max(Math.min(this.#grace / 2, longestPause), shortestPause);
    this.#cancelLook = this.#deps.clock.after(pause, () => {
      this.look()
        .catch((error) => this.#deps.log.warn('cannot look for dead attachments', { reason: String(error) }))
        .finally(() => this.start());
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelLook();
  }

  /** Looks once at all sandboxes that were seen; releases the leases of those that have been gone for the grace period. */
  async look(): Promise<void> {
    const { sandboxes, clock, tally, log } = this.#deps;
    const now = clock.now();
    const gone = await this.#gone();
    const marks = new Set(gone.map(({ mark }) => mark));
    for (const mark of this.#goneSince.keys()) if (!marks.has(mark)) this.#goneSince.delete(mark);
    const turn = turnEvery(clock, writesAtATime);
    for (const { mark, address, workload } of gone) {
      const since = this.#goneSince.get(mark);
      if (since === undefined) this.#goneSince.set(mark, now);
      if (since === undefined || now - since < this.#grace) continue;
      this.#goneSince.delete(mark);
      const dead = (current: Lease) => sandboxes.fate(current) === 'gone';
      if (!releaseIfDead(this.#deps, { mark, by: 'reaper' }, dead)) continue;
      tally.reaped += 1;
      log.info('sandbox is gone; releasing', { attachment: mark, address, ...workloadFields(workload) });
      await turn();
    }
  }

  async #gone(): Promise<Lease[]> {
    const { store, sandboxes, clock } = this.#deps;
    const gone: Lease[] = [];
    const turn = turnEvery(clock, looksAtATime);
    for (const lease of store.withSandbox()) {
      if (sandboxes.fate(lease) === 'gone') gone.push(lease);
      await turn();
    }
    return gone;
  }
}
