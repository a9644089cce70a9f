/**
 * Brings leases and grid together, for ADD, the reconciler, GC and `gc --host`: looks, asks `plan`, and executes its step (writes.ts).
 * After a failure the caller looks again. Callers hold the lock of the lease, except those of `reconcile`.
 */
import { pauseBeforeLook } from '../grid.ts';
import { networkOf } from '../mark.ts';
import { unsettledError } from './address-errors.ts';
import type { LeaseDeps } from './deps.ts';
import { type Moment, wallTimeOf } from './doubt.ts';
import { endLease } from './endings.ts';
import { awaitPerson, imported, isUnsent, keepDoubt, type Lease, recheck, settle, shownPhase } from './lease.ts';
import { noteAltered, noteFound, noteLost } from './lease-conditions.ts';
import { type Found, type Look, plan, type Step } from './plan.ts';
import { apply } from './store/lease-store.ts';
import { forget, type Outcome, reassign, recreate, remove, type Situation } from './writes.ts';

/**
 * Maximum looks and steps for one lease. Usually four suffice, and two more for each object, failed write and undefined attribute.
 */
const maxSteps = 50;
/** Milliseconds for one background attempt: a look and a delete may each take 15 s, the session's limit. */
export const attemptTimeoutMs = 35_000;

/**
 * Reconciles one lease with the grid: looks, asks `plan`, executes its step, until there is nothing more to do now. Works from any state,
 * so it also repairs. Takes the lock of the lease.
 * @returns addresses whose reservations it removed
 * @throws GridError if the grid or the state fails; the lease stays due
 */
export function reconcile(deps: LeaseDeps, mark: string, signal: AbortSignal): Promise<readonly string[]> {
  return deps.locks.run(mark, () => reconcileLocked(deps, mark, signal));
}

/** Reconciles one lease as `reconcile`, for a caller that holds the lock. */
export async function reconcileLocked(deps: LeaseDeps, mark: string, signal: AbortSignal): Promise<readonly string[]> {
  const { store, observer, host, moment, clock } = deps;
  const removed: string[] = [];
  let look: Look | undefined;
  let failures = 0;
  for (let steps = 0; steps < maxSteps; steps += 1) {
    // Read it each time: a DEL may have come during a request.
    const lease = store.get(mark);
    if (lease === undefined || shownPhase(lease, clock.now()) === 'resting') return removed;
    if (lease.phase === 'pending') {
      // The caller has the lock, so the ADD has died, or could not record its end.
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
 * Executes one step, except `create` and `adopt`, which belong to an ADD.
 * @throws GridError with `mayLookAgain` if another look may help; otherwise the write was refused, or is in doubt
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
      return { kind: 'go on', look: await reassign(deps, { lease, look, object: step.object }, signal) };
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

/** Logs an impossible combination, which is a bug. */
export function reportImpossible({ log }: Pick<LeaseDeps, 'log'>, { mark, address }: Lease, step: Step): void {
  if (step.kind !== 'look again' || step.impossible === undefined) return;
  log.error('the grid shows an impossible combination', { attachment: mark, address, because: step.impossible });
}

/** Makes a bound lease for an object without one: a container may use its address. */
export function adopt(
  { store, cooldownMs }: Pick<LeaseDeps, 'store' | 'cooldownMs'>,
  mark: string,
  { view, address }: Found,
): Lease | undefined {
  return store.apply(mark, (lease) => lease ?? imported({ mark, network: networkOf(mark), view }, address, cooldownMs));
}

/** Returns the present moment for a transition after a look. */
function momentOf({ moment }: Pick<LeaseDeps, 'moment'>, { askedAt }: Look): Moment {
  return { ...moment(), askedAt };
}
