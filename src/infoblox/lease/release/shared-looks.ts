/**
 * Looks for many leases that are due with one request, so that a backlog of releases costs the grid, and this host, little
 * more than the deletes. Only what such a look has shown is used, and only for a lease that nobody has written since: no other
 * of them is locked meanwhile.
 */
import { withDeadline } from '../../concurrency/deadline.ts';
import { hasReason, isRefused } from '../../errors.ts';
import type { LeaseDeps } from '../deps.ts';
import type { Lease } from '../lease.ts';
import type { Look } from '../plan.ts';

/** Leases that are looked for together. */
const most = 30;
/** Fewer are looked for one by one: the request for each says also what is elsewhere, or not there. */
const fewest = 4;
/** Characters of their marks as a URL has them, together: web servers take lines of 8,190. */
const longest = 6_000;
/**
 * Milliseconds from the question on that a look is used. The shorter, the less can anybody else have changed on the grid. One
 * that is not answered by then has failed.
 */
const lasts = 1_000;
/** Milliseconds without such looks after one has failed for a reason of its own. */
const restAfterFailure = 60_000;

interface Known {
  readonly lease: Lease;
  /** Makes the look; undefined if nothing was shown. */
  readonly look: () => Look | undefined;
  /** Monotonic milliseconds. */
  readonly at: number;
}

export class SharedLooks {
  readonly #deps: Pick<LeaseDeps, 'store' | 'observer'>;
  readonly #due: (limit: number) => readonly string[];
  readonly #known = new Map<string, Known>();
  #asking: Promise<void> | undefined;
  /** Monotonic milliseconds. */
  #restsUntil = Number.NEGATIVE_INFINITY;

  /** @param due answers the marks of leases that are due, the most urgent first */
  constructor(deps: Pick<LeaseDeps, 'store' | 'observer'>, due: (limit: number) => readonly string[]) {
    this.#deps = deps;
    this.#due = due;
  }

  /**
   * Looks for a lease, whose lock the caller has, and for others that are due.
   * @returns undefined if it has to be looked for alone
   * @throws GridError if the grid cannot be reached, or refuses this user
   */
  async of(lease: Lease, signal: AbortSignal): Promise<Look | undefined> {
    // Who comes meanwhile is most likely among the others.
    while (this.#asking !== undefined) await this.#asking.catch(() => {});
    if (!this.#isKnown(lease.mark)) {
      this.#asking = this.#ask(lease, signal).finally(() => {
        this.#asking = undefined;
      });
      await this.#asking;
    }
    const known = this.#known.get(lease.mark);
    this.#known.delete(lease.mark);
    return known?.lease === lease ? known.look() : undefined;
  }

  #isKnown(mark: string): boolean {
    const now = performance.now();
    for (const [other, { at }] of this.#known) if (now - at > lasts) this.#known.delete(other);
    return this.#known.has(mark);
  }

  async #ask({ mark, view }: Lease, signal: AbortSignal): Promise<void> {
    const at = performance.now();
    const leases = at < this.#restsUntil ? [] : this.#together(mark, view);
    if (leases.length < fewest) return;
    const marks = leases.map((lease) => lease.mark);
    const look = (either: AbortSignal) => this.#deps.observer.lookTogether(marks, view, either);
    const lookFor = await withDeadline({ milliseconds: lasts, signal }, look).catch((error) => {
      if (hasReason(error, 'unreachable', 'untrusted') || isRefused(error)) throw error;
      this.#restsUntil = performance.now() + restAfterFailure;
      return () => undefined;
    });
    for (const lease of leases) this.#known.set(lease.mark, { lease, look: () => lookFor(lease.mark), at });
  }

  /** The lease with this mark, and others of its view that are due. */
  #together(mark: string, view: string): Lease[] {
    let left = longest;
    const leases: Lease[] = [];
    for (const one of new Set([mark, ...this.#due(most)])) {
      const lease = this.#deps.store.get(one);
      if (lease?.view !== view) continue;
      left -= encodeURIComponent(one).length;
      if (left < 0) break;
      leases.push(lease);
    }
    return leases;
  }
}
