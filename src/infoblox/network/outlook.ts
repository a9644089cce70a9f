/** What the next ADD would find, or have to create: the same reads and refusals as its own, and no write. */
import type { Cidr } from '../address.ts';
import type { GridError } from '../errors.ts';
import type { Grid } from '../grid.ts';
import { refuseStrayGateway } from './fit.ts';
import { byPreference, duplicateError, findNamedNetworks, refuseOutsideContainers } from './named-networks.ts';
import { noContainer, noRoom, refuseNextNetwork } from './next-network.ts';
import type { NetworkSpec, SpecOf } from './spec.ts';
import { findSubnet, refuseNewSubnet } from './subnet.ts';
import type { NetworkDeps } from './views.ts';

type OutlookDeps = Omit<NetworkDeps, 'log'>;

export type NetworkOutlook =
  | {
      readonly kind: 'found';
      readonly cidr: Cidr;
      /** That others have its name, too. */
      readonly duplicate?: GridError | undefined;
    }
  /** Another host is setting it up. */
  | { readonly kind: 'pending' }
  /** It would be created: its subnet as configured, or the next one of a network container, that may have to be created, too. */
  | { readonly kind: 'absent'; readonly room?: { readonly container: Cidr; readonly exists: boolean } };

/**
 * Looks what an ADD would do about the network of a spec.
 * @throws GridError with which the ADD would fail: `network-conflict`, `no-free-network`, `invalid-spec`, or what the grid answers
 */
export async function outlookOf(deps: OutlookDeps, spec: NetworkSpec, signal: AbortSignal): Promise<NetworkOutlook> {
  const { place, ...rest } = spec;
  if (place.kind === 'subnet') {
    const subnet = { ...rest, place };
    const found = await findSubnet(deps.grid, subnet, signal);
    if (found !== undefined) return { kind: 'found', cidr: found.cidr };
    await refuseNewSubnet(deps, subnet, signal);
    return { kind: 'absent' };
  }
  const byName = { ...rest, place };
  const { complete, pending } = await findNamedNetworks(deps.grid, spec, signal);
  const preferred = byPreference(complete, byName, deps.leases);
  const [found] = preferred;
  const likely = found ?? pending[0];
  if (likely !== undefined) refuseOutsideContainers(likely, byName);
  if (found !== undefined) {
    const { cidr } = found;
    return { kind: 'found', cidr, duplicate: duplicateError({ complete, used: cidr.text }, spec) };
  }
  if (pending.length > 0) return { kind: 'pending' };
  refuseStrayGateway(spec);
  const viewExists = await deps.views.refuseRenamed(spec, signal);
  const room = await findRoom(deps.grid, byName, signal);
  refuseNextNetwork(byName, { viewExists, container: room.container, containerExists: room.exists });
  return { kind: 'absent', room };
}

/**
 * Finds the container that the next network would be taken from; takes none.
 * @returns whether it exists; if not, it would be created
 * @throws GridError `no-free-network`, or `network-conflict` if one of them is none
 */
async function findRoom(
  grid: Grid,
  spec: SpecOf<'container'>,
  signal: AbortSignal,
): Promise<{ readonly container: Cidr; readonly exists: boolean }> {
  const { view, place } = spec;
  for (const container of place.containers) {
    const source = { view, nextOf: container, prefixLength: place.prefixLength };
    const hasRoom = await grid.hasRoom(source, signal);
    if (hasRoom === true) return { container, exists: true };
    if (hasRoom === false) continue;
    if ((await grid.networkAt({ cidr: container, view }, signal)) !== undefined) throw noContainer({ container, view });
    return { container, exists: false };
  }
  throw noRoom(spec);
}
