/**
 * Which addresses of a network a container may have, and which it may ask for: all host addresses but the one that is kept
 * from containers, the gateway or the one that a bridge takes for itself.
 */
import {
  addressAt,
  type Cidr,
  contains,
  isNetworkOrBroadcast,
  isWithin,
  parseAddress,
  spanOf,
  withHostPart,
} from '../address.ts';
import { GridError } from '../errors.ts';
import type { AddressSource, Pool } from '../grid.ts';
import { firstHostOf, resolveGateway } from './notation.ts';
import type { NetworkPart } from './part.ts';
import type { NetworkSpec } from './spec.ts';

/**
 * Computes the address of a network that no container may have; undefined if there is none.
 * @throws GridError `invalid-spec` as `resolveGateway`
 */
export function keptBack(
  { gateway, keepFirst }: Pick<NetworkSpec, 'gateway' | 'keepFirst'>,
  cidr: Cidr,
): string | undefined {
  if (gateway !== undefined) return resolveGateway(gateway, cidr);
  return keepFirst ? addressAt(cidr, 1) : undefined;
}

interface Room {
  readonly cidr: Cidr;
  readonly kept?: string | undefined;
  /** Undefined: all of it. */
  readonly part?: NetworkPart | undefined;
}

/** Tells whether a container may have the address, and it is the requested one if one is requested. */
export function fits(address: string, room: Room, requested: string | undefined): boolean {
  if (requested !== undefined && requested !== address) return false;
  if (parseAddress(address) === undefined || !contains(room.cidr, address)) return false;
  return !isNetworkOrBroadcast(room.cidr, address) && address !== room.kept && isInPart(address, room.part);
}

/** Lists what the grid is asked for the next free address of, in order: the network, or reserved ranges in it. */
export function poolsOf({ cidr, view, part }: Room & Pick<Pool, 'view'>): Pool[] {
  const { intervals, excluded } = part ?? { intervals: [], excluded: [] };
  return (intervals.length === 0 ? [cidr] : intervals).map((nextOf) => {
    const exclude = excluded.filter((address) => 'text' in nextOf || isWithin(address, nextOf));
    return exclude.length === 0 ? { view, nextOf } : { view, nextOf, exclude };
  });
}

/**
 * Compares what the grid answered to a create with what was asked of it. The address that is kept back is no misfit: a
 * grid that has lost its reservation hands it out.
 * @returns undefined if it fits, else what is wrong, to be put behind the address
 */
export function misfit(
  { address, view }: { readonly address: string; readonly view: string },
  source: AddressSource,
): string | undefined {
  if (view !== source.view) return `in view ${view}, asked for one in view ${source.view}`;
  if ('address' in source) return address === source.address ? undefined : `asked for ${source.address}`;
  const { nextOf, exclude = [] } = source;
  if (exclude.includes(address)) return 'which is excluded';
  const isFit = 'text' in nextOf ? fits(address, { cidr: nextOf }, undefined) : isWithin(address, nextOf);
  return isFit ? undefined : `which is no host address of ${spanOf(nextOf)}`;
}

/** Refuses a request for an address that no container of the network can have. @throws GridError `address-unavailable` */
export function refuseOutside(requested: string, room: Room): void {
  if (fits(requested, room, requested)) return;
  const isElsewhere = contains(room.cidr, requested) && !isInPart(requested, room.part);
  const why = isElsewhere ? 'is excluded, or outside its range,' : 'is no address for a container';
  const what = requested === room.kept ? 'is the gateway' : why;
  throw new GridError('address-unavailable', `the requested address ${requested} ${what} in ${room.cidr.text}`, {
    hint: `request a host address of ${room.cidr.text}, or none to get the next free one`,
  });
}

/** As `refuseOutside`, as far as the specs of a set alone tell: before anything is created on the grid. */
export function refuseHopeless(requested: string | undefined, specs: readonly NetworkSpec[]): void {
  if (requested === undefined || specs.some((spec) => mayFit(requested, spec, requested))) return;
  for (const { place, part, ...spec } of specs) {
    if (place.kind === 'subnet') refuseOutside(requested, { cidr: place.cidr, kept: keptBack(spec, place.cidr), part });
  }
}

/** As `fits`, as far as the spec alone tells. */
export function mayFit(address: string, spec: NetworkSpec, requested: string | undefined): boolean {
  if (spec.place.kind !== 'subnet') {
    const isThere = spec.place.containers.some((container) => contains(container, address));
    return isThere && (requested === undefined || requested === address);
  }
  const { cidr } = spec.place;
  return fits(address, { cidr, kept: keptBack(spec, cidr), part: spec.part }, requested);
}

/**
 * Refuses a spec for which no network should be created, since none can hold its gateway. A network that is found by its
 * name may lie elsewhere, and is judged by `resolveGateway`.
 * @throws GridError `invalid-spec` if the gateway lies in none of the containers
 */
export function refuseStrayGateway({ gateway, place }: Pick<NetworkSpec, 'gateway' | 'place'>): void {
  if (gateway === undefined || place.kind !== 'container') return;
  const { containers, prefixLength } = place;
  if (withHostPart({ ...containers[0], prefix: prefixLength }, gateway) !== undefined) return;
  if (containers.some((container) => contains(container, gateway))) return;
  const tried = containers.map((container) => container.text).join(', ');
  throw new GridError('invalid-spec', `gateway ${gateway} is in none of the network containers ${tried}`, {
    hint: `use ${firstHostOf(containers[0].base)} for the first address of whatever network is taken, or set network-container or subnet to match`,
  });
}

function isInPart(address: string, part: NetworkPart | undefined): boolean {
  if (part === undefined) return true;
  const { intervals, excluded } = part;
  return !excluded.includes(address) && (intervals.length === 0 || intervals.some((one) => isWithin(address, one)));
}
