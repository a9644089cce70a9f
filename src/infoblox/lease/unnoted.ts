/** Releases that cannot be noted: a full disk must not keep an address. */
import { hasReason } from '../errors.ts';
import { remove } from './act.ts';
import { startRelease, unknownToRelease } from './lease.ts';
import { plan } from './plan.ts';
import type { ReconcileDeps } from './reconcile.ts';
import type { Reconciler } from './reconciler.ts';
import type { Release } from './start-release.ts';
import type { LeaseStore } from './store.ts';

export interface UnnotedDeps extends ReconcileDeps {
  readonly reconciler: Pick<Reconciler, 'noteLater'>;
}

/**
 * Removes what an attachment has on the grid now, and notes that when the state can be written again.
 * @throws GridError if the grid could not be asked or did not do it
 */
export async function releaseUnnoted(deps: UnnotedDeps, release: Release, signal: AbortSignal): Promise<void> {
  const { store, observer, moment, reconciler } = deps;
  reconciler.noteLater(release);
  const known = store.get(release.mark);
  const lease = startRelease(known ?? unknownToRelease(release, moment()), moment().now);
  const step = plan(lease, await observer.look(lease, signal), moment());
  if (step.kind === 'remove') await remove({ ...deps, store: writtenIfPossible(store) }, lease, step.objects, signal);
}

/** A store in which what cannot be written is left as it was. */
function writtenIfPossible(store: LeaseStore): LeaseStore {
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
