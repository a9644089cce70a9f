/**
 * Chooses places for host blocks: aligned, without range, gateway or exclusion, and random, so that concurrent hosts seldom collide. A
 * quarter of the network stays outside ranges, for hosts without blocks. A range that hosts share in blocks may be used up.
 */
import { addressBeside, type Cidr, type Interval, offsetIn, sizeOf, spanSize } from '../../address.ts';
import type { ReadyNetwork } from '../../network/networks.ts';

interface Ground {
  readonly cidr: Cidr;
  /** Number of addresses of the block, a power of two. */
  readonly size: number;
  /** Ranges of the network, and places already tried. */
  readonly ranges: readonly Interval[];
  /** Addresses that no container may have. */
  readonly kept: readonly string[];
  /** Parts of the network that hosts share in blocks; none: the whole network, also used by hosts without blocks. */
  readonly shared: readonly Interval[];
}

/** Makes the constraints on places for blocks of a network. */
export function groundOf(
  { cidr, kept, part, blockSize: size }: Pick<ReadyNetwork, 'cidr' | 'kept' | 'part' | 'blockSize'>,
  ranges: readonly Interval[],
): Ground {
  const { intervals = [], excluded = [] } = part ?? {};
  return { cidr, size, ranges, kept: kept === undefined ? excluded : [kept, ...excluded], shared: intervals };
}

/** Share of a block's addresses that must be unused when it is taken. */
const minUnused = 3 / 4;
/** Share of a network that ranges may cover. */
const maxCovered = 3 / 4;

/** Tells whether a network is large enough for blocks of a size. */
export function isLargeEnough(cidr: Cidr, size: number): boolean {
  return size <= spanSize(cidr) / 4;
}

/**
 * Chooses a place for a block.
 * @param random a number from 0 up to 1
 * @returns undefined if there is none
 */
export function choosePlace(ground: Ground, random: number): Interval | undefined {
  if (placesIn(ground) === 0) return undefined;
  const { cidr, size } = ground;
  const gaps = freeIndices(ground);
  let index = Math.floor(random * lengthOf(gaps));
  for (const { from, to } of gaps) {
    if (index < to - from) {
      const first = addressBeside(cidr.first, (from + index) * size);
      return { first, last: addressBeside(first, size - 1) };
    }
    index -= to - from;
  }
  return undefined;
}

/** Counts the blocks that still fit. */
export function placesIn(ground: Ground): number {
  const { cidr, size, ranges, shared } = ground;
  const places = lengthOf(freeIndices(ground));
  if (shared.length > 0) return places;
  if (!isLargeEnough(cidr, size)) return 0;
  const covered = ranges.reduce((sum, range) => sum + sizeOf(range), 0);
  return Math.max(Math.min(places, Math.floor((spanSize(cidr) * maxCovered - covered) / size)), 0);
}

function lengthOf(gaps: ReturnType<typeof freeIndices>): number {
  return gaps.reduce((sum, { from, to }) => sum + to - from, 0);
}

/** Tells whether a place may become a block with so many addresses in use. */
export function isUnusedEnough(inUse: number, size: number): boolean {
  return inUse <= size * (1 - minUnused);
}

/** Returns the free aligned places, as intervals of their numbers (a network may have millions), `to` excluded. */
function freeIndices({ cidr, size, ranges, kept, shared }: Ground): { readonly from: number; readonly to: number }[] {
  const numberOf = (address: string) => Math.floor(offsetIn(cidr, address) / size);
  const barred = [
    ...ranges.map(({ first, last }) => ({ from: numberOf(first), to: numberOf(last) + 1 })),
    ...kept.map((address) => ({ from: numberOf(address), to: numberOf(address) + 1 })),
  ].sort((one, other) => one.from - other.from);
  const areas = shared.map(({ first, last }) => {
    return { from: Math.ceil(offsetIn(cidr, first) / size), to: Math.floor((offsetIn(cidr, last) + 1) / size) };
  });
  // Without the network's own address and its broadcast address.
  if (shared.length === 0) areas.push({ from: 1, to: spanSize(cidr) / size - 1 });
  return areas.flatMap((area) => {
    const gaps: { from: number; to: number }[] = [];
    let next = area.from;
    for (const { from, to } of barred) {
      if (from > next) gaps.push({ from: next, to: Math.min(from, area.to) });
      next = Math.max(next, to);
    }
    if (area.to > next) gaps.push({ from: next, to: area.to });
    return gaps.filter(({ from, to }) => to > from);
  });
}
