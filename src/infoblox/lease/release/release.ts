/**
 * DEL: the end of a lease is noted durably, and the rest left to the reconciler. So a DEL costs no request before its
 * answer, and needs no grid.
 */
import { hasReason } from '../../errors.ts';
import { type Attachment, shortNetworkName } from '../../mark.ts';
import type { Allocator } from '../add/allocate.ts';
import type { LeaseDeps } from '../deps.ts';
import type { Lease } from '../lease.ts';
import { type Release, startReleaseOf } from './start-release.ts';
import { releaseUnnoted, warnUnreleased } from './unnoted.ts';

export interface ReleaseDeps extends LeaseDeps {
  readonly allocator: Allocator;
}

/**
 * Releases whatever an attachment has. An ADD under way ends: the runtime has given up on it.
 * @param request `view`: where to look if the state does not know the attachment
 * @returns the lease; its address is null if nobody was told one, or it has gone back already
 * @throws GridError `state` if that cannot be noted; then it has been tried on the grid once
 */
export async function releaseAttachment(
  deps: ReleaseDeps,
  { attachment, view, at }: Pick<Release, 'view' | 'at'> & { readonly attachment: Attachment },
  signal: AbortSignal,
): Promise<Lease> {
  const { names, allocator, log } = deps;
  const mark = names.markOf(attachment);
  allocator.abort(mark);
  const release: Release = { mark, network: shortNetworkName(attachment.network), view, by: 'DEL', at };
  try {
    return startReleaseOf(deps, release);
  } catch (error) {
    if (!hasReason(error, 'state')) throw error;
    await releaseUnnoted(deps, release, signal).catch(warnUnreleased(log, mark));
    throw error;
  }
}
