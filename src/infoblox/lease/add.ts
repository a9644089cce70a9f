/**
 * ADD: gives an attachment its address. From top to bottom: who asks (`add`); what the state knows, the network, and then, as for every
 * lease, look, `plan`, and its step, until the lease is bound and the answer durable (`give`). Below stands what `give` asks on the way.
 */
import { describeReservation } from '../attributes.ts';
import { abortable, type Backoff, pauseBefore } from '../concurrency/clock.ts';
import type { SharedWork } from '../concurrency/single-flight.ts';
import { GridError } from '../errors.ts';
import { type AddressSource, pauseBeforeLook } from '../grid.ts';
import { type Attachment, isHostMark, shortNetworkName } from '../mark.ts';
import { fits, mayFit, misfit, refuseHopeless, refuseOutside } from '../network/fit.ts';
import type { ReadyNetwork } from '../network/networks.ts';
import { blockHostOf } from '../network/ranges.ts';
import { type NetworkSpec, specKey } from '../network/spec.ts';
import type { Workload } from '../workload.ts';
import {
  collisionError,
  deletedError,
  heldError,
  lateError,
  leftError,
  nonsenseError,
  ownAddressError,
  ownAddressesError,
  refusal,
  takenError,
  unsettledError,
} from './address-errors.ts';
import type { LeaseDeps } from './deps.ts';
import { doubtOf } from './doubt.ts';
import { endLease } from './endings.ts';
import { adopt, apply, execute, reconcileLocked, reportImpossible } from './execute.ts';
import {
  type Asking,
  answer,
  askAgain,
  begin,
  bind,
  bindOwed,
  createInDoubt,
  endRest,
  followView,
  imported,
  isUnsent,
  type Lease,
  type LeaseIdentity,
} from './lease.ts';
import { seenByAdd } from './observe.ts';
import { type Found, type Look, plan } from './plan.ts';
import { nextRelease, noteUndelivered, releaseNow, releasingIn, warnOfRest } from './release.ts';

/** Addresses of the host that one ADD reserves for it. With more, the whole network routes to the host itself, say. */
const maxOwnAddresses = 8;
/** Creates that are sent again after an answer was lost. */
const maxLosses = 4;
const lossPause: Backoff = { firstMs: 250, maxMs: 4_000 };
/**
 * After another host took the same next address: two clients that ask at once may get the same one (NIOS 9.0 documentation,
 * "Configuring the Next Available Network or IP Address").
 */
const collisionPause: Backoff = { firstMs: 5, maxMs: 4_000 };

/** What one ADD wants, as its caller says. */
export interface AddRequest {
  readonly attachment: Attachment;
  readonly spec: NetworkSpec;
  /** This address and no other. */
  readonly requested?: string | undefined;
  readonly workload: Workload;
  /** Path of the container's network namespace. */
  readonly netns: string;
  /** Names this call, so that its caller can say later that it got no answer. */
  readonly callId: string;
}

export interface Taken {
  readonly address: string;
  readonly network: ReadyNetwork;
}

export interface Allocation extends Taken {
  /** The caller has the answer. */
  delivered(): void;
  /** The caller went away without the answer: if no other caller of the attachment has it, the address is released. */
  undelivered(): Promise<void>;
}

/**
 * Gives the attachment its address; the same one if it has one already. Callers that ask for the same at once share the
 * work; when the last of them has left, what it took is released.
 * @param signal fires when the caller is gone or out of time
 * @throws GridError
 */
export async function add(deps: LeaseDeps, request: AddRequest, signal: AbortSignal): Promise<Allocation> {
  const { adds, answers, locks, names } = deps;
  const { attachment, spec, requested, netns, callId: caller } = request;
  refuseHopeless(requested, spec);
  const mark = names.markToGive(attachment);
  // Another sandbox is another start of the container: the lease has to know the one that lives.
  const variant = JSON.stringify([specKey(spec), requested, netns]);
  const share = adds.join(mark, { variant, caller }, (work) =>
    locks.run(mark, () => give(deps, { mark, request, work })),
  );
  const undelivered = () => noteUndelivered(deps, mark, caller);
  try {
    const taken = await abortable(share.result, signal, () => share.work.delay ?? lateError(deps, signal));
    deps.noteAdd({ spec, network: taken.network, isOwed: deps.store.get(mark)?.owedSince != null });
    return { ...taken, delivered: () => answers.delivered(mark, caller), undelivered };
  } catch (error) {
    share.leave();
    // The work may end well all the same.
    share.result.then(undelivered, undelivered);
    throw error;
  }
}

interface Giving {
  readonly mark: string;
  readonly request: AddRequest;
  readonly work: SharedWork;
}

/** One ADD, from the first write to the state to the answer, for all who share it. The lock is the caller's. */
async function give(deps: LeaseDeps, { mark, request, work }: Giving): Promise<Taken> {
  const { grid, networks, exhaustion, store, names, observer, host, answers, clock, moment } = deps;
  const { attachment, spec, requested, workload } = request;
  const { signal } = work;
  refuseIfLeft(signal);
  const sandbox = host.identify(request.netns);
  const identity: LeaseIdentity = { mark, network: shortNetworkName(attachment.network), view: spec.view };
  const asking: Asking = { sandbox, workload, cooldownMs: spec.cooldownMs };
  const beginning = { ...identity, ...asking, callers: work.callers };
  const fromBlock = await giveOfBlock(deps, { mark, request, work }, beginning);
  if (fromBlock !== undefined) return answered(deps, { mark, asking }, fromBlock);
  let look = store.get(mark) === undefined ? await lookAtNew(deps, identity, signal) : undefined;
  const known = store.get(mark);
  /** Whether the grid may hold something of the attachment that nobody was told. */
  let mayBeOnGrid = known !== undefined;
  /** Whether a create got no answer, or no host could tell whether one was carried out. */
  let isDoubtful = false;
  /** Whether a look could not be confirmed, so that the grid may hold more than was seen. */
  let isUnconfirmed = false;
  /** What the last create has made. */
  let made: Pick<Found, 'address' | 'view'> | undefined;
  let [losses, collisions, failures, ownAddresses] = [0, 0, 0, 0];
  let [isRequestChecked, isNetworkMadeAgain] = [false, false];
  /** Addresses that belong to somebody else, who has them again: the grid must not answer with one a second time. */
  const reassigned = new Set<string>();
  /** Marks of leases whose release has been tried for this ADD. */
  const tried = new Set([mark]);

  /** The lease, unless a DEL has come. */
  const current = (): Lease => {
    const lease = store.get(mark);
    if (lease === undefined || lease.phase === 'releasing') throw deletedError();
    return lease;
  };
  /** Waits a moment after an answer was lost, or one that nobody could confirm. @throws `why` when it was enough */
  const pauseAfterLoss = async (why: GridError): Promise<void> => {
    isDoubtful = true;
    if (losses >= maxLosses) throw why;
    await clock.sleep(pauseBefore(losses, lossPause, host.random), signal, why);
    losses += 1;
  };

  try {
    // Begin. What the attachment has been told is looked at before the network is made sure of: a view that was renamed must not be
    // made again. Before the first wait its callers are written down: it must not be released because one leaves who is not the last.
    if (known?.phase === 'bound') {
      apply(store, mark, (lease) => answer(lease, work.callers, answers.told(mark)));
      look = await lookAtHeld(deps, { held: known, request }, signal);
    } else {
      if (known !== undefined && known.view !== spec.view) await leaveView(deps, known, signal);
      store.apply(mark, (lease) => begin(lease, beginning, moment()));
      await store.durable();
    }

    let network = await networks.ensure(spec, signal);
    if (known?.phase === 'bound' && !fits(known.address ?? '', network, requested)) throw heldError(known, request);

    for (;;) {
      refuseIfLeft(signal);
      look ??= await observer.look(current(), signal);
      isUnconfirmed ||= look.unconfirmed !== undefined;
      const seen = await seenByAdd(look, { host, origin: names.present, network, name: spec.name, requested, made });
      const lease = current();
      const step = plan(lease, seen, moment());
      switch (step.kind) {
        case 'adopt': {
          work.close();
          const now = { ...moment(), askedAt: look.askedAt };
          const mayLeaveSurplus = step.surplus.length > 0 || isUnconfirmed || isDoubtful;
          const bound = apply(store, mark, (before) => {
            const joined = answer(before, work.callers);
            return bind(mayLeaveSurplus ? createInDoubt(joined, now) : joined, step.object.address, now);
          });
          if (bound?.phase !== 'bound') throw deletedError();
          return await answered(deps, { mark, asking }, { address: step.object.address, network });
        }

        case 'nothing':
        case 'look again': {
          const { address } = lease;
          if (lease.phase === 'bound' && address !== null && look.found.some((object) => object.address === address)) {
            work.close();
            apply(store, mark, (before) => answer(before, work.callers, answers.told(mark)));
            return await answered(deps, { mark, asking }, { address, network });
          }
          reportImpossible(deps, lease, step);
          // No host could say whether a create was carried out: a moment later one may.
          await pauseAfterLoss(look.unconfirmed ?? unsettledError(mark));
          look = undefined;
          break;
        }

        case 'refuse':
          throw refusal(lease, step, attachment);

        case 'create': {
          if (requested !== undefined && !isRequestChecked) {
            isRequestChecked = true;
            await refuseTaken(deps, { lease, look, network, requested }, signal);
          }
          const { view, cidr } = network;
          const source: AddressSource = requested === undefined ? { view, nextOf: cidr } : { view, address: requested };
          const description = { comment: mark, ...describeReservation(attachment.network, workload) };
          const [reply, isInPlace] = await Promise.all([
            grid.reserve({ source, ...description }, signal).catch(asGridError),
            networks.isInPlace(spec, network, signal),
          ]);
          if (!(reply instanceof GridError)) {
            made = reply;
            const isSecond = reassigned.has(reply.address);
            look = await afterAnswer(deps, { lease, look, network, source, made, isSecond }, signal);
          } else if (reply.outcome !== 'none') {
            apply(store, mark, (before) => createInDoubt(before, moment()));
            await pauseAfterLoss(reply);
            look = undefined;
          } else if (!isInPlace) {
            // What a network refuses that is not the one that was meant says nothing.
          } else if (reply.reason === 'conflict' && requested === undefined) {
            const why = collisionError(network, reply);
            work.delay = why;
            await clock.sleep(pauseBefore(collisions, collisionPause, host.random), signal, why);
            collisions += 1;
            // The conflict may be with what an earlier create, whose answer was lost, has made since.
            if (isDoubtful) look = undefined;
          } else if (reply.reason === 'conflict' && requested !== undefined) {
            await refuseAnothers(deps, { mark, network, requested }, signal);
            await pauseAfterLoss(reply);
            look = undefined;
          } else if (reply.reason === 'no-free-address') {
            const next = nextRelease(deps, network, tried);
            if (next === undefined) throw exhaustion.found(network, reply);
            tried.add(next);
            warnOfRest(deps, next, network);
            await releaseNow(deps, next, signal);
          } else if (reply.reason === 'missing' && !isNetworkMadeAgain) {
            isNetworkMadeAgain = true;
            networks.forget(spec);
            network = await networks.ensure(spec, signal);
          } else throw reply;
          if (isInPlace) break;
          // Another network was seen in its place. What was made there does not fit, and is removed.
          network = await networks.ensure(spec, signal);
          if (!(reply instanceof GridError)) look = undefined;
          break;
        }

        default:
          if (step.kind === 'reassign' && isHostMark(step.object.owner)) ownAddresses += 1;
          if (ownAddresses > maxOwnAddresses) throw ownAddressesError(network, maxOwnAddresses);
          try {
            const outcome = await execute(deps, { lease, look, step }, signal);
            look = outcome.kind === 'go on' ? outcome.look : undefined;
            if (outcome.kind === 'go on' && outcome.reassigned !== undefined) reassigned.add(outcome.reassigned);
            if (outcome.kind !== 'lost') break;
            if (outcome.why.reason === 'missing' && !isNetworkMadeAgain) {
              isNetworkMadeAgain = true;
              networks.forget(spec);
              network = await networks.ensure(spec, signal);
              break;
            }
            // Somebody else has it: the attachment gets another one.
            mayBeOnGrid = true;
            store.apply(mark, (before) => (before?.phase === 'bound' ? begin(before, beginning, moment()) : before));
            await store.durable();
          } catch (error) {
            look = undefined;
            if (step.kind === 'recreate' && error instanceof GridError && error.outcome !== 'none') {
              await pauseAfterLoss(error);
            } else failures = await pauseBeforeLook(error, { clock, random: host.random, failures }, signal);
          }
      }
    }
  } catch (error) {
    // What it may have on the grid is released; one that is bound is its callers' to give up.
    const reason = { mayBeOnGrid: mayBeOnGrid || isDoubtful || made !== undefined, isDoubtful };
    endLease(deps, identity, { cause: 'failed ADD', ...reason });
    // A request that was cut short by a DEL says that it got no answer.
    throw signal.reason instanceof GridError ? signal.reason : error;
  }
}

/**
 * Gives an attachment of which a whole state knows nothing an address of a block of this host, or again that of which the create is
 * owed: without the grid.
 * @returns undefined if no block serves
 */
async function giveOfBlock(
  { store, blocks, host, moment, answers }: LeaseDeps,
  { mark, request, work }: Giving,
  beginning: Parameters<typeof begin>[1],
): Promise<Taken | undefined> {
  const { spec, requested } = request;
  const known = store.get(mark);
  if (known?.phase === 'bound' && known.owedSince !== null) {
    const network = blocks.networkOf(known, spec);
    if (known.address === null || network === undefined) return undefined;
    if (!fits(known.address, network, requested)) throw heldError(known, request);
    work.close();
    apply(store, mark, (lease) => answer(lease, work.callers, answers.told(mark)));
    return { address: known.address, network };
  }
  if (known !== undefined && !(known.phase === 'releasing' && isUnsent(known))) return undefined;
  const wish = { mark, requested, except: new Set<string>() };
  for (;;) {
    const offer = blocks.offer(spec, wish);
    if (offer === undefined) {
      if (spec.blockSize > 0) blocks.tally.missed += 1;
      return undefined;
    }
    const isOwn = await host.isOwnAddress(offer.address);
    // Others had their turn meanwhile.
    if (!blocks.takeBack(offer, wish) || isOwn) {
      wish.except.add(offer.address);
      continue;
    }
    refuseIfLeft(work.signal);
    if (store.get(mark) !== known) throw deletedError();
    work.close();
    const { address, network } = offer;
    store.apply(mark, () => bindOwed(known, { ...beginning, callers: work.callers, address }, moment()));
    blocks.noteGiven(offer, moment());
    return { address, network };
  }
}

/** What an ADD is answered with is durable, and no DEL has come meanwhile. */
async function answered(
  { store, answers }: LeaseDeps,
  { mark, asking }: { readonly mark: string; readonly asking: Asking },
  taken: Taken,
): Promise<Taken> {
  apply(store, mark, (lease) => askAgain(lease, asking));
  await store.durable();
  if (store.get(mark)?.phase !== 'bound') throw deletedError();
  answers.answering(mark);
  return taken;
}

/**
 * Looks for an attachment that is new to the state. Of one that is new to a state that is whole, the grid can hold nothing: one request is
 * enough for its ADD. In a state that has lost its past an earlier ADD may have been answered with what the grid has, so that a
 * failure of this one must not release it: it is imported, before anything is written.
 */
async function lookAtNew(deps: LeaseDeps, identity: LeaseIdentity, signal: AbortSignal): Promise<Look> {
  const { store, observer, moment } = deps;
  if (store.isWhole) return { found: [], askedAt: moment().now };
  const look = await observer.look({ ...imported(identity, ''), address: null }, signal);
  const step = plan(undefined, look, moment());
  if (step.kind === 'adopt') adopt(deps, identity.mark, step.object);
  return look;
}

/**
 * Looks at what an attachment has been told. A reservation that has moved with a renamed view to where the configuration names it is
 * followed.
 * @throws GridError if it is elsewhere, or no address that the ADD may be answered with
 */
async function lookAtHeld(
  deps: LeaseDeps,
  { held, request }: { readonly held: Lease; readonly request: AddRequest },
  signal: AbortSignal,
): Promise<Look> {
  const { store, observer, moment } = deps;
  const { attachment, spec, requested } = request;
  const look = await observer.look(held, signal);
  const step = plan(held, look, moment());
  let lease: Lease = held;
  if (step.kind === 'refuse') {
    if (step.moved?.view !== spec.view) throw refusal(held, step, attachment);
    lease = apply(store, held.mark, (current) => followView(current, spec.view)) ?? held;
  }
  const { view, address } = lease;
  if (address === null || view !== spec.view || !mayFit(address, spec, requested)) throw heldError(lease, request);
  return look;
}

/** Carries out what is left to release in another view than the one in which the attachment is given an address. @throws GridError */
async function leaveView(deps: LeaseDeps, known: Lease, signal: AbortSignal): Promise<void> {
  apply(deps.store, known.mark, (lease) => endRest(lease, deps.moment()));
  await reconcileLocked(deps, known.mark, signal);
  if (deps.store.get(known.mark) === undefined) return;
  throw new GridError('busy', `an earlier release in view ${known.view} is not settled yet`, {
    hint: 'try again in a minute',
  });
}

interface Creation {
  readonly lease: Lease;
  readonly look: Look;
  readonly network: ReadyNetwork;
  readonly source: AddressSource;
  /** What the grid says that it has made. */
  readonly made: Pick<Found, 'address' | 'view'>;
  /** Whether it belongs to somebody else, who had lost it and has it again. */
  readonly isSecond: boolean;
}

/**
 * Compares the grid's answer to a create with what was asked for. What does not fit is looked for later, wherever it is, and released.
 * @returns what the grid shows then
 * @throws GridError `bad-answer` if it makes no sense
 */
async function afterAnswer(deps: LeaseDeps, creation: Creation, signal: AbortSignal): Promise<Look> {
  const { store, observer, exhaustion, host, moment } = deps;
  const { lease, look, network, source, made, isSecond } = creation;
  const { mark } = lease;
  const nonsense = (wrong: string) => {
    apply(store, mark, (current) => createInDoubt(current, moment()));
    return nonsenseError(made.address, wrong);
  };
  const wrong = isSecond ? 'for the second time' : misfit(made, source);
  if (wrong !== undefined) throw nonsense(wrong);
  if ('nextOf' in source) exhaustion.obtained(network);
  // What only an unconfirmed look has shown does not count.
  const before = look.unconfirmed === undefined ? look.found : [];
  const isKept = made.address === network.kept || store.boundAt(network.view, made.address, mark) !== undefined;
  if (!isKept && !(await host.isOwnAddress(made.address))) return { askedAt: look.askedAt, found: [...before, made] };
  // Only what is there is made another's, whatever the answer was.
  const there = await observer.look(store.get(mark) ?? lease, signal);
  if (there.found.some(({ address }) => address === made.address)) return there;
  throw nonsense('and does not have it');
}

interface Requested {
  readonly lease: Lease;
  readonly look: Look;
  readonly network: ReadyNetwork;
  readonly requested: string;
}

/**
 * Makes sure that the requested address is free; also of objects that a fixed address would not exclude, and after a release of it that
 * this host still has under way.
 * @throws GridError `address-unavailable`, or `busy` if it may be free in a minute
 */
async function refuseTaken(deps: LeaseDeps, wanted: Requested, signal: AbortSignal): Promise<void> {
  const { grid, store, host, moment } = deps;
  const { lease, look, network, requested } = wanted;
  refuseOutside(requested, network);
  if (await host.isOwnAddress(requested)) throw ownAddressError(requested, network);
  const isThere = look.found.some(({ address }) => address === requested);
  if (isThere && doubtOf(lease, { ...moment(), askedAt: look.askedAt }).delete !== null) {
    throw new GridError('busy', `an earlier release of ${requested} may still be carried out`, {
      hint: 'try again in a minute',
    });
  }
  const owner = store.boundAt(network.view, requested, lease.mark);
  if (owner !== undefined) throw takenError(requested, network, owner.mark);
  const release = releasingIn(deps, network).find(({ mark, address }) => address === requested && mark !== lease.mark);
  if (release !== undefined) await releaseNow(deps, release.mark, signal);
  const [isUsed] = await Promise.all([
    grid.isUsed(requested, network.view, signal),
    refuseInBlock(grid, { address: requested, network }, signal),
  ]);
  if (isUsed) await refuseAnothers(deps, { mark: lease.mark, network, requested }, signal);
}

/**
 * An address inside a block is the host's that has the block: it may give it to a container at this moment.
 * @throws GridError `address-unavailable` naming the host
 */
async function refuseInBlock(
  grid: LeaseDeps['grid'],
  { address, network }: { readonly address: string; readonly network: ReadyNetwork },
  signal: AbortSignal,
): Promise<void> {
  const host = await blockHostOf(grid, { address, network: network.cidr, view: network.view }, signal);
  if (host === undefined) return;
  throw new GridError('address-unavailable', `the requested address ${address} lies in a block of host ${host}`, {
    hint: 'request another address, or none to get the next free one',
  });
}

/** @throws GridError `address-unavailable` unless it is this attachment's: a create whose answer was lost has been carried out since */
async function refuseAnothers(
  { grid }: LeaseDeps,
  { mark, network, requested }: Pick<Requested, 'network' | 'requested'> & Pick<Lease, 'mark'>,
  signal: AbortSignal,
): Promise<void> {
  const [holder] = await grid.at(requested, network.view, signal);
  if (holder?.comment !== mark) throw takenError(requested, network, holder?.comment ?? '');
}

/** @throws GridError if nobody waits for the ADD any more, or a DEL has come */
function refuseIfLeft(signal: AbortSignal): void {
  if (signal.aborted) throw signal.reason instanceof GridError ? signal.reason : leftError();
}

/** @throws `error` if it is none of the grid's */
function asGridError(error: unknown): GridError {
  if (error instanceof GridError) return error;
  throw error;
}
