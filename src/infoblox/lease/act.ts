/**
 * The writes that the steps `remove` and `recreate` ask for, each with its doubt: noted durably before the write is sent,
 * taken back only when its answer is here, counted anew when the answer is lost, for the write may have waited to be sent. A write by
 * reference takes what a look has shown; if it fails, the caller looks again (`pauseBeforeLook`).
 * `create` is in take-address.ts, `reassign` in reassign.ts. Callers hold the lock of the lease.
 */
import { describeReservation } from '../attributes.ts';
import { GridError, hasReason } from '../errors.ts';
import type { Sighted } from '../grid.ts';
import { attachmentIn, isAttachmentMark } from '../mark.ts';
import { workloadOfLease } from '../workload.ts';
import type { LeaseDeps } from './deps.ts';
import { createInDoubt, createRefused, deleteAnswered, deleteInDoubt, type Lease } from './lease.ts';
import { type Found, isSame, type Look } from './plan.ts';
import type { LeaseStore } from './store/lease-store.ts';

/**
 * Removes an object that a look has just shown. The caller writes that this delete is not in doubt any more
 * (`deleteAnswered`), with whatever comes next.
 * @throws GridError; unless its outcome is `open` nothing is in doubt. `state` if the doubt cannot be marked: then nothing is sent
 */
export async function remove(
  { grid, store, moment }: LeaseDeps,
  { lease, object }: { readonly lease: Lease; readonly object: Found },
  signal: AbortSignal,
): Promise<void> {
  const seen = sighted(object);
  apply(store, lease.mark, (current) => deleteInDoubt(current, moment()));
  await store.durable();
  try {
    await grid.remove(seen, signal);
  } catch (error) {
    endDelete({ store, moment }, lease, error);
    throw error;
  }
}

/**
 * What a write by reference needs to know of an object.
 * @throws GridError with `mayLookAgain` if no look has shown it yet
 */
export function sighted({ address, seen }: Found): Sighted {
  if (seen !== undefined) return { seen };
  throw new GridError('busy', `${address} has not been looked at since it was made`, { mayLookAgain: true });
}

/** Notes that a delete, or a change that takes an object from a lease, has failed. @param before the lease before it */
export function endDelete({ store, moment }: Pick<LeaseDeps, 'store' | 'moment'>, before: Lease, error: unknown): void {
  const end = (lease: Lease) => (isOpen(error) ? deleteInDoubt(lease, moment()) : deleteAnswered(lease, before));
  apply(store, before.mark, end);
}

/**
 * Reserves the address of a lease that the grid has lost, or of which no look can tell.
 * @returns why the grid does not take it; undefined if it is reserved
 * @throws GridError if it has to be tried again
 */
export async function recreate(
  { grid, store, moment }: LeaseDeps,
  lease: Lease & { readonly address: string },
  signal: AbortSignal,
): Promise<GridError | undefined> {
  const { mark, view, address } = lease;
  // Noted first: a create that comes late must not outlive a DEL that comes meanwhile.
  apply(store, mark, (current) => createInDoubt(current, moment()));
  await store.durable();
  try {
    const description = describeReservation(attachmentIn(mark).network, workloadOfLease(lease));
    const made = await grid.reserve({ source: { view, address }, comment: mark, ...description }, signal);
    if (isSame(made, { address, view })) return undefined;
    throw new GridError('bad-answer', `the grid reserved ${made.address}, asked for ${address}`, {
      outcome: 'unknown',
    });
  } catch (error) {
    if (isOpen(error)) apply(store, mark, (current) => createInDoubt(current, moment()));
    if (!hasReason(error, 'conflict', 'missing', 'rejected') || error.outcome !== 'none') throw error;
    apply(store, mark, (current) => createRefused(current, lease));
    return error;
  }
}

/** Says, and counts, that a reservation was missing on the grid and is there again. */
export function warnOfLoss({ log, tally }: Pick<LeaseDeps, 'log' | 'tally'>, mark: string, address: string): void {
  tally.recreated += 1;
  const hint =
    'nothing while its container lives; if it was deleted because that is gone, send a DEL for the container';
  log.warn('re-created a reservation that the grid had lost', {
    ...{ attachment: mark, address },
    ...(isAttachmentMark(mark) ? { hint } : {}),
  });
}

/** A look less what has just been removed. Undefined if more is left: what is to be written to needs a look of its own. */
export function without(look: Look, object: Found): Look | undefined {
  const found = look.found.filter((one) => !isSame(one, object));
  return found.length > 0 ? undefined : { ...look, found };
}

/** Applies a transition to a lease, as `store.apply` does, if there is one: one that has gone meanwhile stays gone. */
export function apply(
  store: Pick<LeaseStore, 'apply'>,
  mark: string,
  transition: (lease: Lease) => Lease | undefined,
): Lease | undefined {
  return store.apply(mark, (lease) => (lease === undefined ? undefined : transition(lease)));
}

/** Tells whether the error leaves a write that may still be carried out. */
export function isOpen(error: unknown): boolean {
  return error instanceof GridError && error.outcome === 'open';
}
