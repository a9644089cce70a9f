/** The networks of a network name, complete or still being set up, and the choice among them. */
import { type Cidr, compareAddresses, isPartOf } from '../address.ts';
import { attributedName, networkNameAttribute } from '../attributes.ts';
import type { Conditions } from '../conditions.ts';
import { GridError } from '../errors.ts';
import type { Grid, Network } from '../grid.ts';
import { namedInComment, pendingNetworkMark, shortNetworkName, yieldedNetworkMark } from '../mark.ts';
import { familyOfSpec } from './sets.ts';
import type { NetworkSpec, SpecOf } from './spec.ts';
import { type BoundLeases, hasLeaseIn } from './views.ts';

export interface NamedNetworks {
  /** Lowest address first, or the preferred one. */
  readonly complete: readonly Network[];
  /** Created for the name and not confirmed yet; lowest address first. */
  readonly pending: readonly Network[];
}

/**
 * Finds the networks of a spec's name, of its family and in its view, except those that other sources of the
 * configuration name. Text that people add to the comment does not matter. A network that is confirmed during the search
 * is in at least one of the lists.
 */
export async function findNamedNetworks(grid: Grid, spec: NetworkSpec, signal: AbortSignal): Promise<NamedNetworks> {
  const { name, view, others } = spec;
  const all = await grid.networksNamed(name, { view, family: familyOfSpec(spec) }, signal);
  const found = all.filter(({ cidr }) => others.every(({ text }) => text !== cidr.text));
  return {
    complete: inOrder(found.filter((network) => isComplete(network, name))),
    pending: inOrder(found.filter(({ comment }) => comment === pendingNetworkMark(name))),
  };
}

/** Tells whether a network has a name and is neither pending nor given up. */
export function isComplete({ comment, names }: Network, name: string): boolean {
  if (comment === pendingNetworkMark(name) || comment === yieldedNetworkMark(name)) return false;
  return namedInComment(comment) === shortNetworkName(name) || names.includes(attributedName(name));
}

/**
 * Orders the complete networks of a name by preference: those inside the network containers, then those in which this
 * host has leases, then by address, so that hosts without leases agree.
 */
export function byPreference(complete: readonly Network[], spec: SpecOf<'container'>, leases: BoundLeases): Network[] {
  if (complete.length < 2) return [...complete];
  const ranked = complete.map((network) => {
    const { cidr } = network;
    return { network, rank: (isInAny(spec.place.containers, cidr) ? 0 : 2) + (hasLeaseIn(leases, spec, cidr) ? 0 : 1) };
  });
  // Networks of equal rank keep their order, by address.
  return ranked.sort((one, other) => one.rank - other.rank).map(({ network }) => network);
}

/**
 * Refuses a network outside the containers: everyone who may create networks on the grid can give one this name.
 * @throws GridError `network-conflict`
 */
export function refuseOutsideContainers({ cidr }: Network, { name, view, place }: SpecOf<'container'>): void {
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

/** The complete networks of a name, lowest address first, and the CIDR of the one that this host uses. */
interface NetworksInUse {
  readonly complete: readonly Network[];
  readonly used: string | undefined;
}

/**
 * Makes the error for several networks with one name.
 * @returns undefined if there is at most one
 */
export function duplicateError(
  { complete, used }: NetworksInUse,
  { name, view }: Pick<NetworkSpec, 'name' | 'view'>,
): GridError | undefined {
  if (complete.length < 2) return undefined;
  const all = complete.map(({ cidr }) => cidr.text);
  const listed = `${all.slice(0, -1).join(', ')} and ${all.at(-1)}`;
  return new GridError('network-conflict', `network ${name} is ${listed} in view ${view}; this host uses ${used}`, {
    hint: `leave the name to one of them: take it out of the comment and the extensible attribute "${networkNameAttribute}" of the others, those in which the fewest containers have addresses`,
  });
}

/** Raises or clears the condition for several networks with one name. */
export function noteDuplicates(conditions: Conditions, networks: NetworksInUse, spec: NetworkSpec): void {
  const error = duplicateError(networks, spec);
  if (error === undefined) conditions.clear('network-duplicate', nameInView(spec));
  else conditions.raise('network-duplicate', error, { subject: nameInView(spec) });
}

/** Tells whether several networks had the name at the last look. */
export function hasDuplicates(conditions: Conditions, spec: NetworkSpec): boolean {
  return conditions.find('network-duplicate', nameInView(spec)) !== undefined;
}

/** Names the networks of a spec: the families have separate ones. */
function nameInView(spec: NetworkSpec): string {
  return `${spec.name} (view ${spec.view}${familyOfSpec(spec) === 6 ? ', IPv6' : ''})`;
}

function isInAny(containers: readonly Cidr[], cidr: Cidr): boolean {
  return containers.some((container) => isPartOf(cidr, container));
}

/** Removes duplicates and sorts, lowest address first. */
function inOrder(networks: readonly Network[]): Network[] {
  const each = new Map(networks.map((network) => [network.cidr.text, network]));
  return [...each.values()].sort((one, other) => compareAddresses(one.cidr.first, other.cidr.first));
}
