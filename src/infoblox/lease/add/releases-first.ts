/** Addresses that this host is still giving back, where an ADD waits for them: they are released now. */
import { GridError } from '../../errors.ts';
import { fits } from '../../network/fit.ts';
import type { ReadyNetwork } from '../../network/networks.ts';
import type { LeaseDeps } from '../deps.ts';
import { doubtOf } from '../doubt.ts';
import type { Lease } from '../lease.ts';
import { reconcile } from '../release/reconcile.ts';
import type { Want } from './want.ts';

export class ReleasesFirst {
  readonly #deps: LeaseDeps;
  readonly #want: Want;
  readonly #tried = new Set<string>();

  constructor(deps: LeaseDeps, want: Want) {
    this.#deps = deps;
    this.#want = want;
  }

  /**
   * Carries out the release of a requested address, if there is one.
   * @throws GridError only if the state fails: what cannot be released is refused as taken
   */
  async ofAddress(address: string, { view }: ReadyNetwork, signal: AbortSignal): Promise<void> {
    const lease = this.#releasing(view).find((one) => one.address === address);
    if (lease !== undefined) await this.#try(lease.mark, signal);
  }

  /**
   * Carries out one release in a network that is full.
   * @returns false if there is none that has not been tried for this ADD
   */
  async oneOf({ view, cidr }: ReadyNetwork, signal: AbortSignal): Promise<boolean> {
    const { locks, moment } = this.#deps;
    const untried = this.#releasing(view)
      .filter(({ mark, address }) => !this.#tried.has(mark) && address !== null && fits(address, { cidr }, undefined))
      // After a delete without an answer there is nothing to do but wait for longer than an ADD has.
      .filter((lease) => locks.busy(lease.mark) || doubtOf(lease, moment()).delete === null);
    // One that nobody works on yet: ADDs that wait at once each carry out another.
    const next = untried.find(({ mark }) => !locks.busy(mark)) ?? untried[0];
    if (next === undefined) return false;
    await this.#try(next.mark, signal);
    return true;
  }

  /** What is being given back in a view, the oldest first. */
  #releasing(view: string): Lease[] {
    const leases = this.#deps.store.where((lease) => lease.phase === 'releasing' && lease.view === view);
    return leases.sort((one, other) => (one.dueAt ?? 0) - (other.dueAt ?? 0));
  }

  async #try(mark: string, signal: AbortSignal): Promise<void> {
    this.#tried.add(mark);
    if (mark === this.#want.mark) return;
    try {
      await reconcile(this.#deps, mark, signal);
    } catch (error) {
      if (!(error instanceof GridError) || error.reason === 'state') throw error;
    }
  }
}
