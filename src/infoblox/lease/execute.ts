/**
 * Carries out what `plan` says, for everybody who works on a lease: ADD, the reconciler, GC and `gc --host`. Each write has its doubt:
 * noted durably before the write is sent, taken back only when its answer is here, counted anew when the answer is lost, for the write
 * may have waited to be sent. A write to an object takes what a look has shown; if it fails, the caller looks again. Callers hold
 * the lock of the lease, but those of `reconcile`.
 */
import { type Attributes, describeReservation, ofNetwork } from '../attributes.ts';
import { GridError, hasReason, isRefused } from '../errors.ts';
import { pauseBeforeLook } from '../grid.ts';
import { attachmentIn, beginsAs, isAttachmentMark, isHostMark, networkOf, whoOf } from '../mark.ts';
import { gatewayName } from '../network/networks.ts';
import { workloadOfLease } from '../workload.ts';
import { movedError, unsettledError } from './address-errors.ts';
import { refusedError } from './block/visit.ts';
import type { LeaseDeps } from './deps.ts';
import { type Moment, wallTimeOf } from './doubt.ts';
import { endLease } from './endings.ts';
import {
  awaitPerson,
  createInDoubt,
  createRefused,
  deleteAnswered,
  deleteInDoubt,
  emptied,
  forgetReleased,
  imported,
  isUnsent,
  keepDoubt,
  type Lease,
  recheck,
  reserved,
  settle,
  shownPhase,
} from './lease.ts';
import { noteAltered, noteFound, noteLost, noteReleased } from './lease-conditions.ts';
import { type Another, type Found, isSame, type Look, plan, type Step } from './plan.ts';
import type { LeaseStore } from './store/lease-store.ts';

/**
 * Looks and steps for one lease at most; a grid that answers sensibly needs four, and two more for each object, for each write to one
 * that fails and for each attribute that it does not define.
 */
const maxSteps = 50;
/** Milliseconds for one attempt in the background: a look and a delete may each take the 15 s that the session waits for an answer. */
export const attemptTimeoutMs = 35_000;

/** A lease, and what the grid has shown of it. */
interface Situation {
  readonly lease: Lease;
  readonly look: Look;
}

/** What a step has led to. */
export type Outcome =
  /** There is more to do. `look`: what the grid shows then; it has to be looked at if that is undefined. */
  | { readonly kind: 'go on'; readonly look: Look | undefined; readonly reassigned?: string }
  /** There is nothing more to do now. */
  | { readonly kind: 'done' }
  /** The grid does not take the address of a bound lease again. */
  | { readonly kind: 'lost'; readonly why: GridError };

/**
 * Brings one lease and the grid together: look, ask `plan`, carry out its step, until there is nothing more to do now. The same from
 * whatever state, for the first time and for the repair. Takes the lock of the lease.
 * @returns the addresses whose reservations it has removed
 * @throws GridError if the grid or the state could not do its part; the lease is due still
 */
export function reconcile(deps: LeaseDeps, mark: string, signal: AbortSignal): Promise<readonly string[]> {
  return deps.locks.run(mark, () => reconcileLocked(deps, mark, signal));
}

/** As `reconcile`, for a caller that holds the lock. */
export async function reconcileLocked(deps: LeaseDeps, mark: string, signal: AbortSignal): Promise<readonly string[]> {
  const { store, observer, host, moment, clock } = deps;
  const removed: string[] = [];
  let look: Look | undefined;
  let failures = 0;
  for (let steps = 0; steps < maxSteps; steps += 1) {
    // Each time anew: a DEL may have come during a request.
    const lease = store.get(mark);
    if (lease === undefined || shownPhase(lease, clock.now()) === 'resting') return removed;
    if (lease.phase === 'pending') {
      // The lock is here, so no ADD is under way: it died, or could not write its end.
      endLease(deps, lease, { cause: 'dead ADD' });
      continue;
    }
    if (look === undefined || (look.unsent && !isUnsent(lease))) {
      look = isUnsent(lease) ? { found: [], askedAt: moment().now, unsent: true } : await observer.look(lease, signal);
      continue;
    }
    const step = plan(lease, look, moment());
    try {
      const outcome = await execute(deps, { lease, look, step }, signal);
      if (step.kind === 'remove') removed.push(step.object.address);
      if (outcome.kind === 'lost') {
        const seen = momentOf(deps, look);
        noteLost(deps, lease, outcome.why);
        apply(store, mark, (current) => awaitPerson(current, seen));
      }
      if (outcome.kind !== 'go on') return removed;
      look = outcome.look;
    } catch (error) {
      failures = await pauseBeforeLook(error, { clock, random: host.random, failures }, signal);
      look = undefined;
    }
  }
  throw unsettledError(mark);
}

/**
 * Carries out one step but those that give an address, which are an ADD's.
 * @throws GridError with `mayLookAgain` if another look helps; else the write is refused, or in doubt
 */
export async function execute(
  deps: LeaseDeps,
  { lease, look, step }: Situation & { readonly step: Step },
  signal: AbortSignal,
): Promise<Outcome> {
  const { store, moment, log } = deps;
  const { mark, address } = lease;
  const end = (transition: (lease: Lease, moment: Moment) => Lease): Outcome => {
    apply(store, mark, (current) => transition(current, momentOf(deps, look)));
    return { kind: 'done' };
  };
  switch (step.kind) {
    case 'remove':
      return { kind: 'go on', look: await remove(deps, { lease, look, object: step.object }, signal) };
    case 'reassign':
      return { kind: 'go on', ...(await reassign(deps, { lease, look, object: step.object }, signal)) };
    case 'recreate':
      return recreate(deps, { lease, look }, signal);
    case 'forget':
      forget(deps, lease);
      return { kind: 'done' };
    case 'look again':
      reportImpossible(deps, lease, step);
      log.debug('look again', { attachment: mark, at: new Date(wallTimeOf(step.at, moment())).toISOString() });
      return end((current) => recheck(current, step.at));
    case 'nothing':
      noteFound(deps, mark);
      return end(settle);
    case 'refuse':
      if (step.altered !== undefined) {
        noteAltered(deps, lease, step.altered);
        return end(awaitPerson);
      }
      log.error('the reservation of a live attachment was moved or altered on the grid: it is left alone', {
        attachment: mark,
        address,
        view: step.moved?.view,
        hint: 'undo the change, or delete the container',
      });
      return end(keepDoubt);
    case 'create':
    case 'adopt':
      throw new Error(`${step.kind} for the ${lease.phase} lease of ${mark}`);
  }
}

/** Says that the grid shows what cannot be, an error of this program, if it does. */
export function reportImpossible({ log }: Pick<LeaseDeps, 'log'>, { mark, address }: Lease, step: Step): void {
  if (step.kind !== 'look again' || step.impossible === undefined) return;
  log.error('the grid shows what cannot be', { attachment: mark, address, because: step.impossible });
}

/** Removes what nobody needs, and forgets the lease if that was the last of it. @returns what the grid shows then */
async function remove(
  deps: LeaseDeps,
  { lease, look, object }: Situation & { readonly object: Found },
  signal: AbortSignal,
): Promise<Look | undefined> {
  const { grid, store, moment, exhaustion, log } = deps;
  const { mark, view, phase } = lease;
  await takeAway(deps, { lease, object }, (seen) => grid.remove(seen, signal));
  const left = without(look, object);
  // In one write with the end of the doubt.
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

/** Forgets a lease of which a look has shown nothing. */
function forget(deps: LeaseDeps, lease: Lease): void {
  const { store, exhaustion, log } = deps;
  const { mark, address, view, owedSince } = lease;
  noteReleased(deps, lease);
  apply(store, mark, forgetReleased);
  exhaustion.released(view);
  // The grid may never have had what it was owed.
  if (address === null || owedSince !== null) return void log.debug('nothing to release', { attachment: mark, view });
  log.info('nothing to release: the reservation was removed or changed in the grid', {
    attachment: mark,
    view,
    address,
  });
}

/** Reserves the address of a lease that the grid has lost, or of which no look can tell. */
async function recreate(deps: LeaseDeps, { lease, look }: Situation, signal: AbortSignal): Promise<Outcome> {
  const { grid, store, moment } = deps;
  const { mark, view, address, phase } = lease;
  if (address === null) throw new Error(`nothing to reserve for ${mark}`);
  // Noted first: a create that comes late must not outlive a DEL that comes meanwhile.
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
    // It is there, perhaps since the look, or somebody else's: the host that says so accepts writes, and can be asked what it is.
    if (error.reason === 'conflict') {
      const [holder] = await grid.at(address, view, signal);
      const isItsOwn = holder?.isReserved === true && holder.comment === mark;
      if (isItsOwn || look.unconfirmed !== undefined) return { kind: 'go on', look: undefined };
    }
    if (phase === 'releasing') throw error;
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
  // What is to be removed has to be looked at.
  if (store.get(mark)?.phase !== 'bound') return { kind: 'go on', look: undefined };
  return { kind: 'go on', look: { found: [{ address, view, fresh: true }], askedAt: look.askedAt } };
}

/**
 * An owed create was refused. Where something has the address, what it is decides: what carries a mark of this host has its own lease, or
 * is released, and the create is sent again then.
 * @throws GridError if it may be carried out later
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
 * Gives an object the mark of the attachment, of the gateway, or of the host that its address belongs to. In place: between a delete
 * and a create another host could take the address. With the lock of the owner: a release under way leaves nothing to give. Only a
 * pending lease waits for it, as `mayWaitForOthers` says. The owner may be pending by then, and wait for a lease that is being released, but for no pending one.
 * @returns a look with the object as nobody else's if its owner has no need of it: it released the address, or has it in another view
 * @throws GridError `busy` if the owner is being worked on and is not waited for; `network-conflict` for a pending lease, if
 * the view of the owner was renamed
 */
async function reassign(
  deps: LeaseDeps,
  { lease, look, object }: Situation & { readonly object: Another },
  signal: AbortSignal,
): Promise<{ readonly look: Look | undefined; readonly reassigned?: string }> {
  const { locks, store, moment, observer } = deps;
  const { owner, address } = object;
  if (!isAttachmentMark(owner)) {
    const { network } = attachmentIn(lease.mark);
    const name = isHostMark(owner) ? 'host' : gatewayName;
    await relabel(deps, { lease, object, name, attributes: ofNetwork(network) }, signal);
    return { reassigned: address, look: without(look, object) };
  }
  if (locks.busy(owner) && (lease.phase !== 'pending' || !mayWaitForOthers(deps, lease.mark))) {
    throw new GridError('busy', `${address} belongs to ${owner}, whose lease is being worked on`);
  }
  return locks.run(owner, async () => {
    const newOwner = store.get(owner);
    if (newOwner?.phase !== 'bound' || newOwner.address !== address) return { look: asNobodys(look, object) };
    const attachment = attachmentIn(owner);
    const step = plan(newOwner, await observer.look(newOwner, signal), moment());
    const moved = step.kind === 'refuse' ? step.moved : undefined;
    if (moved !== undefined && lease.phase === 'pending') throw movedError(whoOf(attachment), newOwner, moved);
    // Waiting for the owner, and asking for what it has, took its time.
    const again = await observer.look(lease, signal);
    if (moved !== undefined) return { look: asNobodys(again, object) };
    const seen = again.found.find((one) => isSame(one, object));
    if (seen === undefined) return { look: again };
    apply(store, owner, (current) => createInDoubt(current, moment()));
    const description = describeReservation(attachment.network, workloadOfLease(newOwner));
    await relabel(deps, { lease, object: { ...seen, owner }, ...description }, signal);
    return { reassigned: address, look: without(again, object) };
  });
}

/**
 * Tells whether an ADD may wait for the lock of another attachment's lease while it has the locks of its own: only while none of those
 * is bound. Others wait for leases that are bound, or releasing, which none of an ADD under way is: so nobody waits for this one.
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
    // It has become, or will become, the owner's.
    if (isOpen(error)) apply(store, owner, (current) => createInDoubt(current, moment()));
    throw error;
  }
  apply(store, lease.mark, (current) => deleteAnswered(current, lease));
  if (!isHostMark(owner)) return warnOfLoss(deps, owner, address);
  log.warn('the grid gave out an address of this host: reserved it for the host', {
    address,
    hint: 'tell the grid which addresses hosts have; delete the reservation when the host has no need of it any more',
  });
}

/**
 * Sends a write that takes an object from a lease. Whoever calls writes down that it is not in doubt any more (`deleteAnswered`),
 * with whatever comes next.
 * @throws GridError; unless its outcome is `open` nothing is in doubt. `state` if the doubt cannot be marked: then nothing is sent
 */
async function takeAway(
  { store, moment }: LeaseDeps,
  { lease, object }: { readonly lease: Lease; readonly object: Found },
  send: (seen: { readonly seen: NonNullable<Found['seen']> }) => Promise<void>,
): Promise<void> {
  const { mark } = lease;
  const { seen, address } = object;
  if (seen === undefined) {
    throw new GridError('busy', `${address} has not been looked at since it was made`, { mayLookAgain: true });
  }
  apply(store, mark, (current) => deleteInDoubt(current, moment()));
  await store.durable();
  try {
    await send({ seen });
  } catch (error) {
    const isLost = isOpen(error);
    apply(store, mark, (current) => (isLost ? deleteInDoubt(current, moment()) : deleteAnswered(current, lease)));
    throw error;
  }
}

/** Says, and counts, that a reservation was missing on the grid and is there again. */
function warnOfLoss({ log, tally }: LeaseDeps, mark: string, address: string): void {
  tally.recreated += 1;
  const hint =
    'nothing while its container lives; if it was deleted because that is gone, send a DEL for the container';
  const fields = isAttachmentMark(mark) ? { attachment: mark, address, hint } : { attachment: mark, address };
  log.warn('re-created a reservation that the grid had lost', fields);
}

/** A look less what has just been taken away. Undefined if more is left: what is to be written to needs a look of its own. */
export function without(look: Look, object: Found): Look | undefined {
  const found = look.found.filter((one) => !isSame(one, object));
  return found.length > 0 ? undefined : { ...look, found };
}

/** A look with an object as nobody else's. */
export function asNobodys(look: Look, object: Found): Look {
  const found = look.found.map((one) => (isSame(one, object) ? { ...one, owner: undefined } : one));
  return { ...look, found };
}

/** Makes a bound lease of an object whose lease this state does not have: whoever was told its address may use it. */
export function adopt(
  { store, cooldownMs }: Pick<LeaseDeps, 'store' | 'cooldownMs'>,
  mark: string,
  { view, address }: Found,
): Lease | undefined {
  return store.apply(mark, (lease) => lease ?? imported({ mark, network: networkOf(mark), view }, address, cooldownMs));
}

/** Applies a transition to a lease, as `store.apply` does, if there is one: one that has gone meanwhile stays gone. */
export function apply(
  store: Pick<LeaseStore, 'apply'>,
  mark: string,
  transition: (lease: Lease) => Lease | undefined,
): Lease | undefined {
  return store.apply(mark, (lease) => (lease === undefined ? undefined : transition(lease)));
}

/** Now, for what follows from a look. */
function momentOf({ moment }: Pick<LeaseDeps, 'moment'>, { askedAt }: Look): Moment {
  return { ...moment(), askedAt };
}

/** Tells whether the error leaves a write that may still be carried out. */
function isOpen(error: unknown): boolean {
  return error instanceof GridError && error.outcome === 'open';
}
