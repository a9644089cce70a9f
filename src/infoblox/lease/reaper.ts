/**
 * Releases attachments that died without a DEL: rkt never repeats a failed DEL, and a reboot loses all. An attachment is alive until proven
 * dead: its network namespace, seen at the ADD, is gone on two looks a grace period apart, or on one look after a certain reboot.
 * Namespaces that were never seen, or that this daemon cannot see in its mount namespace, prove nothing.
 */
import { every, repeat } from '../concurrency/clock.ts';
import { attachmentKey } from '../mark.ts';
import { workloadFields } from '../workload.ts';
import { type LeaseDeps, maxChangesAtOnce } from './deps.ts';
import { endAttachment } from './endings.ts';
import type { Lease } from './lease.ts';
import { addressesOf } from './release.ts';

const maxIntervalMs = 60_000;
const minIntervalMs = 500;
/** Leases examined per turn of the event loop. */
const maxLooksAtOnce = 100;

interface FirstLook {
  /** As the clock's `now`. */
  readonly at: number;
  /** The point in the order of all answers to ADDs. */
  readonly count: number;
}

export class Reaper {
  readonly #deps: LeaseDeps;
  readonly #graceMs: number;
  /** By `attachmentKey`: the first look that found the sandbox gone. */
  readonly #firstLooks = new Map<string, FirstLook>();
  readonly #stopping = new AbortController();

  /** @param graceMs milliseconds between the two looks */
  constructor(deps: LeaseDeps, graceMs: number) {
    this.#deps = deps;
    this.#graceMs = graceMs;
  }

  /** Looks now and periodically until stopped. */
  start(): void {
    const { clock, log } = this.#deps;
    const intervalMs = Math.max(Math.min(this.#graceMs / 2, maxIntervalMs), minIntervalMs);
    const look = () =>
      this.look().catch((error) => log.warn('cannot look for dead attachments', { reason: String(error) }));
    void look().then(() => repeat(clock, { intervalMs, signal: this.#stopping.signal }, look));
  }

  stop(): void {
    this.#stopping.abort();
  }

  /** Looks once at all sandboxes that were seen, and releases leases of those gone for the grace period. */
  async look(): Promise<void> {
    const { store, answers, clock, tally, log } = this.#deps;
    const now = { at: clock.now(), count: answers.count };
    const gone = await this.#gone();
    for (const key of this.#firstLooks.keys()) if (!gone.has(key)) this.#firstLooks.delete(key);
    const turn = every(maxChangesAtOnce, clock.turn);
    for (const [key, lease] of gone) {
      const { mark, workload } = lease;
      const first = this.#firstLooks.get(key) ?? now;
      this.#firstLooks.set(key, answers.toldSince(key, first.count) ? now : first);
      const isFirstLook = first === now || now.at - first.at < this.#graceMs;
      const address = addressesOf(store.ofAttachment(mark));
      const ended = endAttachment(this.#deps, lease, { cause: 'reaper', since: first.count, isFirstLook });
      const released = ended.filter(({ answer }) => answer === 'release').length;
      if (released === 0) continue;
      tally.reaped += released;
      log.info('sandbox is gone; releasing', { attachment: mark, address, ...workloadFields(workload) });
      await turn();
    }
  }

  /** Finds one lease of each attachment whose sandbox is gone, by `attachmentKey`. */
  async #gone(): Promise<ReadonlyMap<string, Lease>> {
    const { store, host, clock } = this.#deps;
    const gone = new Map<string, Lease>();
    const turn = every(maxLooksAtOnce, clock.turn);
    for (const lease of store.where(({ phase, netnsId }) => phase === 'bound' && netnsId !== null)) {
      const fate = host.fate(lease, store.lastUptime(lease.bootId));
      if (fate === 'gone' || fate === 'gone with its boot') gone.set(attachmentKey(lease.mark), lease);
      await turn();
    }
    return gone;
  }
}
