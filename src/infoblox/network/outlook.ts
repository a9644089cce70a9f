/** Previews the network of the next ADD: the same reads and refusals, no writes. */
import type { Cidr } from '../address.ts';
import type { GridError } from '../errors.ts';
import type { Grid } from '../grid.ts';
import { refuseStrayGateway } from './fit.ts';
import { byPreference, duplicateError, findNamedNetworks, refuseOutsideContainers } from './named-networks.ts';
import { noContainer, noRoom, refuseNextNetwork } from './next-network.ts';
import type { NetworkSpec, SpecOf } from './spec.ts';
import { findSubnet, refuseNewSubnet } from './subnet.ts';
import { type NetworkReadDeps, refuseRenamedView } from './views.ts';

export type NetworkOutlook =
  | {
      readonly kind: 'found';
      readonly cidr: Cidr;
      /** Other networks have its name, too. */
      readonly duplicate?: GridError | undefined;
    }
  /** Another host is setting it up. */
  | { readonly kind: 'pending' }
  /**
   * It would be created: the configured subnet, or the next network of a container, which may have to be created, too.
   */
  | { readonly kind: 'absent'; readonly room?: { readonly container: Cidr; readonly exists: boolean } };

/**
 * Predicts what an ADD would do about the network of a spec.
 * @throws GridError of the ADD: `network-conflict`, `no-free-network`, `invalid-spec`, or the grid's answer
 */
export async function outlookOf(
  deps: NetworkReadDeps,
  spec: NetworkSpec,
  signal: AbortSignal,
): Promise<NetworkOutlook> {
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
  const viewExists = await refuseRenamedView(deps, { spec }, signal);
  const room = await findRoom(deps.grid, byName, signal);
  refuseNextNetwork(byName, { viewExists, container: room.container, containerExists: room.exists });
  return { kind: 'absent', room };
}

/**
 * Finds the container of the next network; takes none.
 * @returns whether the container exists; if not, an ADD would create it
 * @throws GridError `no-free-network`, or `network-conflict` if something else has its place
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
