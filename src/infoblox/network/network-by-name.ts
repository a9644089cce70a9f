/**
 * A network for a name, taken from network containers: all hosts that use the name share one network, also when many of
 * them start at the same instant.
 *
 * The grid has no lock, so agreement is made of two facts: a network's CIDR is unique in its view, and reads see every
 * write that was answered before. A creator marks its network as being set up, then looks at all networks of the name:
 *  - one that is complete is there: use it, remove mine;
 *  - mine is the only one: complete it (of two creators each looks after its own create, so at most one sees itself
 *    alone);
 *  - others are being set up too: the one with the lowest address waits for them to yield, all others yield.
 * Nobody takes addresses from a network that is not complete, so yielding deletes nothing that is in use.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type Cidr, parseCidr } from '../address.ts';
import { type ExtensibleAttributes, networkNameAttribute } from '../attributes.ts';
import { GridError, hasReason, mayExist } from '../errors.ts';
import { namedInComment, networkMark, pendingNetworkMark, shortNetworkName } from '../mark.ts';
import { beginsWith, type WapiClient } from '../wapi/client.ts';
import type { Network } from '../wapi/schemas.ts';
import { ensureView } from './views.ts';

/** Milliseconds after which a network that is still being set up belongs to a creator that died. */
const abandonedAfter = 8_000;
const firstPause = 40;
const longestPause = 800;

export interface NamedNetworkRequest {
  readonly grid: WapiClient;
  readonly labels: ExtensibleAttributes;
  readonly name: string;
  readonly view: string;
  readonly containers: readonly Cidr[];
  /** Bits. */
  readonly prefixLength: number;
  /** Throws, or rejects, if no network must be made, only found. */
  readonly beforeMaking?: () => Promise<void>;
}

/**
 * The network of that name, found or made.
 * @throws GridError `no-free-network` when all containers are full, or what the grid answered
 */
export async function findOrMakeNetwork(request: NamedNetworkRequest, signal: AbortSignal): Promise<Network> {
  const { name, view } = request;
  /** CIDRs that this call has created and not yielded. */
  const mine = new Set<string>();
  let pause = firstPause;
  let waitingSince = performance.now();
  let seen = '';
  for (;;) {
    const { complete, beingSetUp } = await findNamedNetworks(request, signal);
    const [found] = complete;
    const own = beingSetUp.find((network) => mine.has(network.network));
    if (found !== undefined) {
      for (const network of beingSetUp) if (mine.has(network.network)) await yieldNetwork(request, network, signal);
      return found;
    }
    if (own !== undefined && beingSetUp.length === 1) {
      const sealed = await seal(request, own, signal);
      if (sealed !== undefined) return sealed;
      continue;
    }
    if (own !== undefined && beingSetUp[0] !== own) {
      await yieldNetwork(request, own, signal);
      // Another host may create its network in the same place.
      mine.delete(own.network);
      continue;
    }
    if (beingSetUp.length === 0 && (await createUnlessFull(request, mine, signal))) continue;
    // Others are at work: wait for them as long as something changes.
    const state = beingSetUp.map((network) => network.network).join();
    if (state !== seen) {
      seen = state;
      waitingSince = performance.now();
    } else if (performance.now() - waitingSince > abandonedAfter) {
      const [lowest, ...rest] = beingSetUp;
      for (const network of rest) await yieldNetwork(request, network, signal);
      const sealed = lowest === undefined ? undefined : await seal(request, lowest, signal);
      if (sealed !== undefined) return sealed;
    }
    await delay(pause * (0.75 + Math.random() / 2), undefined, { signal }).catch(() => {
      throw new GridError('timeout', `network ${name} in view ${view} is still being set up by another host`);
    });
    pause = Math.min(pause * 1.6, longestPause);
  }
}

/** Networks that carry the name, in our comment or in the label that administrators and the original driver use. */
export interface NamedNetworks {
  /** The lowest address first. */
  readonly complete: readonly Network[];
  /** Marked as such and nothing more; the lowest address first. */
  readonly beingSetUp: readonly Network[];
}

/** Looks for them. What people have added to our comment does not matter: the search is by its beginning. */
export async function findNamedNetworks(
  { grid, labels, name, view }: Pick<NamedNetworkRequest, 'grid' | 'labels' | 'name' | 'view'>,
  signal: AbortSignal,
): Promise<NamedNetworks> {
  const unsealed = pendingNetworkMark(name);
  const query = { 'comment~': beginsWith(networkMark(name)), network_view: view };
  const marked = (await grid.findNetworks(query, signal)).filter(
    ({ comment }) => namedInComment(comment) === shortNetworkName(name),
  );
  // A network that is completed between the two searches shows up in both lists, never in none.
  const labelled = await findLabelled(grid, labels, name, view, signal);
  const complete = new Map(
    [...marked, ...labelled].filter(({ comment }) => comment !== unsealed).map((network) => [network._ref, network]),
  );
  return {
    complete: [...complete.values()].sort(byAddress),
    beingSetUp: marked.filter(({ comment }) => comment === unsealed).sort(byAddress),
  };
}

async function findLabelled(
  grid: WapiClient,
  labels: ExtensibleAttributes,
  name: string,
  view: string,
  signal: AbortSignal,
) {
  if (!labels.mayUse(networkNameAttribute)) return [];
  try {
    return await grid.findNetworks({ [`*${networkNameAttribute}`]: name, network_view: view }, signal);
  } catch (error) {
    if (!hasReason(error, 'unknown-attribute')) throw error;
    labels.refuse(networkNameAttribute);
    return [];
  }
}

/** As `create`; a container that others fill for this moment, with networks of this name, is not exhausted. */
async function createUnlessFull(request: NamedNetworkRequest, mine: Set<string>, signal: AbortSignal) {
  try {
    return await create(request, mine, signal);
  } catch (error) {
    if (!hasReason(error, 'no-free-network')) throw error;
    const { complete, beingSetUp } = await findNamedNetworks(request, signal);
    if (complete.length === 0 && beingSetUp.length === 0) throw error;
    return true;
  }
}

/**
 * Creates the next free network of the first container that has one. The grid looks for it and creates it in one
 * request: between two, another one could be put there, and a network that gets one inside itself loses its addresses.
 * @returns false when it is not known whether there is one now
 */
async function create(request: NamedNetworkRequest, mine: Set<string>, signal: AbortSignal): Promise<boolean> {
  const { grid, labels, name, view, containers, prefixLength } = request;
  await request.beforeMaking?.();
  await ensureView(grid, view, signal);
  for (const container of containers) {
    await ensureContainer(request, container, signal);
    try {
      const next = `func:nextavailablenetwork:${container.text},${view},${prefixLength}`;
      const labelled = () => labels.forNetwork(name);
      const made = await grid.createNetwork(next, view, pendingNetworkMark(name), labelled, signal);
      mine.add(made.network);
      return true;
    } catch (error) {
      if (hasReason(error, 'no-free-network')) continue;
      // Another host was faster, or the answer was lost: the next look tells.
      if (!mayExist(error)) throw error;
      return false;
    }
  }
  const tried = containers.map((container) => container.text).join(', ');
  throw new GridError('no-free-network', `no free /${prefixLength} network for ${name} in ${tried} (view ${view})`, {
    hint: 'add a container to network-container, choose a longer prefix-length, or remove networks that are not used',
  });
}

async function ensureContainer(request: NamedNetworkRequest, container: Cidr, signal: AbortSignal): Promise<void> {
  const { grid, view } = request;
  const query = { network: container.text, network_view: view };
  if ((await grid.findReferences('networkcontainer', query, signal)).length > 0) return;
  try {
    await grid.createContainer(container.text, view, signal);
  } catch (error) {
    if (!mayExist(error)) throw error;
  }
  if ((await grid.findReferences('networkcontainer', query, signal)).length > 0) return;
  throw new GridError('network-conflict', `${container.text} in view ${view} is not a network container`, {
    hint: 'name a network container in network-container, or use its network as subnet',
  });
}

/** Undefined if the network is gone: it took so long that another host took it for abandoned. */
async function seal(request: NamedNetworkRequest, network: Network, signal: AbortSignal): Promise<Network | undefined> {
  const comment = networkMark(request.name);
  try {
    await request.grid.setComment(network._ref, comment, signal);
    return { ...network, comment };
  } catch (error) {
    if (hasReason(error, 'missing')) return undefined;
    throw error;
  }
}

/** Removes a network that is still being set up, unless it is complete by now or addresses are reserved in it. */
async function yieldNetwork(request: NamedNetworkRequest, network: Network, signal: AbortSignal): Promise<void> {
  const { grid, name, view } = request;
  const query = { network: network.network, network_view: view };
  // A Grid Master Candidate may not know yet that it is complete, or in use.
  const [now] = await grid.findNetworks(query, signal, 'answer');
  if (now === undefined || now.comment !== pendingNetworkMark(name)) return;
  if ((await grid.findFixedAddresses(query, signal, 'answer')).length > 0) return;
  await grid.remove(now._ref, signal);
}

function byAddress(one: Network, other: Network): number {
  const key = (network: Network) =>
    parseCidr(network.network)
      ?.base.split('.')
      .map((part) => part.padStart(3, '0'))
      .join('.') ?? '';
  return key(one) < key(other) ? -1 : 1;
}
