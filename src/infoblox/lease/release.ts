/**
 * Ends leases by a call: a DEL, or an ADD whose caller got no answer. The end is recorded durably and the reconciler does the rest, so a
 * DEL sends no request before its answer, and needs no grid. A release for which an ADD waits is carried out at once.
 */
import { GridError, hasReason } from '../errors.ts';
import { type Attachment, attachmentKey, shortNetworkName } from '../mark.ts';
import { fits } from '../network/fit.ts';
import type { ReadyNetwork } from '../network/networks.ts';
import { deletedError } from './address-errors.ts';
import type { LeaseDeps } from './deps.ts';
import { doubtOf } from './doubt.ts';
import { endAttachment } from './endings.ts';
import { reconcile } from './execute.ts';
import { endRest, type Lease, shownPhase } from './lease.ts';
import { apply } from './store/lease-store.ts';
import { mayWaitForOthers } from './writes.ts';

interface Release {
  readonly attachment: Attachment;
  /** View to search if the state does not know the attachment. */
  readonly view: string;
  /** When the runtime called it, milliseconds since 1970, if recorded in a note. */
  readonly at?: number | undefined;
}

/**
 * Releases all leases of an attachment. Aborts its ADD in progress: the runtime has given up on it.
 * @returns the leases; `address` is null if no caller was told it, or it is already released
 * @throws GridError `state` if the release cannot be recorded: nothing is released, and the plugin leaves a note
 */
export async function releaseAttachment(deps: LeaseDeps, { attachment, view, at }: Release): Promise<readonly Lease[]> {
  const { names, adds, store } = deps;
  for (const mark of names.marksOf(attachment)) adds.abort(attachmentKey(mark), deletedError());
  const identity = { mark: names.markOf(attachment), network: shortNetworkName(attachment.network), view };
  const ended = endAttachment(deps, identity, { cause: 'DEL', at });
  await store.durable();
  return ended.flatMap(({ lease }) => lease ?? []);
}

/**
 * Records that the caller of an ADD got no answer: releases the attachment's leases unless another ADD was, or may have been, answered with
 * them.
 * @throws GridError `state` if the release cannot be recorded
 */
export async function noteNotAnswered(deps: LeaseDeps, mark: string, caller: string): Promise<void> {
  const { store, log } = deps;
  const known = store.ofAttachment(mark);
  const [first] = known;
  if (first === undefined) return;
  const ended = endAttachment(deps, first, { cause: 'caller left', caller });
  await store.durable();
  if (ended.every(({ answer }) => answer !== 'release')) return;
  log.info('caller disconnected before the result was delivered; releasing', {
    attachment: mark,
    address: addressesOf(known),
  });
}

/** Lists the addresses of leases, for the log. */
export function addressesOf(leases: readonly Lease[]): string | null {
  const addresses = leases.flatMap(({ address }) => address ?? []);
  return addresses.length === 0 ? null : addresses.join(', ');
}

/** Records a missing answer as `noteNotAnswered`; logs a warning if the state is not writable. */
export async function noteUndelivered(deps: LeaseDeps, mark: string, caller: string): Promise<void> {
  try {
    await noteNotAnswered(deps, mark, caller);
  } catch (error) {
    // The plugin leaves a note, which is taken over when the state is writable.
    if (!hasReason(error, 'state')) throw error;
    deps.log.warn('cannot note that a result was not delivered', { attachment: mark, reason: error.message });
  }
}

/** Lists the releasing leases in the view of a network: those due first, then those that have rested longest. */
export function releasingIn({ store }: LeaseDeps, { view }: Pick<ReadyNetwork, 'view'>): Lease[] {
  const leases = store.where((lease) => lease.phase === 'releasing' && lease.view === view);
  return leases.sort(
    (one, other) => (one.dueAt ?? 0) - (other.dueAt ?? 0) || (one.releasedAt ?? 0) - (other.releasedAt ?? 0),
  );
}

interface NextRelease {
  /** Mark of the lease that needs an address. */
  readonly mark: string;
  /** Networks of one view. */
  readonly networks: readonly ReadyNetwork[];
  /** Marks to skip. */
  readonly tried: ReadonlySet<string>;
}

/** Chooses a release that may free an address in full networks. */
export function nextRelease(deps: LeaseDeps, { mark: own, networks, tried }: NextRelease): string | undefined {
  const { locks, moment } = deps;
  const [first] = networks;
  if (first === undefined) return undefined;
  const isInside = (address: string) => networks.some(({ cidr, part }) => fits(address, { cidr, part }, undefined));
  const untried = releasingIn(deps, first)
    .filter(({ mark, address }) => !tried.has(mark) && address !== null && isInside(address))
    // A delete in doubt takes longer than an ADD may wait.
    .filter((lease) => locks.busy(lease.mark) || doubtOf(lease, moment()).delete === null);
  // Prefer an unlocked one: concurrent ADDs then carry out different releases.
  const free = untried.find(({ mark }) => !locks.busy(mark));
  return (free ?? (mayWaitForOthers(deps, own) ? untried[0] : undefined))?.mark;
}

/** Warns if the next address of a full network has not finished its cool-down. */
export function warnOfRest({ store, clock, log }: LeaseDeps, mark: string, { cidr, view }: ReadyNetwork): void {
  const lease = store.get(mark);
  if (lease === undefined || shownPhase(lease, clock.now()) !== 'resting') return;
  const seconds = Math.ceil(((lease.restsUntil ?? 0) - clock.now()) / 1_000);
  log.warn('no free address except resting ones: giving the one that has rested longest', {
    network: cidr.text,
    view,
    address: lease.address,
    seconds,
    hint: 'use a larger subnet, or a shorter ip-cooldown',
  });
}

/** Carries out a release for which an ADD waits. @throws GridError only if the state fails; an address not released counts as taken */
export async function releaseNow(deps: LeaseDeps, mark: string, signal: AbortSignal): Promise<void> {
  apply(deps.store, mark, (lease) => endRest(lease, deps.moment()));
  try {
    await reconcile(deps, mark, signal);
  } catch (error) {
    if (!(error instanceof GridError) || error.reason === 'state') throw error;
  }
}
