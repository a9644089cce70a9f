/**
 * Leases that end by a call: a DEL, or an ADD whose caller got no answer. The end is recorded durably, and the rest left to the
 * reconciler, so that a DEL costs no request before its answer, and needs no grid; or carried out now, where an ADD waits for it.
 */
import { GridError, hasReason } from '../errors.ts';
import { type Attachment, attachmentKey, shortNetworkName } from '../mark.ts';
import { fits } from '../network/fit.ts';
import type { ReadyNetwork } from '../network/networks.ts';
import { deletedError } from './address-errors.ts';
import type { LeaseDeps } from './deps.ts';
import { doubtOf } from './doubt.ts';
import { endAttachment } from './endings.ts';
import { apply, mayWaitForOthers, reconcile } from './execute.ts';
import { endRest, type Lease, shownPhase } from './lease.ts';

interface Release {
  readonly attachment: Attachment;
  /** Where to look if the state does not know the attachment. */
  readonly view: string;
  /** When it was called, milliseconds since 1970, if it is told later. */
  readonly at?: number | undefined;
}

/**
 * Releases whatever an attachment has, by what the state knows of it. An ADD under way ends: the runtime has given up on it.
 * @returns the leases; the address of one is null if nobody was told one, or it has gone back already
 * @throws GridError `state` if that cannot be recorded: nothing is released, and the plugin leaves a note
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
 * The caller of an ADD got no answer: what the attachment has is released, unless another ADD was, or may have been,
 * answered with it.
 * @throws GridError `state` if that cannot be recorded
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

/** The addresses of leases, in a line of the log. */
export function addressesOf(leases: readonly Lease[]): string | null {
  const addresses = leases.flatMap(({ address }) => address ?? []);
  return addresses.length === 0 ? null : addresses.join(', ');
}

/** As `noteNotAnswered`, but a state that cannot be written is a line in the log. */
export async function noteUndelivered(deps: LeaseDeps, mark: string, caller: string): Promise<void> {
  try {
    await noteNotAnswered(deps, mark, caller);
  } catch (error) {
    // The plugin's note says the same, and is taken when the state can be written.
    if (!hasReason(error, 'state')) throw error;
    deps.log.warn('cannot note that a result was not delivered', { attachment: mark, reason: error.message });
  }
}

/** What this host is releasing in the view of a network: what is due first, of what rests what has rested longest. */
export function releasingIn({ store }: LeaseDeps, { view }: Pick<ReadyNetwork, 'view'>): Lease[] {
  const leases = store.where((lease) => lease.phase === 'releasing' && lease.view === view);
  return leases.sort(
    (one, other) => (one.dueAt ?? 0) - (other.dueAt ?? 0) || (one.releasedAt ?? 0) - (other.releasedAt ?? 0),
  );
}

interface NextRelease {
  /** Of the lease that wants an address. */
  readonly mark: string;
  /** Of one view. */
  readonly networks: readonly ReadyNetwork[];
  /** Marks that are left out. */
  readonly tried: ReadonlySet<string>;
}

/** Chooses a release that may give one of full networks an address. */
export function nextRelease(deps: LeaseDeps, { mark: own, networks, tried }: NextRelease): string | undefined {
  const { locks, moment } = deps;
  const [first] = networks;
  if (first === undefined) return undefined;
  const isInside = (address: string) => networks.some(({ cidr, part }) => fits(address, { cidr, part }, undefined));
  const untried = releasingIn(deps, first)
    .filter(({ mark, address }) => !tried.has(mark) && address !== null && isInside(address))
    // After a delete without an answer there is nothing to do but wait for longer than an ADD has.
    .filter((lease) => locks.busy(lease.mark) || doubtOf(lease, moment()).delete === null);
  // One that nobody works on yet: ADDs that wait at once each carry out another.
  const free = untried.find(({ mark }) => !locks.busy(mark));
  return (free ?? (mayWaitForOthers(deps, own) ? untried[0] : undefined))?.mark;
}

/** Says that the next address of a full network is one that has not rested for its time, if it is. */
export function warnOfRest({ store, clock, log }: LeaseDeps, mark: string, { cidr, view }: ReadyNetwork): void {
  const lease = store.get(mark);
  if (lease === undefined || shownPhase(lease, clock.now()) !== 'resting') return;
  const seconds = Math.ceil(((lease.restsUntil ?? 0) - clock.now()) / 1_000);
  log.warn('no free address but those that rest: giving the one that has rested longest', {
    network: cidr.text,
    view,
    address: lease.address,
    seconds,
    hint: 'use a larger subnet, or a shorter ip-cooldown',
  });
}

/** Carries out a release for which an ADD waits. @throws GridError only if the state fails: what is not released is refused as taken */
export async function releaseNow(deps: LeaseDeps, mark: string, signal: AbortSignal): Promise<void> {
  apply(deps.store, mark, (lease) => endRest(lease, deps.moment()));
  try {
    await reconcile(deps, mark, signal);
  } catch (error) {
    if (!(error instanceof GridError) || error.reason === 'state') throw error;
  }
}
