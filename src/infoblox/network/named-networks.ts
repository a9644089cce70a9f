/** The networks that carry a network name, complete or still being set up, and which of them a host may use. */
import { type Cidr, compareAddresses, isInside, parseCidr } from '../address.ts';
import { attributedName, networkNameAttribute } from '../attributes.ts';
import type { Conditions } from '../conditions.ts';
import { GridError } from '../errors.ts';
import { namedInComment, networkMark, pendingNetworkMark, shortNetworkName, yieldedNetworkMark } from '../mark.ts';
import type { WapiClient } from '../wapi/client.ts';
import { beginsWith } from '../wapi/paged-search.ts';
import type { Network } from '../wapi/schemas.ts';
import type { Sighted } from '../wapi/sighting.ts';
import type { NetworkSpec, SpecOf } from './spec.ts';
import type { BoundLeases } from './views.ts';

export interface NamedNetworks {
  /** The lowest address first, or the preferred one. */
  readonly complete: readonly Sighted<Network>[];
  /** Created for the name and not confirmed yet; the lowest address first. */
  readonly pending: readonly Sighted<Network>[];
}

/**
 * Looks for the networks of a name in one view: by our comment, and by the extensible attribute that administrators and
 * the original driver write. What people have added to the comment does not matter: the search is by its beginning.
 * A network that is confirmed between the two searches shows up in both lists, never in none, whichever comes first: the
 * search by comment finds it before and after.
 */
export async function findNamedNetworks(
  wapi: WapiClient,
  { name, view }: Pick<NetworkSpec, 'name' | 'view'>,
  signal: AbortSignal,
): Promise<NamedNetworks> {
  const [commented, attributed] = await Promise.all([
    wapi.findNetworks({ 'comment~': beginsWith(networkMark(name)), network_view: view }, signal),
    wapi.findNetworksNamed(name, view, signal),
  ]);
  const marked = commented.filter(({ comment }) => namedInComment(comment) === shortNetworkName(name));
  const complete = [...marked, ...attributed].filter((network) => !isIncomplete(network, name));
  return {
    complete: [...new Map(complete.map((network) => [network._ref, network])).values()].sort(byAddress),
    pending: marked.filter(({ comment }) => comment === pendingNetworkMark(name)).sort(byAddress),
  };
}

/** Tells whether a network is one that `findNamedNetworks` calls complete. */
export function isComplete(network: Network, name: string): boolean {
  const isNamed =
    namedInComment(network.comment) === shortNetworkName(name) ||
    attributedNames(network).includes(attributedName(name));
  return isNamed && !isIncomplete(network, name);
}

function isIncomplete({ comment }: Network, name: string): boolean {
  return comment === pendingNetworkMark(name) || comment === yieldedNetworkMark(name);
}

/** Reads the names that a network has in its extensible attribute, which may be a list. */
export function attributedNames({ extattrs }: Network): string[] {
  const value = extattrs[networkNameAttribute]?.value;
  return value === undefined ? [] : [value].flat().map(String);
}

/**
 * Orders the complete networks of a name as they come into question: those inside the network containers before all others,
 * then those that this host has leases in, then by address, so that hosts without leases agree.
 */
export function byPreference<N extends Network>(
  complete: readonly N[],
  { name, view, place }: SpecOf<'container'>,
  leases: Pick<BoundLeases, 'hasBoundIn'>,
): N[] {
  if (complete.length < 2) return [...complete];
  const ranked = complete.map((network) => {
    const cidr = cidrOf(network);
    const isLeased = leases.hasBoundIn({ name: shortNetworkName(name), view, cidr });
    return { network, rank: (isInAny(place.containers, cidr) ? 0 : 2) + (isLeased ? 0 : 1) };
  });
  // Equal ones keep their order, by address.
  return ranked.sort((one, other) => one.rank - other.rank).map(({ network }) => network);
}

/**
 * Refuses a network that lies in none of the containers: whoever may create networks on the grid can give any of them a name.
 * @throws GridError `network-conflict`
 */
export function refuseOutsideContainers(network: Network, { name, view, place }: SpecOf<'container'>): void {
  const cidr = cidrOf(network);
  if (isInAny(place.containers, cidr)) return;
  const containers = place.containers.map(({ text }) => text).join(', ');
  throw new GridError(
    'network-conflict',
    `network ${name} is ${cidr.text} in view ${view}, outside the network containers ${containers}`,
    {
      hint: `if that network is meant, set subnet to ${cidr.text} or name a container of it in network-container; else take the name off it, in its comment and its extensible attribute "${networkNameAttribute}"`,
    },
  );
}

/** The complete networks of a name, the lowest address first, and the CIDR of the one that this host uses. */
interface NetworksInUse {
  readonly complete: readonly Network[];
  readonly used: string | undefined;
}

/** Says that several networks have one name. @returns undefined if there is no more than one */
export function duplicateError(
  { complete, used }: NetworksInUse,
  { name, view }: Pick<NetworkSpec, 'name' | 'view'>,
): GridError | undefined {
  if (complete.length < 2) return undefined;
  const all = complete.map(({ network }) => network);
  const listed = `${all.slice(0, -1).join(', ')} and ${all.at(-1)}`;
  return new GridError('network-conflict', `network ${name} is ${listed} in view ${view}; this host uses ${used}`, {
    hint: `leave the name to one of them: take it out of the comment and the extensible attribute "${networkNameAttribute}" of the others, those in which the fewest containers have addresses`,
  });
}

/** Raises the condition of a name that several networks have, or ends it. */
export function noteDuplicates(conditions: Conditions, networks: NetworksInUse, spec: NetworkSpec): void {
  const error = duplicateError(networks, spec);
  if (error === undefined) conditions.clear('network-duplicate', nameInView(spec));
  else conditions.raise('network-duplicate', error, { subject: nameInView(spec) });
}

/** Tells whether several networks had the name when that was last seen. */
export function hasDuplicates(conditions: Conditions, spec: NetworkSpec): boolean {
  return conditions.find('network-duplicate', nameInView(spec)) !== undefined;
}

function nameInView({ name, view }: NetworkSpec): string {
  return `${name} (view ${view})`;
}

function isInAny(containers: readonly Cidr[], cidr: Cidr): boolean {
  return containers.some((container) => isInside(cidr, container));
}

/** Reads where a network lies. @throws GridError `bad-answer` if the grid does not say it */
export function cidrOf({ network }: Network): Cidr {
  const cidr = parseCidr(network);
  if (cidr === undefined) throw new GridError('bad-answer', `the grid calls a network "${network}"`);
  return cidr;
}

function byAddress(one: Network, other: Network): number {
  const base = ({ network }: Network) => parseCidr(network)?.base ?? '0.0.0.0';
  return compareAddresses(base(one), base(other));
}
