/**
 * Takes a block for this host: the ranges of the network are listed, a place among them is chosen and looked at, and a range created
 * there, under a mark that was durable before. Whether it is this host's alone is found out before it serves: visit.ts.
 */
import { createHash } from 'node:crypto';
import { type Interval, intersect, sizeOf } from '../../address.ts';
import { ofNetwork } from '../../attributes.ts';
import { GridError, hasReason } from '../../errors.ts';
import type { Range } from '../../grid.ts';
import type { Host } from '../../host.ts';
import { beginsAs, blockMark, parseBlockMark, shortNetworkName } from '../../mark.ts';
import type { ReadyNetwork } from '../../network/networks.ts';
import { areShared } from '../../network/ranges.ts';
import { isBlockSize } from '../../network/spec.ts';
import { type Block, type BlockIdentity, blockCreateInDoubt, foreign, intervalOf, take } from './block.ts';
import { choosePlace, groundOf, isUnusedEnough } from './place.ts';
import type { VisitDeps } from './visit.ts';

/** Places that are tried at once for one block. */
const maxPlaces = 4;

interface Wanted {
  /** The network's name. */
  readonly name: string;
  readonly network: ReadyNetwork;
}

/**
 * Creates a block; perhaps, if the answer is lost.
 * @throws GridError `no-free-network` if there is no place for one; `conflict` if others were faster; `missing` if the network is not shared
 * in blocks any more, `network-conflict` if somebody else has a part of it; or what the grid answered
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
      `hosts share no blocks of network ${name} any more: the grid has a range of the whole`,
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
  // An ADD that waits for a block has further places tried.
  if (isContested || (isShared && tried.length === maxPlaces)) {
    throw new GridError('conflict', 'other hosts have taken the places that were tried, or use them');
  }
  throw new GridError('no-free-network', noPlaceText(isShared, tried.length), {
    hint: 'use a larger subnet or range, or a smaller block-size; infoblox-cni-daemon doctor says what is there',
  });
}

/** Says why no block can be had. @param tried places that were looked at */
function noPlaceText(isShared: boolean, tried: number): string {
  if (tried === 0) return isShared ? 'ranges have all places in it' : 'ranges have all but a quarter of it';
  const places = tried < maxPlaces ? 'each place' : 'each place that was tried';
  return `${places} has addresses of this host, or more than a quarter of it is in use`;
}

/** What the host shows that takes writes; what any shows if none is known: the create finds out which one does. */
async function shownBest<T>(look: (confirm: boolean) => Promise<T>): Promise<T> {
  try {
    return await look(true);
  } catch (error) {
    if (!hasReason(error, 'unconfirmed')) throw error;
    return look(false);
  }
}

/** @returns false if somebody else was faster */
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
  // The grid would have refused it beside another one, which is gone, then.
  for (const other of store.blocks()) {
    if (other.mark === mark || other.view !== view || !intersect(intervalOf(other), place)) continue;
    store.applyBlock(other.mark, () => undefined);
    blocks.forget(other);
  }
  return true;
}

/** Blocks of this machine that this state did not take: one that was lost has. */
function adoptLost({ store, names, host }: VisitDeps, ranges: readonly Range[]): void {
  const ours = { ...names.present, of: 'blocks' } as const;
  for (const range of ranges) {
    const identity = beginsAs(range.comment, ours) ? identityOf(range) : undefined;
    if (identity === undefined || parseBlockMark(identity.mark)?.machine !== machineOf(host)) continue;
    store.applyBlock(identity.mark, (known) => known ?? foreign(identity, lostIn(host)));
  }
}

/** In which boot addresses were given that only a state knows that is lost. If it cannot be told from others, a person has to say that no container is left of it. */
export function lostIn(host: Pick<Host, 'boot'>): Pick<Block, 'bootId' | 'uptime'> {
  const { bootId, uptime } = host.boot();
  return { bootId: bootId ?? '', uptime };
}

/** What a range is as a block; undefined if it is none that somebody has made with this program and left as it was. */
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

/** By its hardware if that is known: it stays the same when the system is installed anew. */
function machineOf({ machine: { installation = '', hardware = installation } }: Pick<Host, 'machine'>): string {
  return createHash('sha256').update(hardware).digest('hex').slice(0, 8);
}
