/** Releases that cannot be noted: a full disk must not keep an address. */
import { abortable } from '../../concurrency/abortable.ts';
import { GridError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { isOpen } from '../act.ts';
import type { LeaseDeps } from '../deps.ts';
import { plan } from '../plan.ts';
import { type Release, released } from './start-release.ts';

/**
 * Removes what an attachment has on the grid now, and notes that when the state can be written again. Takes the lock of the
 * lease: whoever has it may be deleting the same.
 * @throws GridError if the grid could not be asked or did not do it
 */
export function releaseUnnoted(deps: LeaseDeps, release: Release, signal: AbortSignal): Promise<void> {
  // Before the wait for the lock, which may be longer than the signal allows.
  deps.unnoted.add(release);
  const released = deps.locks.run(release.mark, () => releaseUnnotedLocked(deps, release, signal));
  return abortable(released, signal, () => new GridError('busy', `the lease of ${release.mark} is being worked on`));
}

/** Makes what handles a failure of it where another error is already the answer. */
export function warnUnreleased(log: Log, mark: string): (failure: unknown) => void {
  return (failure) => {
    log.warn('cannot release at once what cannot be noted', { attachment: mark, reason: String(failure) });
  };
}

/** As `releaseUnnoted`, for a caller that holds the lock. */
export async function releaseUnnotedLocked(deps: LeaseDeps, release: Release, signal: AbortSignal): Promise<void> {
  const { wapi, store, observer, moment, unnoted } = deps;
  const lease = released(store.get(release.mark), unnoted.add(release), moment());
  const step = plan(lease, await observer.look(lease, signal), moment());
  if (step.kind !== 'remove') return;
  try {
    for (const { ref } of step.objects) await wapi.remove(ref, signal);
  } catch (error) {
    // Until the state can be written only memory knows it: a second delete could hit whoever has the address by then.
    if (isOpen(error)) unnoted.add({ ...release, deleteLost: moment() });
    throw error;
  }
}
