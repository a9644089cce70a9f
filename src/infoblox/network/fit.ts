/**
 * Which addresses of a network a container may get or request: all host addresses except the one that is kept from
 * containers (the gateway's, or the one that a bridge takes for itself).
 */
import {
  addressBeside,
  type Cidr,
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
 * Computes the address that is kept from containers; undefined if there is none.
 * @throws GridError `invalid-spec` as `resolveGateway`
 */
export function keptBack(
  { gateway, keepFirst }: Pick<NetworkSpec, 'gateway' | 'keepFirst'>,
  cidr: Cidr,
): string | undefined {
  if (gateway !== undefined) return resolveGateway(gateway, cidr);
  return keepFirst ? addressBeside(cidr.first, 1) : undefined;
}

interface Room {
  readonly cidr: Cidr;
  readonly kept?: string | undefined;
  /** Default: the whole network. */
  readonly part?: NetworkPart | undefined;
}

/** Tells whether a container may get the address, and it is the requested one if there is one. */
export function fits(address: string, room: Room, requested: string | undefined): boolean {
  if (requested !== undefined && requested !== address) return false;
  if (parseAddress(address) === undefined || !isWithin(address, room.cidr)) return false;
  return !isNetworkOrBroadcast(room.cidr, address) && address !== room.kept && isInPart(address, room.part);
}

/** Lists the pools to ask for a free address, in order: the network, or reserved ranges in it. */
export function poolsOf({ cidr, view, part }: Room & Pick<Pool, 'view'>): Pool[] {
  const { intervals, excluded } = part ?? { intervals: [], excluded: [] };
  return (intervals.length === 0 ? [cidr] : intervals).map((nextOf) => {
    const exclude = excluded.filter((address) => isWithin(address, nextOf));
    return exclude.length === 0 ? { view, nextOf } : { view, nextOf, exclude };
  });
}

/**
 * Compares the grid's answer to a create with the request. The kept address is accepted here: a grid that has lost its
 * reservation allocates it.
 * @returns undefined if it fits, else the fault, to be put behind the address
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
  return isFit ? undefined : `which is not a host address of ${spanOf(nextOf)}`;
}

/**
 * Refuses a request for an address that containers of the network cannot get.
 * @throws GridError `address-unavailable`
 */
export function refuseOutside(requested: string, room: Room): void {
  if (fits(requested, room, requested)) return;
  const isElsewhere = isWithin(requested, room.cidr) && !isInPart(requested, room.part);
  const why = isElsewhere ? 'is excluded, or outside its range,' : 'is not an address for containers';
  const what = requested === room.kept ? 'is the gateway' : why;
  throw new GridError('address-unavailable', `the requested address ${requested} ${what} in ${room.cidr.text}`, {
    hint: `request a host address of ${room.cidr.text}, or none to get the next free one`,
  });
}

/** As `refuseOutside`, from the specs of a set only: before anything is created on the grid. */
export function refuseHopeless(requested: string | undefined, specs: readonly NetworkSpec[]): void {
  if (requested === undefined || specs.some((spec) => mayFit(requested, spec, requested))) return;
  for (const { place, part, ...spec } of specs) {
    if (place.kind === 'subnet') refuseOutside(requested, { cidr: place.cidr, kept: keptBack(spec, place.cidr), part });
  }
}

/** As `fits`, from the spec only. */
export function mayFit(address: string, spec: NetworkSpec, requested: string | undefined): boolean {
  if (spec.place.kind !== 'subnet') {
    const isThere = spec.place.containers.some((container) => isWithin(address, container));
    return isThere && (requested === undefined || requested === address);
  }
  const { cidr } = spec.place;
  return fits(address, { cidr, kept: keptBack(spec, cidr), part: spec.part }, requested);
}

/**
 * Refuses a spec whose gateway no new network could contain. An existing network of its name may lie elsewhere;
 * `resolveGateway` checks that one.
 * @throws GridError `invalid-spec` if the gateway is in none of the containers
 */
export function refuseStrayGateway({ gateway, place }: Pick<NetworkSpec, 'gateway' | 'place'>): void {
  if (gateway === undefined || place.kind !== 'container') return;
  const { containers, prefixLength } = place;
  if (withHostPart({ ...containers[0], prefix: prefixLength }, gateway) !== undefined) return;
  if (containers.some((container) => isWithin(gateway, container))) return;
  const tried = containers.map((container) => container.text).join(', ');
  throw new GridError('invalid-spec', `gateway ${gateway} is in none of the network containers ${tried}`, {
    hint: `use ${firstHostOf(containers[0].first)} for the first address of any network, or set network-container or subnet to match`,
  });
}

function isInPart(address: string, part: NetworkPart | undefined): boolean {
  if (part === undefined) return true;
  const { intervals, excluded } = part;
  return !excluded.includes(address) && (intervals.length === 0 || intervals.some((one) => isWithin(address, one)));
}
