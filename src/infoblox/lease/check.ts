/** CNI CHECK: checks that an attachment still has its addresses, without changing the grid. */
import { GridError } from '../errors.ts';
import type { Reservation } from '../grid.ts';
import { type Attachment, shortNetworkName, whoOf } from '../mark.ts';
import { movedError } from './address-errors.ts';
import type { LeaseDeps } from './deps.ts';
import { reconcile } from './execute.ts';
import { imported, type Lease, recheck } from './lease.ts';
import { noteFound } from './lease-conditions.ts';
import { describe, isExactlyOurs } from './observe.ts';
import { plan } from './plan.ts';
import { apply } from './store/lease-store.ts';

/** The attachment and the result of its ADD. */
interface CheckRequest {
  readonly attachment: Attachment;
  /** The view of the configuration. */
  readonly view: string;
  /** Without prefix length. */
  readonly addresses: readonly string[];
}

/**
 * Checks that the attachment has all addresses that it was given, and that the result of its ADD names them. Ignores addresses of other
 * plugins in the result.
 * @throws GridError `reservation-lost` saying what the grid has instead; `network-conflict` if its view was renamed; `unconfirmed` if only
 * a host that may lag behind could be asked
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
  // Send an owed create first: the reconciler would do so a moment later.
  if (lease.owedSince !== null) await reconcile(deps, mark, signal);
  const look = await observer.look(lease, signal);
  const isThere = look.found.some(({ address }) => addresses.includes(address));
  const step = plan(lease, look, moment());
  if (step.kind === 'refuse') {
    if (step.altered !== undefined) {
      // The reconciler keeps the condition while the alteration lasts.
      apply(store, mark, (current) => recheck(current, moment().now));
      throw lost(request, `${lease.address} ${step.altered}`);
    }
    // If the configuration already names the new view, the reservation is where it should be.
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
  // The reconciler may have re-created it meanwhile.
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
