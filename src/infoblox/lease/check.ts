/** CNI CHECK: does an attachment still have what its caller was told? Only looks. */
import { GridError } from '../errors.ts';
import type { Reservation } from '../grid.ts';
import { type Attachment, shortNetworkName, whoOf } from '../mark.ts';
import { movedError } from './address-errors.ts';
import type { LeaseDeps } from './deps.ts';
import { apply, reconcile } from './execute.ts';
import { imported, type Lease, recheck } from './lease.ts';
import { noteFound } from './lease-conditions.ts';
import { describe, isExactlyOurs } from './observe.ts';
import { plan } from './plan.ts';

/** What the caller was told. */
interface CheckRequest {
  readonly attachment: Attachment;
  /** The view of the configuration. */
  readonly view: string;
  /** Without prefix length. */
  readonly addresses: readonly string[];
}

/**
 * Makes sure that the attachment has all of the addresses that it was given, and the result of its ADD names them. An address of the
 * result that is of another plugin of the chain does not matter.
 * @throws GridError `reservation-lost` saying what the grid has instead; `network-conflict` if its view was renamed;
 * `unconfirmed` if only a host was asked that may lag behind
 */
export async function checkLease(deps: LeaseDeps, request: CheckRequest, signal: AbortSignal): Promise<void> {
  const { store, names } = deps;
  const { attachment, view, addresses } = request;
  const mark = names.markOf(attachment);
  const known = store.ofAttachment(mark);
  if (known.some(({ phase }) => phase === 'releasing')) throw lost(request, 'it has been deleted');
  const bound = known.filter(({ phase }) => phase === 'bound');
  const given = bound[0]?.sets ?? bound.length;
  if (given > bound.length) throw lost(request, `${bound.length} of ${given} addresses are left`);
  const [told = ''] = addresses;
  const unknown = imported({ mark, network: shortNetworkName(attachment.network), view }, told);
  await Promise.all((bound.length > 0 ? bound : [unknown]).map((lease) => checkOne(deps, { lease, request }, signal)));
}

async function checkOne(
  deps: LeaseDeps,
  { lease, request }: { readonly lease: Lease; readonly request: CheckRequest },
  signal: AbortSignal,
): Promise<void> {
  const { observer, store, moment } = deps;
  const { attachment, view, addresses } = request;
  const { mark } = lease;
  // What is owed is reserved first: a moment later it would be there.
  if (lease.owedSince !== null) await reconcile(deps, mark, signal);
  const look = await observer.look(lease, signal);
  const isThere = look.found.some(({ address }) => addresses.includes(address));
  const step = plan(lease, look, moment());
  if (step.kind === 'refuse') {
    if (step.altered !== undefined) {
      // It stays a condition for as long as the reconciler sees it.
      apply(store, mark, (current) => recheck(current, moment().now));
      throw lost(request, `${lease.address} ${step.altered}`);
    }
    // Renamed, and the configuration follows: where it says, the reservation is.
    const { moved } = step;
    if (moved !== undefined && moved.view !== view) throw movedError(whoOf(attachment), lease, moved);
  }
  if (isThere) {
    noteFound(deps, mark);
    return;
  }
  if (look.unconfirmed !== undefined) throw look.unconfirmed;
  const [other] = look.found;
  if (other !== undefined) throw lost(request, `it holds ${other.address}`);
  const [holder] = lease.address ? await deps.grid.at(lease.address, lease.view, signal) : [];
  // The reconciler may have reserved it again meanwhile.
  if (holder?.comment === mark && holder.isReserved && addresses.includes(holder.address)) return;
  throw lost(request, whatIsThere(lease, holder));
}

function whatIsThere({ address }: Lease, holder: Reservation | undefined): string {
  if (!address) return 'no address is known';
  if (holder === undefined) return `the grid has no reservation of ${address} any more`;
  return isExactlyOurs(holder) ? `${address} is reserved for "${holder.comment}"` : `${address} ${describe(holder)}`;
}

function lost({ attachment, addresses }: CheckRequest, reason: string): GridError {
  return new GridError(
    'reservation-lost',
    `${whoOf(attachment)} has lost its reservation of ${addresses.join(', ')} in network ${attachment.network}: ${reason}`,
    { hint: 'restart the container to give it an address of its own' },
  );
}
