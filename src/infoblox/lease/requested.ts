/** Checks whether an ADD can get the address that it requests. */
import { GridError } from '../errors.ts';
import { refuseOutside } from '../network/fit.ts';
import type { ReadyNetwork } from '../network/networks.ts';
import { blockHostOf } from '../network/ranges.ts';
import { ownAddressError, takenError } from './address-errors.ts';
import type { LeaseDeps } from './deps.ts';
import { doubtOf } from './doubt.ts';
import type { Lease } from './lease.ts';
import type { Look } from './plan.ts';
import { releaseNow, releasingIn } from './release.ts';

interface Requested {
  readonly lease: Lease;
  readonly look: Look;
  readonly network: ReadyNetwork;
  readonly requested: string;
}

/** Completes this host's pending release of the requested address. @throws GridError `state` */
export async function releaseRequested(
  deps: LeaseDeps,
  { lease, network, requested }: Omit<Requested, 'look'>,
  signal: AbortSignal,
): Promise<void> {
  const release = releasingIn(deps, network).find(({ mark, address }) => address === requested && mark !== lease.mark);
  if (release !== undefined) await releaseNow(deps, release.mark, signal);
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
  const [isUsed] = await Promise.all([
    grid.isUsed(requested, network.view, signal),
    refuseInBlock(grid, { address: requested, network }, signal),
  ]);
  if (isUsed) await refuseAnothers(deps, { mark: lease.mark, network, requested }, signal);
}

/**
 * Refuses an address inside another host's block: that host may be assigning it.
 * @throws GridError `address-unavailable` with the host's name
 */
async function refuseInBlock(
  grid: LeaseDeps['grid'],
  { address, network }: { readonly address: string; readonly network: ReadyNetwork },
  signal: AbortSignal,
): Promise<void> {
  const host = await blockHostOf(grid, { address, network: network.cidr, view: network.view }, signal);
  if (host === undefined) return;
  throw new GridError('address-unavailable', `the requested address ${address} lies in a block of host ${host}`, {
    hint: 'request another address, or none to get the next free one',
  });
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
