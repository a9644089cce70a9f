/**
 * DEL: the end of a lease is recorded durably, and the rest left to the reconciler. So a DEL costs no request before its
 * answer, and needs no grid.
 */
import { type Attachment, shortNetworkName } from '../../mark.ts';
import type { Allocator } from '../add/allocate.ts';
import type { LeaseDeps } from '../deps.ts';
import type { Lease } from '../lease.ts';
import { type Release, startReleaseOf } from './start-release.ts';

export interface ReleaseDeps extends LeaseDeps {
  readonly allocator: Allocator;
}

/**
 * Releases whatever an attachment has. An ADD under way ends: the runtime has given up on it.
 * @param request `view`: where to look if the state does not know the attachment
 * @returns the lease; its address is null if nobody was told one, or it has gone back already
 * @throws GridError `state` if that cannot be recorded: nothing is released, and the plugin leaves a note
 */
export function releaseAttachment(
  deps: ReleaseDeps,
  { attachment, view, at }: Pick<Release, 'view' | 'at'> & { readonly attachment: Attachment },
): Lease {
  const { names, allocator } = deps;
  const mark = names.markOf(attachment);
  allocator.abort(mark);
  return startReleaseOf(deps, { mark, network: shortNetworkName(attachment.network), view, by: 'DEL', at });
}
