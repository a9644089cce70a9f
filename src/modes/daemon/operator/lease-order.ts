/** The order in which people see leases. */
import { compareAddresses } from '../../../infoblox/address.ts';
import type { LeaseRecord } from '../../operator-protocol.ts';

type Placed = Pick<LeaseRecord, 'network' | 'address'>;

/** Compares by network, then by address. */
export function byNetworkAndAddress(one: Placed, other: Placed): number {
  if (one.network !== other.network) return one.network.localeCompare(other.network);
  return one.address === null || other.address === null ? 0 : compareAddresses(one.address, other.address);
}
