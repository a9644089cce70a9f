/**
 * One create of an ADD: whether the requested address is available, which pool is asked, and how the grid's answer compares with the request.
 */
import { describeReservation } from '../attributes.ts';
import { GridError, undefinedIfUnreadable } from '../errors.ts';
import type { AddressSource, Reservation } from '../grid.ts';
import { misfit, refuseOutside } from '../network/fit.ts';
import type { ReadyNetwork } from '../network/networks.ts';
import { blockHostOf } from '../network/ranges.ts';
import type { Target } from '../network/succession.ts';
import { inBlockError, nonsenseError, ownAddressError, takenError } from './address-errors.ts';
import type { LeaseDeps } from './deps.ts';
import { doubtOf } from './doubt.ts';
import { createInDoubt, type Lease } from './lease.ts';
import type { Wish } from './obtain.ts';
import type { Found, Look } from './plan.ts';
import { apply } from './store/lease-store.ts';

interface Requested {
  readonly lease: Lease;
  readonly look: Look;
  readonly network: ReadyNetwork;
  readonly requested: string;
}

/**
 * Checks that the requested address is free, also of objects with which a fixed address does not conflict.
 * @throws GridError `address-unavailable`, or `busy` if it may be free in a minute
 */
export async function refuseTaken(deps: LeaseDeps, wanted: Requested, signal: AbortSignal): Promise<void> {
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
  const where = { network: network.cidr, view: network.view };
  const [occupants, blockHost] = await Promise.all([
    // Users with restricted rights may not read this; then the create shows whether the address is free.
    grid.occupants({ first: requested, last: requested }, where, signal).catch(undefinedIfUnreadable),
    blockHostOf(grid, { address: requested, ...where }, signal),
  ]);
  // That host may be assigning it.
  if (blockHost !== undefined) throw inBlockError(requested, blockHost);
  if (occupants?.length) await refuseAnothers(deps, { mark: lease.mark, network, requested }, signal);
}

/**
 * Refuses an address that is reserved for another mark. This attachment may have it from a create with a lost answer.
 * @throws GridError `address-unavailable`
 */
export async function refuseAnothers(
  { grid }: LeaseDeps,
  { mark, network, requested }: Pick<Requested, 'network' | 'requested'> & Pick<Lease, 'mark'>,
  signal: AbortSignal,
): Promise<void> {
  const [holder] = await grid.at(requested, network.view, signal);
  if (holder?.comment !== mark) throw takenError(requested, network, holder?.comment ?? '');
}

interface Asked {
  readonly wish: Wish;
  readonly target: Target;
  /** Subjects of blocks to skip. */
  readonly full: ReadonlySet<string>;
}

/** Asks the grid for an address. @returns its reply, and the source asked for: a block of this host where hosts share a range */
export async function reserve(
  { grid, keeper }: LeaseDeps,
  { wish, target, full }: Asked,
  signal: AbortSignal,
): Promise<{ readonly source: AddressSource; readonly reply: Pick<Reservation, 'address' | 'view'> | GridError }> {
  const { mark, attachment, requested, neededBy, asking } = wish;
  const { network, pool } = target;
  const description = describeReservation(attachment.network, asking.workload);
  let source: AddressSource = requested === undefined ? pool : { view: network.view, address: requested };
  try {
    if (requested === undefined) source = await keeper.shared.poolIn(target, full, signal);
    return { source, reply: await grid.reserve({ source, comment: mark, ...description, neededBy }, signal) };
  } catch (error) {
    if (!(error instanceof GridError)) throw error;
    return { source, reply: error };
  }
}

interface Creation {
  readonly lease: Lease;
  readonly look: Look;
  readonly network: ReadyNetwork;
  readonly source: AddressSource;
  /** The reservation in the grid's answer. */
  readonly made: Pick<Found, 'address' | 'view'>;
}

/**
 * Compares the grid's answer to a create with the request. An object that does not fit is found and released later, in any view.
 * @returns the look afterwards
 * @throws GridError `bad-answer` if it makes no sense
 */
export async function afterAnswer(deps: LeaseDeps, creation: Creation, signal: AbortSignal): Promise<Look> {
  const { store, observer, host, moment } = deps;
  const { lease, look, network, source, made } = creation;
  const { mark } = lease;
  const nonsense = (wrong: string) => {
    apply(store, mark, (current) => createInDoubt(current, moment()));
    return nonsenseError(made.address, wrong);
  };
  const wrong = misfit(made, source);
  if (wrong !== undefined) throw nonsense(wrong);
  // Objects of an unconfirmed look do not count.
  const before = look.unconfirmed === undefined ? look.found : [];
  const isKept = made.address === network.kept || store.boundAt(network.view, made.address, mark) !== undefined;
  if (!isKept && !(await host.isOwnAddress(made.address))) return { askedAt: look.askedAt, found: [...before, made] };
  // Only an object that a look shows is reassigned.
  const there = await observer.look(store.get(mark) ?? lease, signal);
  if (there.found.some(({ address }) => address === made.address)) return there;
  throw nonsense('and does not have it');
}
