/**
 * Gets one address from the grid for one lease of an ADD: look, `plan`, and its step, until the grid has a fitting reservation. add.ts then
 * binds it together with the attachment's other leases.
 */
import { type Backoff, pauseBefore } from '../concurrency/clock.ts';
import type { SharedWork } from '../concurrency/locks.ts';
import { GridError, hasReason } from '../errors.ts';
import { pauseBeforeLook } from '../grid.ts';
import { type Attachment, shortNetworkName } from '../mark.ts';
import { subjectOf } from '../network/exhaustion.ts';
import { fits, mayFit } from '../network/fit.ts';
import type { ReadyNetwork } from '../network/networks.ts';
import { type AddressSet, familyOfSpec } from '../network/sets.ts';
import type { NetworkSpec } from '../network/spec.ts';
import { Succession } from '../network/succession.ts';
import {
  collisionError,
  deletedError,
  heldError,
  leftError,
  misassignedError,
  refusal,
  unsettledError,
} from './address-errors.ts';
import { afterAnswer, refuseAnothers, refuseTaken, reserve } from './create.ts';
import type { LeaseDeps } from './deps.ts';
import { endLease } from './endings.ts';
import { adopt, execute, reconcileLocked, reportImpossible } from './execute.ts';
import {
  type Asking,
  answer,
  begin,
  bind,
  createInDoubt,
  endRest,
  followView,
  imported,
  type Lease,
  type LeaseIdentity,
} from './lease.ts';
import { seenByAdd } from './observe.ts';
import { type Found, type Look, plan } from './plan.ts';
import { nextRelease, releaseNow, releasingIn, warnOfRest } from './release.ts';
import { apply } from './store/lease-store.ts';

/** Maximum addresses that one ADD reserves for their owners. With more, the whole network may route to the host. */
const maxReassigned = 8;
/** Maximum creates repeated after a lost answer. */
const maxLosses = 4;
const lossPause: Backoff = { firstMs: 250, maxMs: 4_000 };
/**
 * Pause after another host took the same next address: concurrent clients may get the same one (NIOS 9.0 documentation, "Configuring the
 * Next Available Network or IP Address").
 */
const collisionPause: Backoff = { firstMs: 5, maxMs: 4_000 };

/** What an ADD requests for one of its leases. */
export interface Wish {
  readonly mark: string;
  readonly attachment: Attachment;
  readonly sources: AddressSet;
  /** The requested address; undefined: any. */
  readonly requested: string | undefined;
  /** When the caller stops waiting, as the clock's `now`. */
  readonly neededBy: number | undefined;
  readonly asking: Asking;
}

/** An address for the attachment. */
export interface Obtained {
  readonly mark: string;
  readonly address: string;
  readonly spec: NetworkSpec;
  readonly network: ReadyNetwork;
  /** Binds the lease, in the same turn as all leases of the attachment. */
  readonly settle: (lease: Lease | undefined) => Lease | undefined;
  /** Whether the grid may have further objects of the lease. */
  readonly isDoubtful: boolean;
}

/**
 * Gets an address for a lease. The caller holds its lock.
 * @returns undefined if a block of this host can now give an address: the lease is ended
 * @throws GridError; the lease is ended unless it was bound before
 */
export async function obtain(deps: LeaseDeps, wish: Wish, work: SharedWork): Promise<Obtained | undefined> {
  const { networks, blocks, exhaustion, store, names, observer, host, clock, moment } = deps;
  const { mark, attachment, requested, asking } = wish;
  const { signal } = work;
  const identity = identityOf(wish);
  const beginning = { ...identity, ...asking, family: familyOfSpec(wish.sources[0]), callers: work.callers };
  let look = store.get(mark) === undefined ? await lookAtNew(deps, wish, signal) : undefined;
  const known = store.get(mark);
  /** Whether the grid may have an object of the attachment that no caller was told. */
  let mayBeOnGrid = known !== undefined;
  /** Whether a create got no answer, or could not be confirmed. */
  let isDoubtful = false;
  /** Whether a look could not be confirmed, so that the grid may have more objects. */
  let isUnconfirmed = false;
  /** The object of the last create. */
  let made: Pick<Found, 'address' | 'view'> | undefined;
  let [losses, collisions, failures, reassigned] = [0, 0, 0, 0];
  let [isRequestChecked, isNetworkMadeAgain] = [false, false];
  /** Subjects of blocks of this host without a free address, or gone from the grid. */
  const full = new Set<string>();
  /** Marks of leases whose release was tried for this ADD. */
  const tried = new Set([mark]);

  /** Returns the lease. @throws GridError after a DEL */
  const current = (): Lease => {
    const lease = store.get(mark);
    if (lease === undefined || lease.phase === 'releasing') throw deletedError();
    return lease;
  };
  /** Waits after a lost or unconfirmed answer. @throws `why` after too many */
  const pauseAfterLoss = async (why: GridError): Promise<void> => {
    isDoubtful = true;
    if (losses >= maxLosses) throw why;
    await clock.sleep(pauseBefore(losses, lossPause, host.random), signal, why);
    losses += 1;
  };

  /**
   * Tells whether a block can now give an address, because this ADD ended a cool-down; never if the grid may have an object of the
   * attachment.
   */
  const canBeOfBlock = (): boolean => {
    if (mayBeOnGrid || isDoubtful || made !== undefined) return false;
    return wish.sources.some((one) => blocks.hasFor(one, { mark, requested }));
  };
  /** Ends the lease, so that a block gives the address. */
  const leave = (): undefined => {
    refuseIfLeft(signal);
    endLease(deps, identity, { cause: 'failed ADD', mayBeOnGrid: false, isDoubtful: false });
  };

  try {
    // Begin. Look at a bound lease before ensuring the network: a renamed view must not be created again. Record its callers before the
    // first wait, so that it is kept while one of several leaves.
    if (known?.phase === 'bound') {
      store.apply(mark, joinedBy(work));
      look = await lookAtHeld(deps, { held: known, wish }, signal);
    } else {
      if (known !== undefined && known.view !== identity.view) await leaveView(deps, known, signal);
      store.apply(mark, (lease) => begin(lease, beginning, moment()));
      await store.durable();
    }

    const address = known?.phase === 'bound' ? known.address : (requested ?? null);
    let succession = new Succession(deps, sourcesFor(wish, address));
    let target = await succession.next(signal);
    while (known?.phase === 'bound' && !fits(known.address ?? '', target.network, requested)) {
      if (!succession.pass(target)) throw heldError(known, wish);
      target = await succession.next(signal);
    }

    for (;;) {
      refuseIfLeft(signal);
      look ??= await observer.look(current(), signal);
      isUnconfirmed ||= look.unconfirmed !== undefined;
      const { spec, network, pool } = target;
      const seen = await seenByAdd(look, { host, origin: names.present, network, name: spec.name, requested, made });
      const lease = current();
      const step = plan(lease, seen, moment());
      switch (step.kind) {
        case 'adopt': {
          const { askedAt } = look;
          const { address } = step.object;
          const mayLeaveSurplus = step.surplus.length > 0 || isUnconfirmed || isDoubtful;
          const settle = (before: Lease | undefined) => {
            const now = { ...moment(), askedAt };
            const joined = before && answer(before, work.callers);
            return joined && bind(mayLeaveSurplus ? createInDoubt(joined, now) : joined, address, now);
          };
          return { mark, address, spec, network, settle, isDoubtful: mayLeaveSurplus };
        }

        case 'nothing':
        case 'look again': {
          const { address } = lease;
          if (lease.phase === 'bound' && address !== null && look.found.some((object) => object.address === address)) {
            return { mark, address, spec, network, settle: joinedBy(work), isDoubtful: false };
          }
          reportImpossible(deps, lease, step);
          // Whether a create was carried out is not confirmed: try again soon.
          await pauseAfterLoss(look.unconfirmed ?? unsettledError(mark));
          look = undefined;
          break;
        }

        case 'refuse':
          throw refusal(lease, step, attachment);

        case 'create': {
          if (requested !== undefined && !isRequestChecked) {
            isRequestChecked = true;
            const release = releasingIn(deps, network).find(
              ({ address, ...one }) => address === requested && one.mark !== mark,
            );
            if (release !== undefined) await releaseNow(deps, release.mark, signal);
            if (canBeOfBlock()) return leave();
            await refuseTaken(deps, { lease, look, network, requested }, signal);
          }
          const [{ source, reply }, isInPlace] = await Promise.all([
            reserve(deps, { wish, target, full }, signal),
            networks.isInPlace(spec, network, signal),
          ]);
          const block = 'nextOf' in source && source !== pool ? subjectOf(source) : undefined;
          if (!(reply instanceof GridError)) {
            made = reply;
            look = await afterAnswer(deps, { lease, look, network, source, made }, signal);
            if (requested === undefined) exhaustion.obtained(pool);
          } else if (reply.outcome !== 'none') {
            apply(store, mark, (before) => createInDoubt(before, moment()));
            await pauseAfterLoss(reply);
            look = undefined;
          } else if (!isInPlace) {
            // The network was replaced, so its refusal does not count.
          } else if (reply.reason === 'conflict' && requested === undefined) {
            const why = collisionError(network, reply);
            work.delay = why;
            await clock.sleep(pauseBefore(collisions, collisionPause, host.random), signal, why);
            collisions += 1;
            // The conflict may be with the object of an earlier create whose answer was lost.
            if (isDoubtful) look = undefined;
          } else if (reply.reason === 'conflict' && requested !== undefined) {
            await refuseAnothers(deps, { mark, network, requested }, signal);
            await pauseAfterLoss(reply);
            look = undefined;
          } else if (block !== undefined && hasReason(reply, 'no-free-address', 'missing')) full.add(block);
          else if (reply.reason === 'no-free-address') {
            if (succession.pass(target)) exhaustion.found(pool, reply);
            else {
              const next = nextRelease(deps, { mark, networks: succession.networks, tried });
              if (next === undefined) throw succession.noneFree(exhaustion.found(pool, reply));
              tried.add(next);
              warnOfRest(deps, next, network);
              await releaseNow(deps, next, signal);
              if (canBeOfBlock()) return leave();
              succession.restart();
              full.clear();
            }
            target = await succession.next(signal);
          } else if (reply.reason === 'missing' && !isNetworkMadeAgain) {
            isNetworkMadeAgain = true;
            networks.forget(spec);
            target = await succession.next(signal);
          } else throw reply;
          if (isInPlace) break;
          // The network is now in another place. An object in the old one does not fit, and is removed.
          target = await succession.next(signal);
          if (!(reply instanceof GridError)) look = undefined;
          break;
        }

        default:
          if (step.kind === 'reassign') reassigned += 1;
          if (reassigned > maxReassigned) throw misassignedError(network, maxReassigned);
          try {
            const outcome = await execute(deps, { lease, look, step }, signal);
            look = outcome.kind === 'go on' ? outcome.look : undefined;
            if (outcome.kind !== 'lost') break;
            if (outcome.why.reason === 'missing' && !isNetworkMadeAgain) {
              isNetworkMadeAgain = true;
              networks.forget(spec);
              target = await succession.next(signal);
              break;
            }
            // Another mark has the address: the attachment gets a different one.
            mayBeOnGrid = true;
            succession = new Succession(deps, sourcesFor(wish, requested ?? null));
            target = await succession.next(signal);
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
    // Releases objects that it may have on the grid. A bound lease ends only when its callers give it up.
    const reason = { mayBeOnGrid: mayBeOnGrid || isDoubtful || made !== undefined, isDoubtful };
    endLease(deps, identity, { cause: 'failed ADD', ...reason });
    // After a DEL, report the DEL: the aborted request only says that it got no answer.
    throw signal.reason instanceof GridError ? signal.reason : error;
  }
}

/** Returns the identity of the lease for a wish. */
export function identityOf({ mark, attachment, sources: [{ view }] }: Wish): LeaseIdentity {
  return { mark, network: shortNetworkName(attachment.network), view };
}

/** Makes a transition that records the callers of an ADD on a bound lease. */
export function joinedBy({ callers }: SharedWork) {
  return (lease: Lease | undefined) => lease && answer(lease, callers);
}

/** Returns the sources that an address may be from; all without an address. If none fits, the first source refuses the address. */
function sourcesFor({ sources }: Wish, address: string | null): readonly NetworkSpec[] {
  if (address === null) return sources;
  const fitting = sources.filter((spec) => mayFit(address, spec, undefined));
  return fitting.length > 0 ? fitting : sources.slice(0, 1);
}

/** Throws if all callers of the ADD have left, or after a DEL. @throws GridError */
export function refuseIfLeft(signal: AbortSignal): void {
  if (signal.aborted) throw signal.reason instanceof GridError ? signal.reason : leftError();
}

/**
 * Looks for objects of an attachment that is new to the state. If the state is whole, there are none, so the ADD needs only one request. If
 * the state was lost, an earlier ADD may have been answered with an existing reservation. It is imported first, so that a failure of this
 * ADD does not release it.
 */
async function lookAtNew(deps: LeaseDeps, wish: Wish, signal: AbortSignal): Promise<Look> {
  const { store, observer, moment } = deps;
  if (store.isWhole) return { found: [], askedAt: moment().now };
  const lease = { ...imported(identityOf(wish), ''), address: null, family: familyOfSpec(wish.sources[0]) };
  const look = await observer.look(lease, signal);
  // An earlier ADD may have been answered with it; a failure of this one would release it once a host accepts writes.
  if (look.unconfirmed !== undefined && look.found.length > 0) throw look.unconfirmed;
  const step = plan(undefined, look, moment());
  if (step.kind === 'adopt') adopt(deps, wish.mark, step.object);
  return look;
}

/**
 * Looks at the reservation of a bound lease. Follows a renamed view if the configuration names the new one.
 * @throws GridError if the reservation is elsewhere, or its address does not fit the ADD
 */
async function lookAtHeld(
  deps: LeaseDeps,
  { held, wish }: { readonly held: Lease; readonly wish: Wish },
  signal: AbortSignal,
): Promise<Look> {
  const { store, observer, moment } = deps;
  const { attachment, sources, requested } = wish;
  const [{ view: wanted }] = sources;
  const look = await observer.look(held, signal);
  const step = plan(held, look, moment());
  let lease: Lease = held;
  if (step.kind === 'refuse') {
    if (step.moved?.view !== wanted) throw refusal(held, step, attachment);
    lease = apply(store, held.mark, (current) => followView(current, wanted)) ?? held;
  }
  const { view, address } = lease;
  const isFit = address !== null && sources.some((spec) => mayFit(address, spec, requested));
  if (view !== wanted || !isFit) throw heldError(lease, wish);
  return look;
}

/** Completes the release of a lease in another view before the attachment gets an address in this one. @throws GridError */
async function leaveView(deps: LeaseDeps, known: Lease, signal: AbortSignal): Promise<void> {
  apply(deps.store, known.mark, (lease) => endRest(lease, deps.moment()));
  await reconcileLocked(deps, known.mark, signal);
  if (deps.store.get(known.mark) === undefined) return;
  throw new GridError('busy', `an earlier release in view ${known.view} is not completed yet`, {
    hint: 'try again in a minute',
  });
}
