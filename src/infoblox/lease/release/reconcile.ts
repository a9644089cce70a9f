/**
 * Brings one lease and the grid together: look, ask `plan`, carry out its step, until there is nothing more to do now. The
 * same from whatever state, for the first time and for the repair.
 */
import { GridError } from '../../errors.ts';
import { workloadFields } from '../../workload.ts';
import { apply, recreate, remove, warnOfLoss, without } from '../act.ts';
import { afterReassign, reassign } from '../add/reassign.ts';
import type { LeaseDeps } from '../deps.ts';
import { abandon, deleteAnswered, emptied, keepDoubt, type Lease, recheck, settle } from '../lease.ts';
import { type Look, plan, type Step } from '../plan.ts';

/** Steps for one lease at most; a grid that answers sensibly needs three. */
const mostSteps = 8;

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
  const { store, observer, moment, unnoted } = deps;
  unnoted.note(mark);
  const removed: string[] = [];
  let look: Look | undefined;
  for (let steps = 0; steps < mostSteps; steps += 1) {
    const known = store.get(mark);
    if (known === undefined) return removed;
    if (known.phase === 'pending') {
      // The lock is here, so no ADD is under way: it died, or could not write its end.
      apply(store, mark, (lease) => abandon(lease, 'unfinished', moment()));
      continue;
    }
    look ??= await observer.look(known, signal);
    // Read again: a DEL may have come during the look.
    const lease = store.get(mark);
    if (lease === undefined || lease.phase === 'pending') continue;
    const step = plan(lease, look, moment());
    if (step.kind === 'remove') {
      const after = await remove(deps, { lease, objects: step.objects }, signal);
      removed.push(...step.objects.map(({ address }) => address));
      look = without(look, step.objects);
      if (plan(after, look, moment()).kind === 'forget') {
        forget(deps, after, { look, removed });
        return removed;
      }
      // A DEL that has come meanwhile has its object still to remove.
      const isEmpty = look.found.length === 0;
      apply(store, mark, (current) => {
        const answered = deleteAnswered(current, lease);
        return isEmpty ? emptied(answered) : answered;
      });
      deps.log.info(lease.phase === 'bound' ? 'removed surplus reservations' : 'released', {
        ...{ attachment: mark, view: lease.view, addresses: removed },
      });
      continue;
    }
    if (step.kind === 'reassign') {
      look = afterReassign(look, step.object, await reassign(deps, { lease, object: step.object }, signal));
      continue;
    }
    if (step.kind === 'recreate' && (await reserveAgain(deps, { lease, look }, signal)) === 'look') {
      look = undefined;
      continue;
    }
    conclude(deps, lease, { step, look, removed });
    return removed;
  }
  throw new GridError('bad-answer', `the grid shows something else at each look for ${mark}`);
}

interface Outcome {
  readonly look: Look;
  readonly removed: readonly string[];
}

/** Writes down what the last step has led to: one that needs no write to the grid, or a re-creation. */
function conclude(deps: LeaseDeps, lease: Lease, { step, ...outcome }: Outcome & { readonly step: Step }): void {
  const { store, moment, log } = deps;
  const { mark } = lease;
  switch (step.kind) {
    case 'look again':
      apply(store, mark, (current) => recheck(current, step.at));
      log.debug('look again', { attachment: mark, at: new Date(step.at).toISOString() });
      return;
    case 'forget':
      forget(deps, lease, outcome);
      return;
    case 'refuse':
      log.error('the reservation of a live attachment was moved or altered on the grid: it is left alone', {
        ...{ attachment: mark, address: lease.address, view: step.moved?.view, now: step.altered },
        hint: 'undo the change, or delete the container',
      });
      break;
    default:
      break;
  }
  // Only a look at what should be there ends the doubt.
  const conclusion = step.kind === 'nothing' ? settle : keepDoubt;
  apply(store, mark, (current) => conclusion(current, moment()));
}

function forget(deps: LeaseDeps, { mark, address, view }: Lease, { look, removed }: Outcome): void {
  const { store, log, exhaustion } = deps;
  store.apply(mark, (current) => (current?.phase === 'releasing' ? undefined : current));
  exhaustion.released(view);
  const attachment = { attachment: mark, view };
  if (removed.length > 0) log.info('released', { ...attachment, addresses: removed });
  else if (address === null) log.debug('nothing to release', attachment);
  else {
    const fields = { ...attachment, address, ...(look.altered === undefined ? {} : { now: look.altered }) };
    log.info('nothing to release: the reservation was removed or changed in the grid', fields);
  }
}

/** @returns `look` if the grid has to be looked at now, `done` if that has time */
async function reserveAgain(
  deps: LeaseDeps,
  { lease, look }: { readonly lease: Lease; readonly look: Look },
  signal: AbortSignal,
): Promise<'look' | 'done'> {
  const { log } = deps;
  const { mark, address, phase, workload } = lease;
  if (address === null) throw new Error(`nothing to reserve for ${mark}`);
  const refusal = await recreate(deps, { ...lease, address }, signal);
  // It is there, or somebody else's: the host that says so accepts writes, and can be asked what it is.
  if (look.unconfirmed !== undefined && refusal?.reason === 'conflict') return 'look';
  if (phase === 'releasing') {
    if (refusal !== undefined) throw refusal;
    return 'look';
  }
  if (refusal === undefined) warnOfLoss(deps, mark, address);
  else {
    log.error('the grid has lost the reservation of a live attachment and does not take it again', {
      ...{ attachment: mark, address, ...workloadFields(workload), reason: refusal.message },
      hint: 'restart this container, so that it gets an address of its own',
    });
  }
  return 'done';
}
