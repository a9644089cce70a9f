/** The network of a configured subnet: found, or created if nothing overlaps it. */
import { attributedName, networkNameAttribute } from '../attributes.ts';
import { GridError, hasReason, mayExist } from '../errors.ts';
import type { Grid, Network } from '../grid.ts';
import { namedInComment, networkMark, shortNetworkName } from '../mark.ts';
import { refuseCreation } from './creation.ts';
import { findNamedNetworks } from './named-networks.ts';
import type { SpecOf } from './spec.ts';
import { createView, type FoundNetwork, type NetworkDeps, type NetworkReadDeps, refuseRenamedView } from './views.ts';

/**
 * Finds or creates the network of a subnet. All reads that decide about a write precede it; independent reads run
 * concurrently.
 * @throws GridError `network-conflict` if the name or the place is another network's, or the view was renamed; else the
 * grid's answer
 */
export async function findOrCreateSubnet(
  deps: NetworkDeps,
  spec: SpecOf<'subnet'>,
  signal: AbortSignal,
): Promise<FoundNetwork> {
  const { grid, log } = deps;
  const { name, view, place } = spec;
  let found = await findSubnet(grid, spec, signal);
  for (let tries = 0; found === undefined; tries += 1) {
    if (!(await refuseNewSubnet(deps, spec, signal))) await createView(deps, view, signal);
    try {
      const source = { view, cidr: place.cidr };
      const cidr = await grid.createNetwork({ source, name, comment: networkMark(name) }, signal);
      log.info('created on the grid', { kind: 'network', name: cidr.text, view });
      return { cidr, isNew: true };
    } catch (error) {
      // Another host was faster, or the answer was lost: look for the network.
      if (!mayExist(error) || tries > 0) throw asConflict(error, spec);
      found = await findSubnet(grid, spec, signal);
    }
  }
  return { cidr: found.cidr, isNew: false };
}

/**
 * Finds the network of a subnet.
 * @throws GridError `network-conflict` if the name or the place is another network's
 */
export async function findSubnet(
  grid: Grid,
  spec: SpecOf<'subnet'>,
  signal: AbortSignal,
): Promise<Network | undefined> {
  const [{ complete }, found] = await Promise.all([
    findNamedNetworks(grid, spec, signal),
    grid.networkAt({ cidr: spec.place.cidr, view: spec.view }, signal),
  ]);
  refuseOtherNetwork(complete, spec);
  if (found !== undefined) refuseOtherName(found, spec);
  return found;
}

/**
 * Refuses to create the network of a subnet if there is a conflict.
 * @returns whether its view exists
 * @throws GridError `network-conflict` if it overlaps another network, or the view was renamed
 */
export async function refuseNewSubnet(
  deps: NetworkReadDeps,
  spec: SpecOf<'subnet'>,
  signal: AbortSignal,
): Promise<boolean> {
  const [viewExists] = await Promise.all([
    refuseRenamedView(deps, { spec }, signal),
    refuseOverlap(deps.grid, spec, signal),
  ]);
  // Hosts with blocks share the intervals in them; otherwise the grid gets a range of each.
  const ranges = spec.blockSize > 0 ? [] : spec.part.intervals;
  refuseCreation(spec, [
    ...(viewExists ? [] : [{ kind: 'network view' } as const]),
    { kind: 'network', cidr: spec.place.cidr },
    ...ranges.map((interval) => ({ kind: 'range', interval }) as const),
  ]);
  return viewExists;
}

/** Refuses a name that is another subnet's: one of the configurations must be wrong. */
function refuseOtherNetwork(named: readonly Network[], { name, view, place }: SpecOf<'subnet'>): void {
  const { text } = place.cidr;
  const [other] = named;
  if (other === undefined || named.some(({ cidr }) => cidr.text === text)) return;
  throw new GridError('network-conflict', `network ${name} is ${other.cidr.text} in view ${view}, not ${text}`, {
    hint: 'give the configuration another name, or the subnet that the grid has for this one',
  });
}

/**
 * Returns a network's name, in attribute or comment, if it differs from the expected one. A network without a name is
 * an administrator's and may be used.
 */
export function otherNameOf({ names, comment }: Network, name: string): string | undefined {
  if (names.length > 0) return names.includes(attributedName(name)) ? undefined : names[0];
  const inComment = namedInComment(comment);
  return inComment === shortNetworkName(name) ? undefined : inComment;
}

function refuseOtherName(network: Network, { name, view }: SpecOf<'subnet'>): void {
  const other = otherNameOf(network, name);
  if (other === undefined) return;
  throw new GridError(
    'network-conflict',
    `network ${network.cidr.text} in view ${view} belongs to the network name ${other}, not ${name}`,
    {
      hint: `give the configuration that name or another subnet, or correct the extensible attribute "${networkNameAttribute}" or the comment of that network in the grid`,
    },
  );
}

/**
 * Refuses overlapping networks: a network inside another turns that one into a container, and its reservations are lost
 * (NIOS 9.0 documentation, "Adding IPv4 Networks").
 */
async function refuseOverlap(grid: Grid, { view, place }: SpecOf<'subnet'>, signal: AbortSignal): Promise<void> {
  const [other] = await grid.networksOverlapping(place.cidr, view, signal);
  if (other === undefined) return;
  throw new GridError('network-conflict', `${place.cidr.text} overlaps the network ${other.text} in view ${view}`, {
    hint: `use ${other.text}, or a subnet of its own`,
  });
}

function asConflict(error: unknown, { view, place }: SpecOf<'subnet'>): unknown {
  if (!hasReason(error, 'conflict')) return error;
  return new GridError('network-conflict', `cannot create ${place.cidr.text} in view ${view}: ${error.message}`, {
    hint: 'the grid has something else there, a network container say: choose another subnet',
    cause: error,
  });
}
