/**
 * Takes a block for this host: lists the ranges of the network, chooses a free place, looks at it, and creates a range there under a mark
 * that was recorded durably before. visit.ts then checks that no other range overlaps it before it serves.
 */
import { createHash } from 'node:crypto';
import { type Interval, intersect, sizeOf } from '../../address.ts';
import { ofNetwork } from '../../attributes.ts';
import { GridError, hasReason } from '../../errors.ts';
import { type Range, shownBest } from '../../grid.ts';
import type { Host } from '../../host.ts';
import { beginsAs, blockMark, parseBlockMark, shortNetworkName } from '../../mark.ts';
import type { ReadyNetwork } from '../../network/networks.ts';
import { areShared } from '../../network/ranges.ts';
import { isBlockSize } from '../../network/spec.ts';
import { type Block, type BlockIdentity, blockCreateInDoubt, foreign, intervalOf, take } from './block.ts';
import { choosePlace, groundOf, isUnusedEnough } from './place.ts';
import type { VisitDeps } from './visit.ts';

/** Milliseconds for taking a block, or for one visit: on a slow grid each of their requests may take half a minute. */
export const attemptTimeoutMs = 240_000;
/** Places tried for one block. */
const maxPlaces = 4;

interface Wanted {
  /** The network's name. */
  readonly name: string;
  readonly network: ReadyNetwork;
}

/**
 * Takes a block. After a lost answer it may or may not exist.
 * @throws GridError `no-free-network` if there is no free place; `conflict` if other hosts were faster; `missing` if the network is no
 * longer shared in blocks; `network-conflict` if a part of it is a foreign range; or the grid's error
 */
export async function takeBlock(deps: VisitDeps, { name, network }: Wanted, signal: AbortSignal): Promise<void> {
  const { grid, blocks, host, moment } = deps;
  const { view, cidr, blockSize: size } = network;
  const ranges = await shownBest((confirm) => grid.ranges({ network: cidr, view, confirm }, signal));
  adoptLost(deps, ranges);
  const ground = groundOf(network, ranges);
  const isShared = ground.shared.length > 0;
  if (isShared && !areShared(ground.shared, ranges, { name, takesBlocks: true })) {
    throw new GridError(
      'missing',
      `hosts no longer share network ${name} in blocks: the grid has one range for the whole`,
    );
  }
  const tried: Interval[] = [];
  let isContested = false;
  while (tried.length < maxPlaces) {
    const place = choosePlace({ ...ground, ranges: [...ranges, ...tried] }, host.random());
    if (place === undefined) break;
    tried.push(place);
    const where = { network: cidr, view };
    const occupants = await shownBest((confirm) => grid.occupants(place, { ...where, confirm }, signal));
    const { first } = place;
    const identity = { mark: newMark(deps, name), network: shortNetworkName(name), view, cidr: cidr.text, first, size };
    const block = take(identity, moment());
    if (!isUnusedEnough(occupants.length, size) || blocks.leasesIn(block).length > 0) continue;
    if (await create(deps, { block, network }, signal)) return;
    isContested = true;
  }
  // A waiting ADD may retry with other places.
  if (isContested || (isShared && tried.length === maxPlaces)) {
    throw new GridError('conflict', 'other hosts have taken the places that were tried, or use them');
  }
  throw new GridError('no-free-network', noPlaceText(isShared, tried.length), {
    hint: 'use a larger subnet or range, or a smaller block-size; infoblox-cni-daemon doctor shows the ranges',
  });
}

/** Tells whether a block can be taken, by a look at one place. @throws GridError */
export async function hasPlace(
  { grid, host }: VisitDeps,
  network: ReadyNetwork,
  signal: AbortSignal,
): Promise<boolean> {
  const { view, cidr, blockSize } = network;
  const where = { network: cidr, view };
  const place = choosePlace(groundOf(network, await grid.ranges(where, signal)), host.random());
  return place !== undefined && isUnusedEnough((await grid.occupants(place, where, signal)).length, blockSize);
}

/** Says why no block is available. @param tried number of places tried */
function noPlaceText(isShared: boolean, tried: number): string {
  if (tried === 0) return isShared ? 'ranges have all places in it' : 'ranges have all but a quarter of it';
  const places = tried < maxPlaces ? 'each place' : 'each place that was tried';
  return `${places} has addresses of this host, or more than a quarter of it is in use`;
}

/** Creates the range of a block. @returns false if another host was faster */
async function create(
  { grid, blocks, store, names, moment, log }: VisitDeps,
  { block, network }: { readonly block: Block; readonly network: ReadyNetwork },
  signal: AbortSignal,
): Promise<boolean> {
  const { mark, view } = block;
  const place = intervalOf(block);
  store.applyBlock(mark, () => block);
  await store.durable();
  const description = { comment: mark, name: `block of ${names.present.node}`, attributes: ofNetwork(block.network) };
  try {
    await grid.createRange({ ...place, network: network.cidr, view, ...description }, signal);
  } catch (error) {
    if (!(error instanceof GridError)) throw error;
    if (error.outcome !== 'none') {
      store.applyBlock(mark, (current) => current && blockCreateInDoubt(current, moment()));
      return true;
    }
    store.applyBlock(mark, () => undefined);
    blocks.forget(block);
    if (hasReason(error, 'conflict')) return false;
    throw error;
  }
  log.info('took a block of addresses', { block: mark, view, ...place });
  // The grid allows no overlap, so other recorded blocks at this place are gone.
  for (const other of store.blocks()) {
    if (other.mark === mark || other.view !== view || !intersect(intervalOf(other), place)) continue;
    store.applyBlock(other.mark, () => undefined);
    blocks.forget(other);
  }
  return true;
}

/** Records blocks of this machine that a lost state had taken. */
function adoptLost({ store, names, host }: VisitDeps, ranges: readonly Range[]): void {
  const ours = { ...names.present, of: 'blocks' } as const;
  for (const range of ranges) {
    const identity = beginsAs(range.comment, ours) ? identityOf(range) : undefined;
    if (identity === undefined || parseBlockMark(identity.mark)?.machine !== machineOf(host)) continue;
    store.applyBlock(identity.mark, (known) => known ?? foreign(identity, lostIn(host)));
  }
}

/**
 * Returns the boot in which a lost state may have assigned addresses. Without a boot ID, an operator must confirm that no container of it
 * is left.
 */
export function lostIn(host: Pick<Host, 'boot'>): Pick<Block, 'bootId' | 'uptime'> {
  const { bootId, uptime } = host.boot();
  return { bootId: bootId ?? '', uptime };
}

/** Converts a range to a block; undefined if it is not an unchanged block of this driver. */
export function identityOf({
  comment: mark,
  view,
  network,
  isReserved,
  ...interval
}: Range): BlockIdentity | undefined {
  const parsed = parseBlockMark(mark);
  const size = sizeOf(interval);
  if (parsed === undefined || !isReserved || !isBlockSize(size)) return undefined;
  return { mark, network: parsed.network, view, cidr: network.text, first: interval.first, size };
}

function newMark({ host, names }: VisitDeps, network: string): string {
  const digits = () =>
    Math.floor(host.random() * 0x10000)
      .toString(16)
      .padStart(4, '0');
  const id = Array.from({ length: 4 }, digits).join('');
  return blockMark({ origin: names.present, network, machine: machineOf(host), id });
}

/** Identifies the machine by its hardware, if known, which stays the same after a new installation of the system. */
function machineOf({ machine: { installation = '', hardware = installation } }: Pick<Host, 'machine'>): string {
  return createHash('sha256').update(hardware).digest('hex').slice(0, 8);
}
