/**
 * Garbage collection. CNI GC releases addresses of this host that the runtime no longer knows. `gc --host` releases those of a lost host of
 * this cluster, which no other daemon does. This host records them as its own releasing leases, so lost answers, a full disk and altered
 * objects are handled in the same way.
 */
import { families } from '../address.ts';
import { reservedAtIn } from '../attributes.ts';
import { after, every, withDeadline } from '../concurrency/clock.ts';
import { GridError, hasReason, isGridAway, isRefused } from '../errors.ts';
import type { DescribedReservation } from '../grid.ts';
import { type Attachment, attachmentIn, attachmentKey, networkOf, type Origin, shortNetworkName } from '../mark.ts';
import { type LeaseDeps, maxChangesAtOnce, maxStopMs } from './deps.ts';
import { endAttachment, endLease } from './endings.ts';
import { attemptTimeoutMs, reconcile, reconcileLocked } from './execute.ts';
import { type Lease, type LeaseIdentity, recheck } from './lease.ts';
import { describe, isExactlyOurs } from './observe.ts';
import { apply } from './store/lease-store.ts';

/** Concurrent releases for a lost host: half of the request limit, because containers start meanwhile. */
const maxReleasesAtOnce = 4;

/** A candidate for release. */
type Stale = LeaseIdentity & Pick<Lease, 'address'>;

/** The runtime's request. */
interface GcRequest {
  /** Name of the network. */
  readonly network: string;
  /** View to search for reservations that the state does not know. */
  readonly view: string;
  readonly valid: readonly Omit<Attachment, 'network'>[];
}

interface GcResult {
  /** Released addresses. */
  readonly released: readonly string[];
  /** Addresses whose release the reconciler retries. */
  readonly releasing: readonly string[];
}

/**
 * Releases the leases of a network except those of valid attachments, and other reservations of this host there. Keeps leases of ADDs in
 * progress, or answered since the call: the runtime's list cannot include them. Records all releases durably before the first one.
 * Continues after a failure.
 * @param limits `signal` ends it at once; `stopping`, of the daemon, gives work in progress a moment, and leaves the rest to the next
 * daemon
 * @throws GridError `state` at once if the releases cannot be recorded; otherwise the first failure, after all others were tried
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
      // A second object of the mark, for example a removed one that a promoted master still has.
      if (lease?.phase === 'bound' && lease.address !== address) apply(store, mark, (one) => recheck(one, clock.now()));
      // A live attachment's address under an unknown mark: someone changed the comment.
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
      // When out of time, leave the rest to the reconciler.
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
 * Lists the reservations of a host in all views.
 * @returns `reservations` with exactly a mark of the host; `unclear`: similar objects that are left alone, with a clause that follows the
 * address
 * @throws GridError `unconfirmed` if only a host that may lag behind could be asked
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

/** Converts a reservation. @returns `reservedAt`: milliseconds since 1970; null if the grid does not say */
function reservationOf({ comment: mark, view, address, attributes }: DescribedReservation) {
  return { mark, view, address, ...attachmentIn(mark), reservedAt: reservedAtIn(attributes) };
}

/** A mark and view to release. */
type Wanted = Pick<ReturnType<typeof reservationOf>, 'mark' | 'view'>;

/**
 * Releases reservations of a host. The reconciler finishes those in progress at the end.
 * @param limits `gone` ends it between two deletes; `stopping`, of the daemon, likewise, and soon aborts those in progress; `onDone` is
 * called with the number done, after each
 * @returns marks that were released, those that are left, and why the rest was not begun
 * @throws any error other than GridError
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
  // Several reservations of one mark become one lease after another.
  const queue = Map.groupBy(wanted, ({ mark }) => mark).entries();
  const work = async () => {
    for (const [mark, reservations] of queue) {
      // One lease covers all in one view.
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

/** Releases the reservations of a mark. @returns why they were not released; undefined if they were */
function releaseOne(deps: LeaseDeps, { mark, view }: Wanted, cutShort: AbortSignal): Promise<string | undefined> {
  const { store, clock, locks } = deps;
  // Lock first: the reconciler would take up the lease as soon as it is in the state.
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
