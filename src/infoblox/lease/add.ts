/**
 * ADD: gives an attachment its addresses, one from each set of its configuration. `add` joins concurrent callers. `give` gets an address
 * for each lease concurrently, from a block of this host or from the grid (obtain.ts), binds all leases in one transaction, and makes this
 * durable before the answer.
 */
import { abortable } from '../concurrency/clock.ts';
import type { SharedWork } from '../concurrency/locks.ts';
import { GridError } from '../errors.ts';
import { type Attachment, attachmentKey, marksOfSets } from '../mark.ts';
import { fits, refuseHopeless } from '../network/fit.ts';
import type { ReadyNetwork } from '../network/networks.ts';
import { type AddressSets, familyOfSpec, setText } from '../network/sets.ts';
import { specKey } from '../network/spec.ts';
import type { Workload } from '../workload.ts';
import { deletedError, heldError, lateError, otherSetsError } from './address-errors.ts';
import type { LeaseDeps } from './deps.ts';
import { endLease } from './endings.ts';
import { askAgain, bindOwed, isUnsent, type Lease } from './lease.ts';
import { identityOf, joinedBy, type Obtained, obtain, refuseIfLeft, type Wish } from './obtain.ts';
import { noteUndelivered } from './release.ts';
import { apply } from './store/lease-store.ts';

/** A request of one ADD. */
export interface AddRequest {
  readonly attachment: Attachment;
  readonly sets: AddressSets;
  /** The requested address of each set. */
  readonly requested?: readonly (string | undefined)[];
  readonly workload: Workload;
  /** Path of the container's network namespace. */
  readonly netns: string;
  /** When the caller stops waiting, as the clock's `now`; undefined if unknown. */
  readonly neededBy?: number;
  /** Identifies this call, so that its caller can report later that it got no answer. */
  readonly callId: string;
}

export interface Taken {
  readonly address: string;
  readonly network: ReadyNetwork;
}

export interface Allocation {
  /** One of each set. */
  readonly taken: readonly Taken[];
  /** Records that the caller left without the answer; releases the addresses unless another caller of the attachment has them. */
  undelivered(): Promise<void>;
}

/**
 * Gives the attachment its addresses; the same ones if it has them already. Concurrent callers with the same request share the work; when
 * the last of them has left, the addresses are released.
 * @param signal fires when the caller has left or is out of time
 * @throws GridError
 */
export async function add(deps: LeaseDeps, request: AddRequest, signal: AbortSignal): Promise<Allocation> {
  const { adds, locks, names } = deps;
  const { attachment, sets, requested = [], netns, callId: caller } = request;
  for (const [set, sources] of sets.entries()) refuseHopeless(requested[set], sources);
  const mark = names.markToGive(attachment);
  const key = attachmentKey(mark);
  // Another sandbox means another start of the container: the lease must record the live one.
  const variant = JSON.stringify([sets.map((set) => set.map(specKey)), requested, netns]);
  const marks = marksOfSets(mark, attachment, sets.length);
  const share = adds.join(key, { variant, caller }, (work) =>
    // Always in this order, to avoid deadlocks; see also `mayWaitForOthers`.
    marks.reduceRight(
      (run, one) => () => locks.run(one, run),
      () => give(deps, { marks, request, work }),
    )(),
  );
  const undelivered = () => noteUndelivered(deps, mark, caller);
  try {
    const obtained = await abortable(share.result, signal, () => share.work.delay ?? lateError(deps, signal));
    for (const { spec, network } of obtained) deps.keeper.noteAdd(spec, network);
    return { taken: obtained, undelivered };
  } catch (error) {
    share.leave();
    // The work may still succeed.
    share.result.then(undelivered, undelivered);
    throw error;
  }
}

interface Giving {
  readonly marks: readonly [string, ...string[]];
  readonly request: AddRequest;
  readonly work: SharedWork;
}

/** Performs one ADD for all callers that share it, from the first write of the state to the answer. The caller holds the locks. */
async function give(deps: LeaseDeps, { marks, request, work }: Giving): Promise<readonly Obtained[]> {
  const { store, host } = deps;
  const { attachment, sets, requested = [], workload, netns, neededBy } = request;
  await deps.keeper.firstLook(sets.flat(), work.signal);
  refuseIfLeft(work.signal);
  refuseOtherSets(deps, { marks, request });
  const sandbox = host.identify(netns);
  const wishes = sets.map((sources, set): Wish => {
    const asking = { sandbox, workload, cooldownMs: sources[0].cooldownMs, sets: sets.length };
    return { mark: marks[set] ?? '', attachment, sources, requested: requested[set], neededBy, asking };
  });
  const obtained = new Map<string, Obtained>();
  try {
    const bound = await bindAll(deps, { wishes, obtained, work });
    for (const { mark, asking } of wishes) apply(store, mark, (lease) => askAgain(lease, asking));
    await store.durable();
    if (marks.some((mark) => store.get(mark)?.phase !== 'bound')) throw deletedError();
    deps.answers.answering(attachmentKey(marks[0]));
    return bound;
  } catch (error) {
    for (const { mark, isDoubtful } of obtained.values()) {
      const lease = store.get(mark);
      if (lease !== undefined) endLease(deps, lease, { cause: 'failed ADD', mayBeOnGrid: true, isDoubtful });
    }
    throw error;
  }
}

interface Binding {
  readonly wishes: readonly Wish[];
  /** Addresses obtained from the grid, by mark. */
  readonly obtained: Map<string, Obtained>;
  readonly work: SharedWork;
}

/**
 * Gets an address for each wish and binds all of them in one turn of the event loop. Addresses from blocks are chosen in that turn, after
 * those from the grid: until then a block may stop serving.
 */
async function bindAll(deps: LeaseDeps, { wishes, obtained, work }: Binding): Promise<readonly Obtained[]> {
  const { store } = deps;
  for (const wish of wishes) {
    const owed = owedOf(deps, wish, work);
    if (owed !== undefined) obtained.set(wish.mark, owed);
  }
  const except = new Set<string>();
  for (;;) {
    const offers = await Promise.all(
      wishes.map((wish) =>
        obtained.has(wish.mark) ? undefined : offerOf(deps, { wish, isAlone: wishes.length === 1, except, work }),
      ),
    );
    // Addresses that wait for others are not bound yet: after a failover the grid may have given them to other containers.
    for (const { mark, address, network } of obtained.values()) {
      if (store.boundAt(network.view, address, mark) !== undefined) obtained.delete(mark);
    }
    const ofGrid = wishes.filter(({ mark }, index) => !obtained.has(mark) && offers[index] === undefined);
    // Other ADDs ran meanwhile: take each offer back, and see which can still be given.
    const stale = offers.flatMap((offer) => (offer === undefined || offer.takeBack() ? [] : [offer.address]));
    for (const address of stale) except.add(address);
    if (ofGrid.length > 0) await obtainAll(deps, { wishes, ofGrid, obtained, work });
    else if (stale.length === 0) {
      refuseIfLeft(work.signal);
      work.close();
      const all = wishes.flatMap(({ mark }, index) => obtained.get(mark) ?? offers[index] ?? []);
      for (const { mark, settle } of all) {
        if (store.apply(mark, settle)?.phase !== 'bound') throw deletedError();
      }
      for (const offer of offers) offer?.noteAssigned();
      return all;
    }
  }
}

/**
 * Gets addresses from the grid concurrently, except those that a block can give meanwhile.
 * @throws GridError of the first failure, when all have ended
 */
async function obtainAll(
  deps: LeaseDeps,
  { wishes, ofGrid, obtained, work }: Binding & { readonly ofGrid: readonly Wish[] },
): Promise<void> {
  const failures: unknown[] = [];
  const attempt = async (wish: Wish) => {
    try {
      const one = await obtain(deps, wish, work);
      if (one !== undefined) obtained.set(wish.mark, one);
    } catch (error) {
      failures.push(nameSet(error, wishes, wish));
    }
  };
  await Promise.all(ofGrid.map(attempt));
  if (failures.length === 0) return;
  // After a DEL, report the DEL: the aborted request only says that it got no answer.
  throw work.signal.reason instanceof GridError ? work.signal.reason : failures[0];
}

/** Adds to an error which of several sets got no address. */
function nameSet(error: unknown, wishes: readonly Wish[], wish: Wish): unknown {
  if (!(error instanceof GridError) || wishes.length === 1) return error;
  const { reason, message, hint, outcome } = error;
  const which = `set ${wishes.indexOf(wish) + 1} of ${wishes.length}, ${setText(wish.sources)}`;
  return new GridError(reason, `${which}: ${message}`, { hint, outcome, cause: error });
}

/** Returns the address of a lease that is bound to one of a block whose create is still owed. */
function owedOf(deps: LeaseDeps, wish: Wish, work: SharedWork): Obtained | undefined {
  const { store, blocks } = deps;
  const { mark, sources, requested } = wish;
  const known = store.get(mark);
  if (known?.phase !== 'bound' || known.owedSince === null || known.address === null) return undefined;
  const { address } = known;
  for (const spec of sources) {
    const network = blocks.networkOf(known, spec);
    if (network === undefined) continue;
    if (!fits(address, network, requested)) throw heldError(known, wish);
    return { mark, address, spec, network, settle: joinedBy(work), isDoubtful: false };
  }
  return undefined;
}

/** An address offered from a block. */
type Offered = Obtained & {
  /** Must be called. @returns whether the address can be given in this turn */
  readonly takeBack: () => boolean;
  readonly noteAssigned: () => void;
};

interface OfferWanted {
  readonly wish: Wish;
  /** Whether the attachment has only this lease: then no releasing lease of it is held up while the grid is asked for another. */
  readonly isAlone: boolean;
  /** Addresses to skip. */
  readonly except: ReadonlySet<string>;
  readonly work: SharedWork;
}

/**
 * Chooses an address from a block of this host for a lease that is not in the state. Never rejects.
 * @returns undefined if no block serves
 */
async function offerOf(
  { store, blocks, host, moment }: LeaseDeps,
  { wish, isAlone, except, work }: OfferWanted,
): Promise<Offered | undefined> {
  const { mark, sources, requested, asking } = wish;
  const known = store.get(mark);
  if (known !== undefined && !(isAlone && known.phase === 'releasing' && isUnsent(known))) return undefined;
  for (const spec of sources) {
    const offer = blocks.offer(spec, { mark, requested, except });
    if (offer === undefined) continue;
    const { address, network } = offer;
    const isOwn = await host.isOwnAddress(address);
    const settle = (lease: Lease | undefined) => {
      if (lease !== known) return lease;
      return bindOwed(
        known,
        { ...identityOf(wish), ...asking, family: familyOfSpec(spec), callers: work.callers, address },
        moment(),
      );
    };
    const takeBack = () => blocks.takeBack(offer, wish) && !isOwn;
    return {
      mark,
      address,
      spec,
      network,
      settle,
      isDoubtful: false,
      takeBack,
      noteAssigned: () => blocks.noteAssigned(offer, moment()),
    };
  }
  if (sources.some(({ blockSize }) => blockSize > 0)) blocks.tally.missed += 1;
  return undefined;
}

/** Refuses a request for other sets than those of which the attachment has addresses. @throws GridError `address-unavailable` */
function refuseOtherSets({ store }: LeaseDeps, { marks, request }: Omit<Giving, 'work'>): void {
  const bound = store.ofAttachment(marks[0]).filter(({ phase }) => phase === 'bound');
  const [first] = bound;
  if (first === undefined || !store.isWhole) return;
  // A lost address may have been given up since: the attachment gets another one of that set.
  const given = first.sets ?? bound.length;
  if (given !== marks.length || bound.some(({ mark }) => !marks.includes(mark))) throw otherSetsError(bound, request);
}
