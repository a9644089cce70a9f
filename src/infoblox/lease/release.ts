/**
 * The end of a lease: noted durably, and left to the reconciler. So a DEL costs no request before its answer, and needs no
 * grid.
 */
import { hasReason } from '../errors.ts';
import { type Attachment, shortNetworkName } from '../mark.ts';
import { remove } from './act.ts';
import type { Allocator } from './allocate.ts';
import type { FormerNames } from './former-names.ts';
import { type Lease, startRelease, unknownToRelease } from './lease.ts';
import { plan } from './plan.ts';
import type { ReconcileDeps } from './reconcile.ts';

export interface ReleaserDeps extends ReconcileDeps {
  readonly names: FormerNames;
  readonly allocator: Allocator;
}

/** DEL. */
export class Releaser {
  readonly #deps: ReleaserDeps;

  constructor(deps: ReleaserDeps) {
    this.#deps = deps;
  }

  /**
   * Releases whatever an attachment has. An ADD under way ends: the runtime has given up on it.
   * @param view where to look if the state does not know the attachment
   * @returns the lease; its address is null if nobody was told one
   * @throws GridError `state` if that cannot be noted; then it has been tried on the grid once
   */
  async release(attachment: Attachment, view: string, signal: AbortSignal): Promise<Lease> {
    const { names, allocator, log } = this.#deps;
    const mark = names.markOf(attachment);
    allocator.abort(mark);
    const release = { mark, network: shortNetworkName(attachment.network), view };
    try {
      return startReleaseOf(this.#deps, release);
    } catch (error) {
      if (!hasReason(error, 'state')) throw error;
      await releaseUnnoted(this.#deps, release, signal).catch((failure) => {
        log.warn('cannot release at once what cannot be noted', { attachment: mark, reason: String(failure) });
      });
      throw error;
    }
  }
}

/** What is to be released: a mark, and where to look if the state does not know it. */
export interface Release {
  readonly mark: string;
  /** Network name as it stands in marks. */
  readonly network: string;
  readonly view: string;
}

/**
 * Releases whatever an attachment has, be it known to the state or not.
 * @returns the lease; its address is null if nobody was told one
 * @throws GridError `state` if that cannot be noted
 */
export function startReleaseOf(deps: ReconcileDeps, { mark, network, view }: Release): Lease {
  const { store, moment } = deps;
  const end = (lease: Lease | undefined) => {
    if (lease === undefined) return unknownToRelease(mark, network, view, moment());
    return lease.phase === 'releasing' ? lease : startRelease(lease, moment().now);
  };
  return store.apply(mark, end) ?? unknownToRelease(mark, network, view, moment());
}

/**
 * Releases a lease if it is bound and still looks dead.
 * @param dead asked with the lease as it is now
 * @returns the lease; undefined if it is kept
 * @throws GridError `state` if that cannot be noted
 */
export function releaseIfDead(deps: ReconcileDeps, mark: string, dead: (lease: Lease) => boolean): Lease | undefined {
  const { store, moment } = deps;
  const lease = store.get(mark);
  if (lease?.phase !== 'bound' || !dead(lease)) return undefined;
  return store.apply(mark, (current) => current && startRelease(current, moment().now));
}

/**
 * Removes what an attachment has at once, for a release that cannot be noted: a full disk must not keep an address.
 * @throws GridError if the grid could not be asked or did not do it
 */
async function releaseUnnoted(deps: ReconcileDeps, release: Release, signal: AbortSignal): Promise<void> {
  const { store, observer, moment } = deps;
  const known = store.get(release.mark);
  const lease = startRelease(known ?? unknownToRelease(release.mark, release.network, release.view, moment()), 0);
  const look = await observer.look(lease, signal);
  const step = plan(lease, look, moment());
  if (step.kind !== 'remove') return;
  const unnoted = { ...deps, store: unwritable(deps.store) };
  await remove(unnoted, lease, step.objects, signal);
}

/** A store that need not be written: what fails to be noted there is not. */
function unwritable(store: ReconcileDeps['store']): ReconcileDeps['store'] {
  return {
    isWhole: store.isWhole,
    get: (mark) => store.get(mark),
    boundAt: (view, address, except) => store.boundAt(view, address, except),
    apply: (mark, transition) => {
      try {
        return store.apply(mark, transition);
      } catch (error) {
        if (!hasReason(error, 'state')) throw error;
        return store.get(mark);
      }
    },
  };
}
