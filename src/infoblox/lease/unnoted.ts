/** Releases that cannot be noted: a full disk must not keep an address. */
import { remove } from './act.ts';
import { startRelease, unknownToRelease } from './lease.ts';
import { plan } from './plan.ts';
import type { ReconcileDeps } from './reconcile.ts';
import type { Reconciler } from './reconciler.ts';
import type { Release } from './start-release.ts';

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
  if (step.kind === 'remove') await remove(deps, lease, step.objects, signal);
}
