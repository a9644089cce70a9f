/** The end of a lease, noted durably. What it has on the grid the reconciler removes. */
import type { Moment } from '../doubt.ts';
import type { Releaser } from '../history/releaser.ts';
import { abandon, type Lease, type LeaseIdentity, startRelease, unknownToRelease } from '../lease.ts';
import type { SqliteLeaseStore } from '../state/store.ts';

export interface StartReleaseDeps {
  readonly store: SqliteLeaseStore;
  readonly moment: () => Moment;
}

/** What is to be released: a mark, and where to look if the state does not know it. */
export interface Release extends LeaseIdentity {
  readonly by: Releaser;
  /** When that was, milliseconds since 1970, if it is told later. */
  readonly at?: number | undefined;
}

/**
 * Releases whatever an attachment has, be it known to the state or not.
 * @returns the lease; its address is null if nobody was told one, or it has gone back already
 * @throws GridError `state` if that cannot be noted
 */
export function startReleaseOf({ store, moment }: StartReleaseDeps, release: Release): Lease {
  const end = (lease: Lease | undefined) => released(lease, release, moment());
  return store.apply(release.mark, end) ?? end(undefined);
}

function released(lease: Lease | undefined, release: Release, moment: Moment): Lease {
  const known = lease ?? unknownToRelease(release, release.by, moment);
  return known.phase === 'releasing' ? known : endedAt(abandon(known, release.by, moment), release.at);
}

/** What was told later has ended then, but not before it began, nor in the future: the clock may have been set. */
function endedAt(lease: Lease, at: number | undefined): Lease {
  const { createdAt, releasedAt } = lease;
  if (at === undefined || releasedAt === null) return lease;
  return { ...lease, releasedAt: Math.min(Math.max(at, createdAt), releasedAt) };
}

/**
 * Releases a lease if it is bound and still looks dead.
 * @param dead asked with the lease as it is now
 * @returns false if it is kept
 * @throws GridError `state` if that cannot be noted
 */
export function releaseIfDead(
  { store, moment }: StartReleaseDeps,
  { mark, by }: { readonly mark: string; readonly by: Releaser },
  dead: (lease: Lease) => boolean,
): boolean {
  const lease = store.get(mark);
  if (lease?.phase !== 'bound' || !dead(lease)) return false;
  store.apply(mark, (current) => current && startRelease(current, by, moment()));
  return true;
}
