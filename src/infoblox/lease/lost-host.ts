/**
 * The reservations of a host of this cluster that is gone for good. Nobody else releases them: each daemon answers for its own
 * alone. Here another host takes them into its state as leases that are releasing, so that a lost answer, a full disk and an
 * altered object are met as with its own.
 */
import { reservedAtIn } from '../attributes.ts';
import { after, withDeadline } from '../concurrency/clock.ts';
import { GridError, hasReason, isGridAway, isRefused } from '../errors.ts';
import type { DescribedReservation } from '../grid.ts';
import { attachmentIn, networkOf, type Origin } from '../mark.ts';
import { type LeaseDeps, stopPatienceMs } from './deps.ts';
import { endLease } from './endings.ts';
import { attemptTimeoutMs, reconcileLocked } from './execute.ts';
import { describe, isExactlyOurs } from './observe.ts';

/** Releases that are under way at once: half of the requests that may be, for containers start meanwhile. */
const atOnce = 4;

/**
 * Lists what a host has reserved, in all views.
 * @returns what carries exactly a mark of the host, and what looks like it and is left alone, with a clause that follows the address
 * @throws GridError `unconfirmed` if only a host could be asked that may lag behind
 */
export async function listOfHost({ grid }: Pick<LeaseDeps, 'grid'>, host: Origin, signal: AbortSignal) {
  const reservations: ReturnType<typeof reservationOf>[] = [];
  const unclear: { view: string; address: string; why: string }[] = [];
  for await (const one of grid.listDescribed({ marks: host, confirm: true }, signal)) {
    if (isExactlyOurs(one)) reservations.push(reservationOf(one));
    else unclear.push({ view: one.view, address: one.address, why: describe(one) });
  }
  return { reservations, unclear };
}

/** @returns `reservedAt`: milliseconds since 1970; null if the grid does not say */
function reservationOf({ comment: mark, view, address, attributes }: DescribedReservation) {
  return { mark, view, address, ...attachmentIn(mark), reservedAt: reservedAtIn(attributes) };
}

/** What is to be released: a mark and its view. */
type Wanted = Pick<ReturnType<typeof reservationOf>, 'mark' | 'view'>;

/**
 * Releases reservations of a host. What has begun when it ends is finished by the reconciler.
 * @param limits `gone` ends it between two deletes; so does `stopping`, of the daemon, and soon those that are under way; `onDone` is
 * told how many are done, after each
 * @returns the marks whose reservations have gone back, those that are left, and why the rest was not begun
 * @throws what is no GridError
 */
export async function releaseOfHost(
  deps: LeaseDeps,
  wanted: readonly Wanted[],
  limits: { readonly gone: AbortSignal; readonly stopping: AbortSignal; readonly onDone: (done: number) => void },
) {
  const released: string[] = [];
  const left: { readonly mark: string; readonly why: string }[] = [];
  const { gone, stopping, onDone } = limits;
  const cutShort = after(deps.clock, stopping, stopPatienceMs);
  let failure: GridError | undefined;
  // The reservations of one mark, if there are several, are one lease after another.
  const queue = Map.groupBy(wanted, ({ mark }) => mark).entries();
  const work = async () => {
    for (const [mark, reservations] of queue) {
      // What is in one view goes together.
      for (const [view, together] of Map.groupBy(reservations, (one) => one.view)) {
        if (stopping.aborted) failure ??= stopping.reason;
        if (gone.aborted || failure !== undefined) return;
        const leave = (why: string) => left.push(...together.map(() => ({ mark, why })));
        try {
          const why = await releaseOne(deps, { mark, view }, cutShort);
          if (why === undefined) released.push(...together.map(() => mark));
          else leave(why);
        } catch (error) {
          if (!(error instanceof GridError)) throw error;
          if (concernsAll(error)) failure ??= error;
          else leave(error.message);
        }
        onDone(released.length + left.length);
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return { released, left, failure };
}

/** @returns why its reservation has not gone back; undefined if it has */
function releaseOne(deps: LeaseDeps, { mark, view }: Wanted, cutShort: AbortSignal): Promise<string | undefined> {
  const { store, clock, locks } = deps;
  // Locked first: the lease is due for the reconciler as soon as it is in the state.
  return locks.run(mark, async () => {
    endLease(deps, { mark, view, network: networkOf(mark) }, { cause: 'gc --host' });
    await store.durable();
    const deadline = { milliseconds: attemptTimeoutMs, signal: cutShort };
    const removed = await withDeadline(clock, deadline, (signal) => reconcileLocked(deps, mark, signal));
    if (removed.length > 0) return undefined;
    return store.get(mark) === undefined
      ? 'it was removed or altered meanwhile'
      : 'the grid cannot tell yet whether it is there; this host looks again and releases it';
  });
}

/** Tells whether the next release would fail as this one did. */
function concernsAll(error: GridError): boolean {
  return isGridAway(error) || isRefused(error) || hasReason(error, 'state', 'busy');
}
