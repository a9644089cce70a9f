/** Checks whether an ADD can get the address that it requests. */
import { GridError } from '../errors.ts';
import { refuseOutside } from '../network/fit.ts';
import type { ReadyNetwork } from '../network/networks.ts';
import { blockHostOf } from '../network/ranges.ts';
import { inBlockError, ownAddressError, takenError } from './address-errors.ts';
import type { LeaseDeps } from './deps.ts';
import { doubtOf } from './doubt.ts';
import type { Lease } from './lease.ts';
import type { Look } from './plan.ts';

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
  const [isUsed, blockHost] = await Promise.all([
    grid.isUsed(requested, network.view, signal),
    blockHostOf(grid, { address: requested, network: network.cidr, view: network.view }, signal),
  ]);
  // That host may be assigning it.
  if (blockHost !== undefined) throw inBlockError(requested, blockHost);
  if (isUsed) await refuseAnothers(deps, { mark: lease.mark, network, requested }, signal);
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
