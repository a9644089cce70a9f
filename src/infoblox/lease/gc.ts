/**
 * Garbage: what this host has reserved in a network and the runtime no longer knows (CNI GC); and, for a person, what a host of this
 * cluster has left that is gone for good (`gc --host`). Nobody else releases that: each daemon answers for its own alone. This host takes
 * it into its state as leases that are releasing, so that a lost answer, a full disk and an altered object are met as with its own.
 */
import { families } from '../address.ts';
import { reservedAtIn } from '../attributes.ts';
import { after, every, withDeadline } from '../concurrency/clock.ts';
import { GridError, hasReason, isGridAway, isRefused } from '../errors.ts';
import type { DescribedReservation } from '../grid.ts';
import { type Attachment, attachmentIn, attachmentKey, networkOf, type Origin, shortNetworkName } from '../mark.ts';
import { type LeaseDeps, maxChangesAtOnce, maxStopMs } from './deps.ts';
import { endAttachment, endLease } from './endings.ts';
import { apply, attemptTimeoutMs, reconcile, reconcileLocked } from './execute.ts';
import { type Lease, type LeaseIdentity, recheck } from './lease.ts';
import { describe, isExactlyOurs } from './observe.ts';

/** Releases of a lost host that are under way at once: half of the requests that may be, for containers start meanwhile. */
const maxReleasesAtOnce = 4;

/** What may have to be released. */
type Stale = LeaseIdentity & Pick<Lease, 'address'>;

/** What the runtime says. */
interface GcRequest {
  /** Name of the network. */
  readonly network: string;
  /** Where to look on the grid for what the state does not know. */
  readonly view: string;
  readonly valid: readonly Omit<Attachment, 'network'>[];
}

interface GcResult {
  /** Addresses that have gone back. */
  readonly released: readonly string[];
  /** Those whose release the reconciler retries. */
  readonly releasing: readonly string[];
}

/**
 * Releases the leases of a network but for those of the valid attachments, and what else the grid has there under the name of this
 * host. What was told since the call, or is being given, is not judged by a list that cannot know it. That all of it is to be
 * released is durable before the first of it is. Goes on after a failure.
 * @param limits `signal` ends it; `stopping`, of the daemon, too, but what is under way has a moment to end, and the rest is the next
 * daemon's
 * @throws GridError `state` at once if that cannot be recorded; else the first failure, after everything else has been tried
 */
export async function collectGarbage(
  deps: LeaseDeps,
  { network, view, valid }: GcRequest,
  { signal, stopping }: { readonly signal: AbortSignal; readonly stopping: AbortSignal },
): Promise<GcResult> {
  const { store, clock, names, observer, answers } = deps;
  const since = answers.count;
  const validKeys = new Set(valid.flatMap((one) => names.marksOf({ ...one, network }).map(attachmentKey)));
  const judged = new Set<string>();
  const begun: Stale[] = [];
  const failures: unknown[] = [];
  const settle = every(maxChangesAtOnce, () => store.durable());
  const judge = async (one: Stale) => {
    const { mark } = one;
    if (judged.has(mark)) return;
    const isKnown = store.get(mark) !== undefined;
    const together: readonly Stale[] = isKnown ? store.ofAttachment(mark) : [one];
    for (const each of together) judged.add(each.mark);
    const reason = { cause: 'GC', since, isValid: validKeys.has(attachmentKey(mark)) } as const;
    const ended = isKnown ? endAttachment(deps, one, reason) : [endLease(deps, one, reason)];
    begun.push(...together.filter((_, index) => ended[index]?.answer === 'release'));
    await settle();
  };
  const name = shortNetworkName(network);
  for (const lease of store.where((one) => one.network === name)) await judge(lease);
  await store.durable();
  try {
    const either = AbortSignal.any([signal, stopping]);
    for await (const object of observer.list({ marks: { ...names.present, network }, view }, either)) {
      const { comment: mark, view: where, address } = object;
      const lease = store.get(mark);
      // A second object, as one that was removed and that a promoted master still has.
      if (lease?.phase === 'bound' && lease.address !== address) apply(store, mark, (one) => recheck(one, clock.now()));
      // The address of a live attachment under a mark that nobody here knows: somebody has changed it.
      if (lease === undefined && store.boundAt(where, address, mark) !== undefined) observer.report(object);
      else await judge({ mark, network: networkOf(mark), view: where, address });
    }
  } catch (error) {
    failures.push(stopping.aborted ? stopping.reason : error);
  }
  await store.durable();
  const result = { released: [] as string[], releasing: [] as string[] };
  const cutShort = AbortSignal.any([signal, after(clock, stopping, maxStopMs)]);
  for (const { mark, address } of begun) {
    try {
      // Out of time nothing waits for the grid any more.
      if (!stopping.aborted) await reconcile(deps, mark, cutShort);
    } catch (error) {
      if (!(error instanceof GridError)) failures.push(error);
    }
    if (address !== null) result[store.get(mark) === undefined ? 'released' : 'releasing'].push(address);
  }
  if (failures.length > 0) throw failures[0];
  return result;
}

/**
 * Lists what a host has reserved, in all views.
 * @returns what carries exactly a mark of the host, and what looks like it and is left alone, with a clause that follows the address
 * @throws GridError `unconfirmed` if only a host could be asked that may lag behind
 */
export async function listOfHost({ grid }: Pick<LeaseDeps, 'grid'>, host: Origin, signal: AbortSignal) {
  const reservations: ReturnType<typeof reservationOf>[] = [];
  const unclear: { view: string; address: string; why: string }[] = [];
  for await (const one of grid.listDescribed({ marks: host, families, confirm: true }, signal)) {
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
  const cutShort = after(deps.clock, stopping, maxStopMs);
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
  await Promise.all(Array.from({ length: maxReleasesAtOnce }, work));
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
