/**
 * Gives an object the mark of the attachment, of the gateway, or of the host that its address belongs to. In place: between a delete and a
 * create another host could take the address.
 */
import { type Attributes, describeReservation, ofNetwork } from '../attributes.ts';
import { GridError } from '../errors.ts';
import { attachmentIn, isAttachmentMark, isHostMark, whoOf } from '../mark.ts';
import { gatewayName } from '../network/networks.ts';
import { workloadOfLease } from '../workload.ts';
import { apply, endDelete, isOpen, sighted, warnOfLoss, without } from './act.ts';
import { movedError } from './address-errors.ts';
import type { LeaseDeps } from './deps.ts';
import { createInDoubt, deleteAnswered, deleteInDoubt, type Lease } from './lease.ts';
import { type Another, type Found, isSame, type Look, plan } from './plan.ts';

interface Reassignment {
  /** Whose mark the object has. */
  readonly lease: Lease;
  readonly object: Another;
  /** What has shown it. */
  readonly look: Look;
}

/** `look`: what the grid shows then; undefined if it has to be looked at. */
interface Reassigned {
  readonly isReassigned: boolean;
  readonly look: Look | undefined;
}

/**
 * Carries the step `reassign` out. With the lock of the owner: a release under way leaves nothing to give. Only a pending
 * lease waits for it. The owner may be pending by then, and wait for a lease that is being released, but for no pending one.
 * @returns a look with the object as nobody else's if its owner has no need of it: it released the address, or has it in another view
 * @throws GridError `busy` if the owner is being worked on and is not waited for; `network-conflict` for a pending lease, if
 * the view of the owner was renamed
 */
export async function reassign(
  deps: LeaseDeps,
  { lease, object, look }: Reassignment,
  signal: AbortSignal,
): Promise<Reassigned> {
  const { locks, store, moment, observer } = deps;
  const { owner } = object;
  if (!isAttachmentMark(owner)) {
    const { network } = attachmentIn(lease.mark);
    const name = isHostMark(owner) ? 'host' : gatewayName;
    await relabel(deps, { lease, object, name, attributes: ofNetwork(network) }, signal);
    return { isReassigned: true, look: without(look, object) };
  }
  if (lease.phase !== 'pending' && locks.busy(owner)) {
    throw new GridError('busy', `${object.address} belongs to ${owner}, whose lease is being worked on`);
  }
  return locks.run(owner, async () => {
    const newOwner = store.get(owner);
    if (newOwner?.phase !== 'bound' || newOwner.address !== object.address) return notReassigned(look, object);
    const attachment = attachmentIn(owner);
    const step = plan(newOwner, await observer.look(newOwner, signal), moment());
    const moved = step.kind === 'refuse' ? step.moved : undefined;
    if (moved !== undefined && lease.phase === 'pending') throw movedError(whoOf(attachment), newOwner, moved);
    // Waiting for the owner, and asking for what it has, took its time.
    const again = await observer.look(lease, signal);
    if (moved !== undefined) return notReassigned(again, object);
    const seen = again.found.find((one) => isSame(one, object));
    if (seen === undefined) return { isReassigned: false, look: again };
    apply(store, owner, (current) => createInDoubt(current, moment()));
    const { name, attributes } = describeReservation(attachment.network, workloadOfLease(newOwner));
    await relabel(deps, { lease, object: { ...seen, owner }, name, attributes }, signal);
    return { isReassigned: true, look: without(again, object) };
  });
}

interface Relabel extends Omit<Reassignment, 'look'> {
  readonly name: string;
  readonly attributes: Attributes;
}

async function relabel(
  deps: LeaseDeps,
  { lease, object, name, attributes }: Relabel,
  signal: AbortSignal,
): Promise<void> {
  const { grid, store, moment } = deps;
  const seen = sighted(object);
  apply(store, lease.mark, (current) => deleteInDoubt(current, moment()));
  await store.durable();
  try {
    await grid.relabel(seen, { comment: object.owner, name, attributes }, signal);
  } catch (error) {
    endDelete({ store, moment }, lease, error);
    // It has become, or will become, the owner's.
    if (isOpen(error)) apply(store, object.owner, (current) => createInDoubt(current, moment()));
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

/** The object is nobody else's. */
export function notReassigned(look: Look, object: Found): { readonly isReassigned: false; readonly look: Look } {
  const found = look.found.map((one) => (isSame(one, object) ? { ...one, owner: undefined } : one));
  return { isReassigned: false, look: { ...look, found } };
}
