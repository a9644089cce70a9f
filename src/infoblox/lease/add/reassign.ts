/**
 * Gives an object the mark of the attachment, of the gateway, or of the host that its address belongs to. In place: between a delete and a
 * create another host could take the address.
 */
import { type Attributes, describeReservation, ofNetwork } from '../../attributes.ts';
import { GridError } from '../../errors.ts';
import { attachmentIn, isAttachmentMark, isHostMark, whoOf } from '../../mark.ts';
import { gatewayName } from '../../wapi/client.ts';
import { workloadOfLease } from '../../workload.ts';
import { apply, applyIfPossible, endDelete, isOpen, warnOfLoss, without } from '../act.ts';
import type { LeaseDeps } from '../deps.ts';
import { createInDoubt, deleteAnswered, deleteInDoubt, type Lease } from '../lease.ts';
import { type Another, type Found, type Look, plan } from '../plan.ts';
import { movedError } from './address-errors.ts';

interface Reassignment {
  /** Whose mark the object has. */
  readonly lease: Lease;
  readonly object: Another;
}

/**
 * Carries the step `reassign` out. With the lock of the owner: a release under way leaves nothing to give. Only a pending
 * lease waits for it. The owner may be pending by then, and wait for a lease that is being released, but for no pending one.
 * @returns the object without its owner if that has no need of it: it released the address, or has it in another view
 * @throws GridError `busy` if the owner is being worked on and is not waited for; `network-conflict` for a pending lease, if
 * the view of the owner was renamed
 */
export async function reassign(
  deps: LeaseDeps,
  { lease, object }: Reassignment,
  signal: AbortSignal,
): Promise<Found | undefined> {
  const { locks, store, moment, observer } = deps;
  const { owner, ...ownerless } = object;
  if (!isAttachmentMark(owner)) {
    const { network } = attachmentIn(lease.mark);
    const name = isHostMark(owner) ? 'host' : gatewayName;
    await relabel(deps, { lease, object, name, attributes: ofNetwork(network) }, signal);
    return undefined;
  }
  if (lease.phase !== 'pending' && locks.busy(owner)) {
    throw new GridError('busy', `${object.address} belongs to ${owner}, whose lease is being worked on`);
  }
  return locks.run(owner, async () => {
    const newOwner = store.get(owner);
    if (newOwner?.phase !== 'bound' || newOwner.address !== object.address) return ownerless;
    const attachment = attachmentIn(owner);
    const step = plan(newOwner, await observer.look(newOwner, signal), moment());
    if (step.kind === 'refuse' && step.moved !== undefined) {
      if (lease.phase === 'pending') throw movedError(whoOf(attachment), newOwner, step.moved);
      return ownerless;
    }
    apply(store, owner, (current) => createInDoubt(current, moment()));
    const { name, attributes } = describeReservation(attachment.network, workloadOfLease(newOwner));
    await relabel(deps, { lease, object, name, attributes }, signal);
    return undefined;
  });
}

interface Relabel extends Reassignment {
  readonly name: string;
  readonly attributes: Attributes;
}

async function relabel(
  deps: LeaseDeps,
  { lease, object, name, attributes }: Relabel,
  signal: AbortSignal,
): Promise<void> {
  const { wapi, store, moment } = deps;
  apply(store, lease.mark, (current) => deleteInDoubt(current, moment()));
  try {
    await wapi.relabel(object.ref, { comment: object.owner, name, attributes }, signal);
  } catch (error) {
    endDelete({ store, moment }, lease, error);
    // It has become, or will become, the owner's.
    if (isOpen(error)) applyIfPossible(store, object.owner, (current) => createInDoubt(current, moment()));
    throw error;
  }
  apply(store, lease.mark, (current) => deleteAnswered(current, lease));
  if (isHostMark(object.owner)) warnOfOwn(deps, object.address);
  else warnOfLoss(deps, object.owner, object.address);
}

function warnOfOwn({ log }: LeaseDeps, address: string): void {
  log.warn('the grid gave out an address of this host: reserved it for the host', {
    address,
    hint: 'tell the grid which addresses hosts have; delete the reservation when the host has no need of it any more',
  });
}

/** A look after `reassign`: without the object, or with it as nobody else's. */
export function afterReassign(look: Look, object: Found, left: Found | undefined): Look {
  const others = without(look, [object]).found;
  return { ...look, found: left === undefined ? others : [...others, left] };
}
