/** The network of a configured subnet: found, or created where nothing overlaps it. */
import { type Cidr, overlaps, parseCidr } from '../address.ts';
import { attributedName, networkNameAttribute } from '../attributes.ts';
import { GridError, hasReason, mayExist } from '../errors.ts';
import { namedInComment, networkMark, shortNetworkName } from '../mark.ts';
import type { WapiClient } from '../wapi/client.ts';
import type { Network } from '../wapi/schemas.ts';
import { attributedNames, findNamedNetworks } from './named-networks.ts';
import type { SpecOf } from './spec.ts';
import type { FoundNetwork, NetworkDeps } from './views.ts';

/**
 * Finds or creates the network of a subnet. All reads that decide about a write come before it; those that do not need each
 * other's answer run side by side.
 * @throws GridError `network-conflict` if the name or the place is another network's, or the view was renamed; else what
 * the grid answered
 */
export async function findOrCreateSubnet(
  deps: NetworkDeps,
  spec: SpecOf<'subnet'>,
  signal: AbortSignal,
): Promise<FoundNetwork> {
  const { wapi, views } = deps;
  const { name, view, place } = spec;
  let found = await findSubnet(wapi, spec, signal);
  for (let tries = 0; found === undefined; tries += 1) {
    const { viewExists } = await refuseNewSubnet(deps, spec, signal);
    if (!viewExists) await views.create(view, signal);
    try {
      const wanted = { source: { cidr: place.cidr }, view, comment: networkMark(name), name };
      const network = await wapi.createNetwork(wanted, signal);
      return { network, isNew: true };
    } catch (error) {
      // Another host was faster, or the answer was lost: the network itself tells.
      if (!mayExist(error) || tries > 0) throw asConflict(error, spec);
      found = await findSubnet(wapi, spec, signal);
    }
  }
  return { network: found, isNew: false };
}

/**
 * Finds the network of a subnet.
 * @throws GridError `network-conflict` if the name or the place is another network's
 */
export async function findSubnet(
  wapi: WapiClient,
  spec: SpecOf<'subnet'>,
  signal: AbortSignal,
): Promise<Network | undefined> {
  const query = { network: spec.place.cidr.text, network_view: spec.view };
  const [{ complete }, [found]] = await Promise.all([
    findNamedNetworks(wapi, spec, signal),
    wapi.findNetworks(query, signal),
  ]);
  refuseOtherNetwork(complete, spec);
  if (found !== undefined) refuseOtherName(found, spec);
  return found;
}

/**
 * Refuses to create the network of a subnet where something stands against it.
 * @returns whether its view exists
 * @throws GridError `network-conflict` if it overlaps another network, or the view was renamed
 */
export async function refuseNewSubnet(
  { wapi, views }: NetworkDeps,
  spec: SpecOf<'subnet'>,
  signal: AbortSignal,
): Promise<{ readonly viewExists: boolean }> {
  const [viewExists] = await Promise.all([views.refuseRenamed(spec, signal), refuseOverlap(wapi, spec, signal)]);
  return { viewExists };
}

/** Two networks of one name and different subnets are a mistake in one of the configurations. */
function refuseOtherNetwork(named: readonly Network[], { name, view, place }: SpecOf<'subnet'>): void {
  const { text } = place.cidr;
  const [other] = named;
  if (other === undefined || named.some(({ network }) => network === text)) return;
  throw new GridError('network-conflict', `network ${name} is ${other.network} in view ${view}, not ${text}`, {
    hint: 'give the configuration another name, or the subnet that the grid has for this one',
  });
}

/**
 * Reads the name that a network has, in attribute or comment, instead of the expected one. One without any is an
 * administrator's, and may be used.
 */
export function otherNameOf(network: Network, name: string): string | undefined {
  const inAttribute = attributedNames(network);
  if (inAttribute.length > 0) return inAttribute.includes(attributedName(name)) ? undefined : inAttribute[0];
  const inComment = namedInComment(network.comment);
  return inComment === shortNetworkName(name) ? undefined : inComment;
}

function refuseOtherName(network: Network, { name, view }: SpecOf<'subnet'>): void {
  const other = otherNameOf(network, name);
  if (other === undefined) return;
  throw new GridError(
    'network-conflict',
    `network ${network.network} in view ${view} belongs to the network name ${other}, not ${name}`,
    {
      hint: `give the configuration that name or another subnet, or correct the extensible attribute "${networkNameAttribute}" or the comment of that network in the grid`,
    },
  );
}

/**
 * A network inside a network turns the outer one into a container, and its reservations are gone (NIOS 9.0
 * documentation, "Adding IPv4 Networks"); so neither is created when the other is there.
 */
async function refuseOverlap(wapi: WapiClient, { view, place }: SpecOf<'subnet'>, signal: AbortSignal): Promise<void> {
  const { cidr } = place;
  const outer = async () => {
    const query = { contains_address: cidr.base, network_view: view };
    for (const { network } of await wapi.findNetworks(query, signal)) refuseIfOverlapping(network, cidr, view);
  };
  const inner = async () => {
    const octets = cidr.base.split('.').slice(0, Math.floor(cidr.prefix / 8));
    const inside = octets.length === 0 ? {} : { 'network~': `^${octets.join('\\.')}\\.` };
    for await (const network of wapi.listNetworks({ ...inside, network_view: view }, signal)) {
      refuseIfOverlapping(network, cidr, view);
    }
  };
  await Promise.all([outer(), inner()]);
}

function refuseIfOverlapping(network: string, cidr: Cidr, view: string): void {
  const other = parseCidr(network);
  if (other === undefined || other.text === cidr.text || !overlaps(other, cidr)) return;
  throw new GridError('network-conflict', `${cidr.text} overlaps the network ${network} in view ${view}`, {
    hint: `use ${network}, or a subnet of its own`,
  });
}

function asConflict(error: unknown, { view, place }: SpecOf<'subnet'>): unknown {
  if (!hasReason(error, 'conflict')) return error;
  return new GridError('network-conflict', `cannot create ${place.cidr.text} in view ${view}: ${error.message}`, {
    hint: 'the grid has something else there, a network container say: choose another subnet',
    cause: error,
  });
}
