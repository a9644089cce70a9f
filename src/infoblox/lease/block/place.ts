/**
 * Where in a network a host block may lie: at an aligned place without range, gateway, or address of the host itself, chosen at
 * random, so that hosts that choose at once seldom meet; and only while a quarter of the network stays outside all ranges, so that
 * hosts without blocks find addresses, too.
 */
import { addressAt, addressBeside, type Cidr, type Interval, offsetIn, sizeOf, spanSize } from '../../address.ts';

interface Ground {
  readonly cidr: Cidr;
  /** Addresses of the block, a power of two. */
  readonly size: number;
  /** Ranges of the network, and places that were tried. */
  readonly ranges: readonly Interval[];
  /** Addresses that no container may have. */
  readonly kept: readonly string[];
}

/** The part of a block's addresses that nothing may use yet when it is taken. */
const minUnused = 3 / 4;
/** The part of a network that ranges may cover. */
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
  const { cidr, size, ranges } = ground;
  const total = spanSize(cidr);
  const covered = ranges.reduce((sum, range) => sum + sizeOf(range), 0);
  if (!isLargeEnough(cidr, size) || covered + size > total * maxCovered) return undefined;
  const gaps = freeIndices(ground);
  let index = Math.floor(random * gaps.reduce((sum, { from, to }) => sum + to - from, 0));
  for (const { from, to } of gaps) {
    if (index < to - from) {
      const first = addressAt(cidr, (from + index) * size);
      return { first, last: addressBeside(first, size - 1) };
    }
    index -= to - from;
  }
  return undefined;
}

/** Tells whether a place may become a block with so many addresses in use. */
export function isUnusedEnough(inUse: number, size: number): boolean {
  return inUse <= size * (1 - minUnused);
}

/** The aligned places without anything of which no block may be made, as intervals of their numbers, `to` excluded: a network may have millions. */
function freeIndices({ cidr, size, ranges, kept }: Ground): { readonly from: number; readonly to: number }[] {
  const places = spanSize(cidr) / size;
  const numberOf = (address: string) => Math.floor(offsetIn(cidr, address) / size);
  const barred = [
    // The network's own address and its broadcast address.
    { from: 0, to: 1 },
    { from: places - 1, to: places },
    ...ranges.map(({ first, last }) => ({ from: numberOf(first), to: numberOf(last) + 1 })),
    ...kept.map((address) => ({ from: numberOf(address), to: numberOf(address) + 1 })),
  ].sort((one, other) => one.from - other.from);
  const gaps: { from: number; to: number }[] = [];
  let next = 0;
  for (const { from, to } of barred) {
    if (from > next) gaps.push({ from: next, to: Math.min(from, places) });
    next = Math.max(next, to);
  }
  return gaps;
}
