/**
 * Finds attachments that died without a DEL: rkt never repeats a failed one, a reboot loses them all. An attachment is
 * alive until proven dead: its network namespace, seen when the address was given, is gone on two looks a grace period
 * apart and once more right before the release. One that was never seen is left alone, and so is one that this daemon,
 * started with another view of the host, could not see any more.
 */
import { setImmediate } from 'node:timers/promises';
import type { Ipam } from './ipam.ts';
import type { Namespaces } from './lease/sandbox.ts';
import type { Row, Store } from './store.ts';

const longestPause = 60_000;
const shortestPause = 500;

export interface ReaperParts {
  readonly ipam: Ipam;
  readonly store: Store;
  readonly namespaces: Namespaces;
  /** Milliseconds between the two looks. */
  readonly grace: number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly log: {
    info(message: string, details?: Record<string, unknown>): void;
    warn(message: string, details?: Record<string, unknown>): void;
  };
}

export class Reaper {
  readonly #parts: ReaperParts;
  readonly #goneSince = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(parts: ReaperParts) {
    this.#parts = parts;
  }

  /** Looks from time to time until stopped. */
  start(): void {
    if (this.#stopped) return;
    const pause = Math.max(Math.min(this.#parts.grace / 2, longestPause), shortestPause);
    this.#timer = setTimeout(() => {
      this.look()
        .catch((error) => this.#parts.log.warn('looking for dead attachments failed', { reason: String(error) }))
        .finally(() => this.start());
    }, pause);
    this.#timer.unref();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** One look at all attachments whose namespace was seen; releases those that have been gone for the grace period. */
  async look(): Promise<void> {
    const { store, ipam, namespaces, grace, now, log } = this.#parts;
    const { bootId, bootedAt } = namespaces.boot();
    store.dateBoot(bootId, bootedAt);
    const gone: Row[] = [];
    for (const [index, row] of store.withNamespace().entries()) {
      if (namespaces.isGone(row)) gone.push(row);
      // Thousands of looks in a row would keep calls waiting.
      if (index % 100 === 99) await setImmediate();
    }
    const identities = new Set(gone.map((row) => row.identity));
    for (const identity of this.#goneSince.keys()) if (!identities.has(identity)) this.#goneSince.delete(identity);
    for (const row of gone) {
      const since = this.#goneSince.get(row.identity);
      if (since === undefined) {
        this.#goneSince.set(row.identity, now());
        continue;
      }
      if (now() - since < grace) continue;
      const dead = (current: Row | undefined) => current?.state === 'held' && namespaces.isGone(current);
      const release = await ipam.retire(row.identity, row.view, dead, AbortSignal.timeout(15_000));
      this.#goneSince.delete(row.identity);
      if (release === undefined) continue;
      const outcome = release.owed ? 'owed' : 'released';
      log.info('released the address of a dead attachment', {
        attachment: row.identity,
        address: row.address,
        outcome,
      });
    }
  }
}
