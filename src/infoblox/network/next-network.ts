/** Creates the next free network of network containers, pending for a name. */
import type { Cidr } from '../address.ts';
import { GridError, hasReason, mayExist } from '../errors.ts';
import type { Grid, Surroundings } from '../grid.ts';
import { pendingNetworkMark } from '../mark.ts';
import { refuseCreation } from './creation.ts';
import { refuseStrayGateway } from './fit.ts';
import type { SpecOf } from './spec.ts';
import { createView, type NetworkDeps, refuseRenamedView } from './views.ts';

/** Whether the objects exist that a network needs. */
interface Existing {
  readonly viewExists: boolean;
  /** The first container only; the others are looked up when those before them are full. */
  readonly containerExists: boolean;
}

/**
 * Reads concurrently whether the view and the first container exist.
 * @throws GridError
 */
export async function readSurroundings(
  grid: Grid,
  { view, place }: SpecOf<'container'>,
  signal: AbortSignal,
): Promise<Existing> {
  const [viewExists, containerExists] = await Promise.all([
    grid.exists({ view }, signal),
    grid.exists({ container: place.containers[0], view }, signal),
  ]);
  return { viewExists, containerExists };
}

/**
 * Creates the next free network of the first container that has one. The grid finds and creates it in one request:
 * between two requests another network could take the place, and a network with another inside becomes a container and
 * loses its addresses (NIOS 9.0 documentation, "Adding IPv4 Networks").
 * @param wanted `known`: earlier results of reads
 * @returns the CIDR; undefined if it is unknown whether it was created
 * @throws GridError `no-free-network` if all containers are full; `network-conflict` if the view was renamed or a
 * container is something else; `invalid-spec` if the gateway fits into none of their networks
 */
export async function createNextNetwork(
  deps: NetworkDeps,
  { spec, known }: { readonly spec: SpecOf<'container'>; readonly known: Existing | undefined },
  signal: AbortSignal,
): Promise<Cidr | undefined> {
  const { grid, log } = deps;
  const { name, view, place } = spec;
  const { containers, prefixLength } = place;
  refuseStrayGateway(spec);
  const [viewExists, firstExists] = await Promise.all([
    refuseRenamedView(deps, { spec, known }, signal),
    known?.containerExists ?? grid.exists({ container: containers[0], view }, signal),
  ]);
  refuseNextNetwork(spec, { viewExists, container: containers[0], containerExists: firstExists });
  if (!viewExists) await createView(deps, view, signal);
  for (const [index, container] of containers.entries()) {
    const exists = index === 0 ? firstExists : await grid.exists({ container, view }, signal);
    refuseNextNetwork(spec, { viewExists: true, container, containerExists: exists });
    if (!exists) await createContainer(deps, { container, view }, signal);
    try {
      const source = { view, nextOf: container, prefixLength };
      const cidr = await grid.createNetwork({ source, name, comment: pendingNetworkMark(name) }, signal);
      log.info('created on the grid', { kind: 'network', name: cidr.text, view });
      return cidr;
    } catch (error) {
      if (hasReason(error, 'no-free-network')) continue;
      // Another host was faster, or the answer was lost: the next look tells.
      if (!mayExist(error)) throw error;
      return undefined;
    }
  }
  throw noRoom(spec);
}

/**
 * Refuses to create missing objects of the next network if that is not allowed.
 * @throws GridError `network-conflict`
 */
export function refuseNextNetwork(spec: SpecOf<'container'>, seen: Existing & { readonly container: Cidr }): void {
  const { viewExists, container, containerExists } = seen;
  refuseCreation(spec, [
    ...(viewExists ? [] : [{ kind: 'network view' } as const]),
    ...(containerExists ? [] : [{ kind: 'network container', cidr: container } as const]),
    { kind: 'next network', prefixLength: spec.place.prefixLength, container },
  ]);
}

/** Makes the error for full containers. */
export function noRoom({ name, view, place }: SpecOf<'container'>): GridError {
  const tried = place.containers.map(({ text }) => text).join(', ');
  const what = `no free /${place.prefixLength} network for ${name} in ${tried} (view ${view})`;
  return new GridError('no-free-network', what, {
    hint: 'add a container to network-container, choose a longer prefix-length, or remove networks that are not used',
  });
}

/**
 * Creates a network container.
 * @throws GridError `network-conflict` if another object has its place
 */
async function createContainer(
  { grid, log }: Pick<NetworkDeps, 'grid' | 'log'>,
  wanted: Required<Surroundings>,
  signal: AbortSignal,
): Promise<void> {
  const { container, view } = wanted;
  try {
    await grid.create(wanted, signal);
    log.info('created on the grid', { kind: 'network container', name: container.text, view });
  } catch (error) {
    if (!mayExist(error)) throw error;
    if (await grid.exists(wanted, signal)) return;
    throw noContainer(wanted, error);
  }
}

/** Makes the error for an object that is not a network container. */
export function noContainer({ container, view }: Required<Surroundings>, cause?: unknown): GridError {
  return new GridError('network-conflict', `${container.text} in view ${view} is not a network container`, {
    hint: 'name a network container in network-container, or use its network as subnet',
    cause,
  });
}
