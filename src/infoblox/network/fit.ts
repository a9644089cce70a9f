/** Which addresses of a network an attachment may have, and which it may ask for. */

import { type Cidr, contains, isNetworkOrBroadcast, parseAddress } from '../address.ts';
import { GridError } from '../errors.ts';
import { keptBack, type NetworkSpec } from './spec.ts';

interface Room {
  readonly cidr: Cidr;
  readonly kept?: string;
}

/** True if a container may have the address, and it is the requested one if one is requested. */
export function fits(address: string, room: Room, requested: string | undefined): boolean {
  if (requested !== undefined && requested !== address) return false;
  if (parseAddress(address) === undefined || !contains(room.cidr, address)) return false;
  return !isNetworkOrBroadcast(room.cidr, address) && address !== room.kept;
}

/** What the grid answered to a create, and what it was asked for: this address, or any of this network. */
interface Answer {
  readonly address: string;
  readonly view: string;
  readonly wanted: string | Cidr;
}

/**
 * Compares what the grid answered to a create with what was asked of it. The address that is kept back is no misfit: a
 * grid that has lost its reservation hands it out.
 * @param view the one that was asked for
 * @returns undefined if it fits, else what is wrong, to be put behind the address
 */
export function misfit({ address, view: answered, wanted }: Answer, view: string): string | undefined {
  if (answered !== view) return `in view ${answered}, asked for one in view ${view}`;
  if (typeof wanted === 'string') return address === wanted ? undefined : `asked for ${wanted}`;
  return fits(address, { cidr: wanted }, undefined) ? undefined : `which is no host address of ${wanted.text}`;
}

/** @throws GridError `address-unavailable` if no container of the network can have the requested address */
export function refuseOutside(requested: string, room: Room): void {
  if (fits(requested, room, requested)) return;
  const what = requested === room.kept ? 'is the gateway' : 'is no address for a container';
  throw new GridError('address-unavailable', `the requested address ${requested} ${what} in ${room.cidr.text}`, {
    hint: `request a host address of ${room.cidr.text}, or none to get the next free one`,
  });
}

/** As `refuseOutside`, as far as the policy alone tells: before anything is made on the grid. */
export function refuseHopeless(requested: string | undefined, spec: NetworkSpec): void {
  if (requested === undefined || spec.source.kind !== 'subnet') return;
  refuseOutside(requested, roomOf(spec, spec.source.cidr));
}

/** As `fits`, as far as the policy alone tells. */
export function mayFit(address: string, spec: NetworkSpec, requested: string | undefined): boolean {
  if (spec.source.kind !== 'subnet') return requested === undefined || requested === address;
  return fits(address, roomOf(spec, spec.source.cidr), requested);
}

function roomOf(spec: NetworkSpec, cidr: Cidr): Room {
  const kept = keptBack(spec, cidr);
  return kept === undefined ? { cidr } : { cidr, kept };
}
