/**
 * DEL: the end of a lease is recorded durably, and the rest left to the reconciler. So a DEL costs no request before its
 * answer, and needs no grid.
 */
import { type Attachment, shortNetworkName } from '../../mark.ts';
import { deletedError } from '../address-errors.ts';
import type { LeaseDeps } from '../deps.ts';
import { endLease } from '../endings.ts';
import type { Lease } from '../lease.ts';

interface Release {
  readonly attachment: Attachment;
  /** Where to look if the state does not know the attachment. */
  readonly view: string;
  /** When it was called, milliseconds since 1970, if it is told later. */
  readonly at?: number | undefined;
}

/**
 * Releases whatever an attachment has. An ADD under way ends: the runtime has given up on it.
 * @returns the lease; its address is null if nobody was told one, or it has gone back already
 * @throws GridError `state` if that cannot be recorded: nothing is released, and the plugin leaves a note
 */
export async function releaseAttachment(
  deps: LeaseDeps,
  { attachment, view, at }: Release,
): Promise<Lease | undefined> {
  const { names, adds, store } = deps;
  for (const mark of names.marksOf(attachment)) adds.abort(mark, deletedError());
  const identity = { mark: names.markOf(attachment), network: shortNetworkName(attachment.network), view };
  const { lease } = endLease(deps, identity, { cause: 'DEL', at });
  await store.durable();
  return lease;
}
