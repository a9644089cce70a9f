/**
 * Looks for many leases that are due with one request, so that a backlog of releases costs the grid, and this host, little
 * more than the deletes. Only what such a look has shown is used, and only for a lease that nobody has written since: no other
 * of them is locked meanwhile. Whatever goes wrong with it, each lease is looked for alone.
 */
import { withDeadline } from '../../concurrency/clock.ts';
import { hasReason } from '../../errors.ts';
import { gridConditions, gridTrouble } from '../../wapi/grid-state.ts';
import { isOneOf } from '../../wapi/paged-search.ts';
import { encoded } from '../../wapi/request.ts';
import type { LeaseDeps } from '../deps.ts';
import type { Lease } from '../lease.ts';
import type { Look } from '../plan.ts';

/** Leases that are looked for together. */
const mostTogether = 30;
/** Fewer are looked for one by one: the request for each says also what is elsewhere, or not there. */
const fewestTogether = 4;
/** Characters of the expression in the URL: web servers take 8,190 for the line that holds it. */
const longestExpression = 6_000;
/**
 * Milliseconds from the question on that a look is used. The shorter, the less can anybody else have changed on the grid
 * meanwhile.
 */
const freshFor = 1_000;
/** Milliseconds for the answer. A later one would be of use for too few leases. */
const patience = 500;
/** Milliseconds without such looks after one has failed. */
const restAfterFailure = 60_000;
/** The same when it could not be sent, as this host had too many other requests. */
const restWhileBusy = 5_000;

interface Known {
  readonly lease: Lease;
  /** What `lookTogether` has answered. */
  readonly lookFor: (mark: string) => Look | undefined;
  /** Monotonic milliseconds. */
  readonly askedAt: number;
}

type Deps = Pick<LeaseDeps, 'store' | 'observer' | 'clock' | 'conditions'>;

export class SharedLooks {
  readonly #deps: Deps;
  readonly #due: (limit: number, view: string) => readonly string[];
  readonly #known = new Map<string, Known>();
  #asking: Promise<void> | undefined;
  /** Monotonic milliseconds. */
  #restsUntil = Number.NEGATIVE_INFINITY;

  /** @param due answers the marks of leases of a view that are due, the most urgent first */
  constructor(deps: Deps, due: (limit: number, view: string) => readonly string[]) {
    this.#deps = deps;
    this.#due = due;
    deps.conditions.subscribe({
      raised: () => undefined,
      cleared: ({ kind }) => {
        // What failed may have failed because the grid was away.
        if (gridConditions.includes(kind)) this.#restsUntil = Number.NEGATIVE_INFINITY;
      },
    });
  }

  /**
   * Looks for a lease, whose lock the caller has, and for others that are due.
   * @returns undefined if it has to be looked for alone
   * @throws GridError `state` if the state cannot say what is due
   */
  async of(lease: Lease, signal: AbortSignal): Promise<Look | undefined> {
    // One that comes while the grid is asked is most likely in that search.
    while (this.#asking !== undefined) await this.#asking.catch(() => undefined);
    this.#forgetOld();
    if (!this.#known.has(lease.mark)) {
      this.#asking = this.#ask(lease, signal).finally(() => {
        this.#asking = undefined;
      });
      await this.#asking;
      this.#forgetOld();
    }
    const known = this.#known.get(lease.mark);
    this.#known.delete(lease.mark);
    return known?.lease === lease ? known.lookFor(lease.mark) : undefined;
  }

  #forgetOld(): void {
    const now = this.#deps.clock.now();
    for (const [mark, { askedAt }] of this.#known) if (now - askedAt > freshFor) this.#known.delete(mark);
  }

  async #ask(lease: Lease, signal: AbortSignal): Promise<void> {
    const askedAt = this.#deps.clock.now();
    // While the grid is away it is for the requests that are needed to find out when it is back.
    if (askedAt < this.#restsUntil || gridTrouble(this.#deps.conditions) !== undefined) return;
    const leases = this.#together(lease);
    if (leases.length < fewestTogether) return;
    const marks = leases.map(({ mark }) => mark);
    const look = (either: AbortSignal) => this.#deps.observer.lookTogether(marks, lease.view, either);
    try {
      const lookFor = await withDeadline(this.#deps.clock, { milliseconds: patience, signal }, look);
      for (const one of leases) this.#known.set(one.mark, { lease: one, lookFor, askedAt });
    } catch (error) {
      // An attempt that is over says nothing about such a look.
      if (signal.aborted) return;
      this.#restsUntil = this.#deps.clock.now() + (hasReason(error, 'busy') ? restWhileBusy : restAfterFailure);
    }
  }

  /** A lease, and others of its view that are due. */
  #together(lease: Lease): Lease[] {
    const leases = [lease];
    let left = longestExpression - expressionLength(lease.mark);
    for (const mark of this.#due(mostTogether, lease.view)) {
      if (leases.length >= mostTogether || mark === lease.mark) continue;
      const other = this.#read(mark);
      left -= expressionLength(mark);
      if (left < 0) break;
      if (other !== undefined) leases.push(other);
    }
    return leases;
  }

  /** One that cannot be read is no reason not to look for the others: its own attempt says why. */
  #read(mark: string): Lease | undefined {
    try {
      return this.#deps.store.get(mark);
    } catch {
      return undefined;
    }
  }
}

/** Characters that a mark takes in the URL, at most. */
function expressionLength(mark: string): number {
  return encoded(isOneOf([mark])).length;
}
