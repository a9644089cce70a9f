/**
 * Writes to the grid for leases. Doubt is recorded durably before a write is sent and removed when its answer arrives. If the answer is
 * lost, the doubt starts again, because the write may have waited to be sent. A write to an object needs a look that showed it. Callers
 * hold the lock of the lease.
 */
import { type Attributes, describeReservation, ofNetwork } from '../attributes.ts';
import { GridError, hasReason, isOpen, isRefused } from '../errors.ts';
import { attachmentIn, beginsAs, isAttachmentMark, isHostMark, whoOf } from '../mark.ts';
import { gatewayName } from '../network/networks.ts';
import { workloadOfLease } from '../workload.ts';
import { movedError } from './address-errors.ts';
import { refusedError } from './block/block-conditions.ts';
import type { LeaseDeps } from './deps.ts';
import { deleteAnswered, sendDelete } from './doubt.ts';
import {
  createInDoubt,
  createRefused,
  emptied,
  forgetReleased,
  type Lease,
  recheck,
  reserved,
  settle,
} from './lease.ts';
import { noteFound, noteReleased } from './lease-conditions.ts';
import { type Another, type Found, isSame, type Look, plan } from './plan.ts';
import { apply } from './store/lease-store.ts';

/** A lease, and a look at its objects on the grid. */
export interface Situation {
  readonly lease: Lease;
  readonly look: Look;
}

/** The result of a step. */
export type Outcome =
  /** There is more to do. `look`: what the grid has now; undefined: look again. */
  | { readonly kind: 'go on'; readonly look: Look | undefined }
  /** There is nothing more to do now. */
  | { readonly kind: 'done' }
  /** The grid refuses to re-create the reservation of a bound lease. */
  | { readonly kind: 'lost'; readonly why: GridError };

/** Removes a surplus object, and forgets the lease if it was its last. @returns what the grid has afterwards */
export async function remove(
  deps: LeaseDeps,
  { lease, look, object }: Situation & { readonly object: Found },
  signal: AbortSignal,
): Promise<Look | undefined> {
  const { grid, store, moment, exhaustion, log } = deps;
  const { mark, view, phase } = lease;
  await takeAway(deps, { lease, object }, (seen) => grid.remove(seen, signal));
  const left = without(look, object);
  // Forget the lease and end the doubt in one write.
  apply(store, mark, (current) => {
    const answered = deleteAnswered(current, lease);
    if (left === undefined) return answered;
    return plan(answered, left, moment()).kind === 'forget' ? forgetReleased(answered) : emptied(answered);
  });
  exhaustion.released(view);
  noteReleased(deps, lease);
  const message = phase === 'releasing' ? 'released' : 'removed surplus reservations';
  log.info(message, { attachment: mark, view, addresses: [object.address] });
  return left;
}

/** Forgets a lease without objects on the grid. */
export function forget(deps: LeaseDeps, lease: Lease): void {
  const { store, exhaustion, log } = deps;
  const { mark, address, view, owedSince } = lease;
  noteReleased(deps, lease);
  apply(store, mark, forgetReleased);
  exhaustion.released(view);
  // An owed create may never have reached the grid.
  if (address === null || owedSince !== null) return void log.debug('nothing to release', { attachment: mark, view });
  const fields = { attachment: mark, view, address };
  log.info('nothing to release: the reservation was removed or changed in the grid', fields);
}

/** Re-creates the reservation of a lease if it is missing, or if no look can show it. */
export async function recreate(deps: LeaseDeps, { lease, look }: Situation, signal: AbortSignal): Promise<Outcome> {
  const { grid, store, moment } = deps;
  const { mark, view, address, phase } = lease;
  if (address === null) throw new Error(`nothing to reserve for ${mark}`);
  // Record the doubt first: a late create must not survive a DEL that comes meanwhile.
  apply(store, mark, (current) => createInDoubt(current, moment()));
  await store.durable();
  try {
    const description = describeReservation(attachmentIn(mark).network, workloadOfLease(lease));
    const made = await grid.reserve({ source: { view, address }, comment: mark, ...description }, signal);
    if (!isSame(made, { address, view })) {
      const what = `the grid reserved ${made.address}, asked for ${address}`;
      throw new GridError('bad-answer', what, { outcome: 'unknown' });
    }
  } catch (error) {
    if (isOpen(error)) apply(store, mark, (current) => createInDoubt(current, moment()));
    if (!(error instanceof GridError) || error.outcome !== 'none') throw error;
    apply(store, mark, (current) => createRefused(current, lease));
    if (lease.owedSince !== null) return afterRefusal(deps, { lease, why: error }, signal);
    if (!hasReason(error, 'conflict', 'missing', 'rejected')) throw error;
    // The address was reserved since the look, by this or another mark. The host that refuses accepts writes, so ask it.
    if (error.reason === 'conflict') {
      const [holder] = await grid.at(address, view, signal);
      const isItsOwn = holder?.isReserved === true && holder.comment === mark;
      if (isItsOwn || look.unconfirmed !== undefined) return { kind: 'go on', look: undefined };
    }
    if (phase === 'releasing') throw error;
    // After a DEL meanwhile, the lease is released now and not after the pause before a person's repair.
    if (store.get(mark)?.phase !== phase) return { kind: 'go on', look: undefined };
    return { kind: 'lost', why: error };
  }
  if (lease.owedSince !== null) {
    apply(store, mark, (current) => reserved(current, lease, moment()));
    noteFound(deps, mark);
    return store.get(mark)?.phase === 'bound' ? { kind: 'done' } : { kind: 'go on', look: undefined };
  }
  if (phase === 'bound') {
    noteFound(deps, mark);
    warnOfLoss(deps, mark, address);
  }
  // A removal needs a look.
  if (store.get(mark)?.phase !== 'bound') return { kind: 'go on', look: undefined };
  return { kind: 'go on', look: { found: [{ address, view, fresh: true }], askedAt: look.askedAt } };
}

/**
 * Handles the refusal of an owed create. If the address is taken by another mark of this host, that lease is reconciled, or its leftover
 * released, and the create is repeated later.
 * @throws GridError if the create may succeed later
 */
async function afterRefusal(
  deps: LeaseDeps,
  { lease, why }: { readonly lease: Lease; readonly why: GridError },
  signal: AbortSignal,
): Promise<Outcome> {
  const { grid, store, blocks, names, moment } = deps;
  const { mark, view, address } = lease;
  const isGone = () => store.get(mark)?.phase !== 'bound';
  if (isGone()) return { kind: 'go on', look: undefined };
  const block = blocks.at(view, address ?? '');
  const stop = () => block && blocks.stop(block, 'block-refused', refusedError(block, address ?? '', why));
  if (why.reason !== 'conflict') {
    if (isRefused(why) || hasReason(why, 'missing', 'rejected')) stop();
    throw why;
  }
  const [holder] = await grid.at(address ?? '', view, signal);
  if (isGone()) return { kind: 'go on', look: undefined };
  const { comment = '', isReserved = false } = holder ?? {};
  const isOfThisHost = isReserved && beginsAs(comment, names.present);
  const busy = new GridError('busy', `${address} is still reserved for "${comment}"`, { cause: why });
  if (isReserved && comment === mark) {
    apply(store, mark, (current) => reserved(current, lease, moment()));
    return { kind: 'done' };
  }
  if (isOfThisHost && store.get(comment) !== undefined) {
    apply(store, comment, (current) => recheck(current, moment().now));
    throw busy;
  }
  if (isOfThisHost && blocks.hasEnded(comment)) {
    deps.releaseLeftover(comment, view);
    throw busy;
  }
  stop();
  apply(store, mark, (current) => settle(current, moment()));
  return { kind: 'lost', why };
}

/**
 * Gives an object the mark of its rightful owner: an attachment, the gateway or the host. Relabels it in place, because another host could
 * take the address between a delete and a create. Takes the owner's lock, so that no release of the owner is in progress. Only a pending
 * lease waits for this lock (see `mayWaitForOthers`). Its owner may then be pending, too, and wait for a releasing lease, but never for a
 * pending one.
 * @returns a look with the object without an owner if the owner does not need it: it released the address, or has it in another view
 * @throws GridError `busy` if the owner is locked and this lease must not wait; `network-conflict` for a pending lease, if the owner's view
 * was renamed
 */
export async function reassign(
  deps: LeaseDeps,
  { lease, look, object }: Situation & { readonly object: Another },
  signal: AbortSignal,
): Promise<Look | undefined> {
  const { locks, store, moment, observer } = deps;
  const { owner, address } = object;
  if (!isAttachmentMark(owner)) {
    const { network } = attachmentIn(lease.mark);
    const name = isHostMark(owner) ? 'host' : gatewayName;
    await relabel(deps, { lease, object, name, attributes: ofNetwork(network) }, signal);
    return without(look, object);
  }
  if (locks.busy(owner) && (lease.phase !== 'pending' || !mayWaitForOthers(deps, lease.mark))) {
    throw new GridError('busy', `${address} belongs to ${owner}, whose lease is locked`);
  }
  return locks.run(owner, async () => {
    const newOwner = store.get(owner);
    if (newOwner?.phase !== 'bound' || newOwner.address !== address) return asNobodys(look, object);
    const attachment = attachmentIn(owner);
    const step = plan(newOwner, await observer.look(newOwner, signal), moment());
    const moved = step.kind === 'refuse' ? step.moved : undefined;
    if (moved !== undefined && lease.phase === 'pending') throw movedError(whoOf(attachment), newOwner, moved);
    // Look again: waiting for the owner and looking at its objects took time.
    const again = await observer.look(lease, signal);
    if (moved !== undefined) return asNobodys(again, object);
    const seen = again.found.find((one) => isSame(one, object));
    if (seen === undefined) return again;
    apply(store, owner, (current) => createInDoubt(current, moment()));
    const description = describeReservation(attachment.network, workloadOfLease(newOwner));
    await relabel(deps, { lease, object: { ...seen, owner }, ...description }, signal);
    return without(again, object);
  });
}

/**
 * Tells whether an ADD may wait for another attachment's lock while it holds its own: only if none of its leases is bound. Others wait only
 * for bound or releasing leases, so never for this ADD: no deadlock.
 */
export function mayWaitForOthers({ store }: Pick<LeaseDeps, 'store'>, mark: string): boolean {
  return store.ofAttachment(mark).every(({ phase }) => phase !== 'bound');
}

interface Relabel {
  readonly lease: Lease;
  readonly object: Another;
  readonly name: string;
  readonly attributes: Attributes;
}

async function relabel(
  deps: LeaseDeps,
  { lease, object, name, attributes }: Relabel,
  signal: AbortSignal,
): Promise<void> {
  const { grid, store, moment, log } = deps;
  const { owner, address } = object;
  try {
    const label = { comment: owner, name, attributes };
    await takeAway(deps, { lease, object }, (seen) => grid.relabel(seen, label, signal));
  } catch (error) {
    // The object may have become the owner's, or will.
    if (isOpen(error)) apply(store, owner, (current) => createInDoubt(current, moment()));
    throw error;
  }
  apply(store, lease.mark, (current) => deleteAnswered(current, lease));
  if (!isHostMark(owner)) return warnOfLoss(deps, owner, address);
  log.warn('the grid gave out an address of this host: reserved it for the host', {
    address,
    hint: 'reserve the addresses of hosts on the grid; delete this reservation when the host no longer needs it',
  });
}

/** Sends a write that takes an object from a lease, as `sendDelete`. */
async function takeAway(
  deps: LeaseDeps,
  { lease, object: { seen, address } }: { readonly lease: Lease; readonly object: Found },
  send: (seen: { readonly seen: NonNullable<Found['seen']> }) => Promise<void>,
): Promise<void> {
  if (seen === undefined) {
    throw new GridError('busy', `${address} has not been looked at since it was made`, { mayLookAgain: true });
  }
  const change = (transition: (one: Lease) => Lease) => apply(deps.store, lease.mark, transition);
  await sendDelete(deps, { before: lease, change }, () => send({ seen }));
}

/** Logs and counts a re-created reservation. */
function warnOfLoss({ log, tally }: LeaseDeps, mark: string, address: string): void {
  tally.recreated += 1;
  const hint =
    'no action while its container is alive; if it was deleted because the container is gone, send a DEL for it';
  const fields = isAttachmentMark(mark) ? { attachment: mark, address, hint } : { attachment: mark, address };
  log.warn('re-created a reservation that the grid had lost', fields);
}

/** Removes an object from a look. Returns undefined if others are left: each write needs a new look. */
export function without(look: Look, object: Found): Look | undefined {
  const found = look.found.filter((one) => !isSame(one, object));
  return found.length > 0 ? undefined : { ...look, found };
}

/** Returns a look with an object without an owner. */
export function asNobodys(look: Look, object: Found): Look {
  const found = look.found.map((one) => (isSame(one, object) ? { ...one, owner: undefined } : one));
  return { ...look, found };
}
