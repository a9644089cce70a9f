/**
 * Brings one lease and the grid together: look, ask `plan`, carry out its step, until there is nothing more to do now. The
 * same from whatever state, for the first time and for the repair.
 */
import { GridError, hasReason } from '../../errors.ts';
import { pauseBeforeLook } from '../../grid.ts';
import { attachmentIn, whoOf } from '../../mark.ts';
import { workloadFields } from '../../workload.ts';
import { apply, recreate, remove, warnOfLoss, without } from '../act.ts';
import type { LeaseDeps } from '../deps.ts';
import { type Moment, wallTimeOf } from '../doubt.ts';
import { endLease } from '../endings.ts';
import {
  deleteAnswered,
  emptied,
  forgetReleased,
  keepDoubt,
  type Lease,
  lostPause,
  recheck,
  reserveLater,
  settle,
} from '../lease.ts';
import { type Found, type Look, plan, type Step } from '../plan.ts';
import { reassign } from '../reassign.ts';

/**
 * Looks and steps for one lease at most; a grid that answers sensibly needs four, and two more for each object, for each write by
 * reference that fails and for each attribute that it does not define.
 */
const maxSteps = 50;

/** Milliseconds that a refused release counts: twice the longest pause before it is tried again. */
const refusalLasts = 600_000;
/** Milliseconds for one attempt in the background: a look and a delete may each take the 15 s that the session waits for an answer. */
export const attemptTimeoutMs = 35_000;

/**
 * Reconciles one lease. Takes its lock.
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
    if (lease === undefined) return removed;
    if (lease.phase === 'pending') {
      // The lock is here, so no ADD is under way: it died, or could not write its end.
      endLease(deps, lease, { cause: 'dead ADD', isAdding: false });
      continue;
    }
    if (look === undefined) {
      look = await observer.look(lease, signal);
      continue;
    }
    const step = plan(lease, look, moment());
    try {
      const outcome = await carryOut(deps, { lease, look, step }, signal);
      if (step.kind === 'remove') removed.push(step.object.address);
      if (outcome === 'done') return removed;
      look = outcome === 'look' ? undefined : outcome;
    } catch (error) {
      failures = await pauseBeforeLook(error, { clock, random: host.random, failures }, signal);
      look = undefined;
    }
  }
  throw new GridError('bad-answer', `the grid shows something else at each look for ${mark}`);
}

interface Situation {
  readonly lease: Lease;
  readonly look: Look;
}

/**
 * Carries a step out, and writes down what it has led to.
 * @returns what the grid shows then, `look` if it has to be asked, `done` if there is nothing more to do now
 */
async function carryOut(
  deps: LeaseDeps,
  { lease, look, step }: Situation & { readonly step: Step },
  signal: AbortSignal,
): Promise<Look | 'look' | 'done'> {
  const { store, moment, conditions, log } = deps;
  const { mark, address } = lease;
  const end = (transition: (lease: Lease, moment: Moment) => Lease) => {
    apply(store, mark, (current) => transition(current, { ...moment(), askedAt: look.askedAt }));
    return 'done' as const;
  };
  switch (step.kind) {
    case 'remove':
      return removeFrom(deps, { lease, look, object: step.object }, signal);
    case 'reassign':
      return (await reassign(deps, { lease, look, object: step.object }, signal)).look ?? 'look';
    case 'recreate': {
      const outcome = await reserveAgain(deps, { lease, look }, signal);
      return outcome === 'look' ? outcome : end(outcome === 'reserved' ? keepDoubt : reserveLater);
    }
    case 'look again':
      log.debug('look again', { attachment: mark, at: new Date(wallTimeOf(step.at, moment())).toISOString() });
      return end((current) => recheck(current, step.at));
    case 'forget':
      forget(deps, { lease, look });
      return 'done';
    case 'refuse':
      log.error('the reservation of a live attachment was moved or altered on the grid: it is left alone', {
        ...{ attachment: mark, address, view: step.moved?.view, now: step.altered },
        hint: 'undo the change, or delete the container',
      });
      return end(keepDoubt);
    case 'nothing':
      conditions.clear('reservation-lost', subjectOf(mark));
      return end(settle);
    default:
      // Only a look at what should be there ends the doubt.
      return end(keepDoubt);
  }
}

/** Removes what nobody needs, and forgets the lease if that was the last of it. @returns as `carryOut` */
async function removeFrom(
  deps: LeaseDeps,
  { lease, look, object }: Situation & { readonly object: Found },
  signal: AbortSignal,
): Promise<Look | 'look'> {
  const { store, moment, exhaustion, log } = deps;
  const { mark, view, phase } = lease;
  await remove(deps, { lease, object }, signal);
  const left = without(look, object);
  // In one write with the end of the doubt.
  apply(store, mark, (current) => {
    const answered = deleteAnswered(current, lease);
    if (left === undefined) return answered;
    return plan(answered, left, moment()).kind === 'forget' ? forgetReleased(answered) : emptied(answered);
  });
  exhaustion.released(view);
  noteRelease(deps, lease);
  const addresses = [object.address];
  log.info(phase === 'bound' ? 'removed surplus reservations' : 'released', { attachment: mark, view, addresses });
  return left ?? 'look';
}

/** Forgets a lease of which a look has shown nothing. */
function forget(deps: LeaseDeps, { lease, look }: Situation): void {
  const { store, exhaustion, conditions, log } = deps;
  const { mark, address, view } = lease;
  noteRelease(deps, lease);
  conditions.clear('reservation-lost', subjectOf(mark));
  apply(store, mark, forgetReleased);
  exhaustion.released(view);
  if (address === null) return void log.debug('nothing to release', { attachment: mark, view });
  const fields = { attachment: mark, view, address, now: look.altered };
  log.info('nothing to release: the reservation was removed or changed in the grid', fields);
}

/** @returns `look` if the grid has to be looked at now; else whether it has taken the reservation */
async function reserveAgain(
  deps: LeaseDeps,
  { lease, look }: Situation,
  signal: AbortSignal,
): Promise<'look' | 'reserved' | 'refused'> {
  const { conditions, log } = deps;
  const { mark, address, phase, workload } = lease;
  if (address === null) throw new Error(`nothing to reserve for ${mark}`);
  const refusal = await recreate(deps, { ...lease, address }, signal);
  // It is there, or somebody else's: the host that says so accepts writes, and can be asked what it is.
  if (look.unconfirmed !== undefined && refusal?.reason === 'conflict') return 'look';
  if (phase === 'releasing') {
    if (refusal !== undefined) throw refusal;
    return 'look';
  }
  const subject = subjectOf(mark);
  if (refusal === undefined) {
    conditions.clear('reservation-lost', subject);
    warnOfLoss(deps, mark, address);
    return 'reserved';
  }
  const hint = 'restart this container, so that it gets an address of its own';
  const what = `${address} of ${subject} is not reserved any more: ${refusal.message}`;
  const isNews = conditions.find('reservation-lost', subject) === undefined;
  conditions.raise('reservation-lost', new GridError('reservation-lost', what, { hint }), {
    ...{ subject, lasts: 2 * lostPause },
  });
  if (isNews) {
    const fields = { attachment: mark, address, ...workloadFields(workload), reason: refusal.message };
    log.error('the grid has lost the reservation of a live attachment and does not take it again', { ...fields, hint });
  }
  return 'refused';
}

/** Raises a condition if a grid that is there has refused to release a lease. */
export function noteRefusedRelease({ conditions }: Pick<LeaseDeps, 'conditions'>, lease: Lease, error: unknown): void {
  if (lease.phase !== 'releasing' || !hasReason(error, 'permission', 'rejected', 'conflict', 'not-wapi')) return;
  const subject = networkSubject(lease);
  const what = `the grid refuses to release addresses of ${subject}, which stay reserved: ${error.message}`;
  const hint =
    error.reason === 'permission'
      ? 'give the user of --wapi-username the right to read and delete fixed addresses there; they are released by themselves then'
      : error.hint;
  conditions.raise('releases-refused', new GridError(error.reason, what, { hint }), { subject, lasts: refusalLasts });
}

/** Ends that condition when a lease is released that could not be before. */
function noteRelease({ conditions }: Pick<LeaseDeps, 'conditions'>, lease: Lease): void {
  if (lease.phase === 'releasing' && lease.attempts > 0) conditions.clear('releases-refused', networkSubject(lease));
}

function networkSubject({ network, view }: Lease): string {
  return `network ${network} in view ${view}`;
}

/** Names an attachment as the subject of a condition. */
function subjectOf(mark: string): string {
  const attachment = attachmentIn(mark);
  return `${whoOf(attachment)} in network ${attachment.network}`;
}
