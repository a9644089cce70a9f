/** Checks whether a network has room for the host blocks that its configuration asks for. */
import { type Cidr, intersect, sizeOf, spanSize } from '../../../infoblox/address.ts';
import type { Range } from '../../../infoblox/grid.ts';
import { groundOf, isLargeEnough, placesIn } from '../../../infoblox/lease/block/place.ts';
import { hostPrefix, type Origin, parseBlockMark } from '../../../infoblox/mark.ts';
import { readyIn } from '../../../infoblox/network/networks.ts';
import { areShared } from '../../../infoblox/network/ranges.ts';
import { blockSizeOf, type NetworkSpec, sourceText } from '../../../infoblox/network/spec.ts';
import { failure, ok, type Verdict, warning } from './check.ts';

/** The judged fields of a range. */
export type JudgedRange = Pick<Range, 'first' | 'last' | 'comment' | 'isReserved'>;

/** Tells whether a range is a block of a host. */
export function isBlock({ comment }: Pick<Range, 'comment'>): boolean {
  return parseBlockMark(comment) !== undefined;
}

interface BlockFacts {
  readonly cidr: Cidr;
  /** Undefined if this user may not read ranges. */
  readonly ranges: readonly JudgedRange[] | undefined;
  /** This host, by its name in marks. */
  readonly host: Origin;
  /** The value of --block-size; 0 if the configuration overrides it. */
  readonly flagSize: number;
}

/** Judges whether a host gets the blocks that it is configured to take. Says nothing about a network without blocks. */
export function judgeBlocks(spec: NetworkSpec, facts: BlockFacts): Verdict[] {
  if (spec.part.intervals.length > 0) return judgeShared(spec, facts);
  const { cidr, ranges, flagSize } = facts;
  const { blockSize: size } = spec;
  if (size === 0 && !isLargeEnough(cidr, flagSize)) {
    const what = `none: --block-size ${flagSize} is more than a quarter of the network, so each ADD asks the grid`;
    const fix = 'choose a smaller --block-size or a larger subnet; if no blocks are wanted, set "block-size": 0 here';
    return [warning(what, fix)];
  }
  if (size === 0 || ranges === undefined) return [];
  const total = spanSize(cidr);
  const tooFew = `no block of ${size} addresses fits`;
  if (!isLargeEnough(cidr, size)) {
    const fix = `choose a block-size of at most ${total / 4}, or a larger subnet`;
    return [warning(`${tooFew}: ${cidr.text} has ${total}`, fix)];
  }
  const { own, room, text } = blocksThere(spec, facts, ranges);
  if (own + room === 0) {
    const covered = ranges.reduce((sum, range) => sum + sizeOf(range), 0);
    const what = `${tooFew}: ranges have ${covered} of ${total} addresses; a quarter stays outside, and so do the first and the last place`;
    return [warning(what, 'choose a smaller block-size, a larger subnet, or shrink these ranges on the grid')];
  }
  return [ok(text)];
}

/** Judges a range that hosts share in blocks: a host without a block can assign no address. */
function judgeShared(spec: NetworkSpec, facts: BlockFacts): Verdict[] {
  const { name, part, blockSize } = spec;
  const { ranges } = facts;
  if (ranges === undefined) return [];
  const there = ranges.filter((range) => part.intervals.some((interval) => intersect(range, interval)));
  if (!areShared(part.intervals, there, { name, takesBlocks: blockSize > 0 })) {
    return blockSize === 0
      ? []
      : [ok('none: the grid has one range for the whole, and hosts take single addresses from it')];
  }
  const { own, room, text } = blocksThere(spec, facts, there);
  if (own + room > 0) return [ok(text)];
  const what = `no block of ${blockSizeOf(spec)} addresses fits into ${sourceText(spec)}: ADDs fail on this host`;
  return [failure(what, 'choose a larger range or a smaller block-size, or have hosts give blocks back')];
}

/** Counts the blocks on the grid, and those that still fit. */
function blocksThere(spec: NetworkSpec, { cidr, host }: BlockFacts, ranges: readonly JudgedRange[]) {
  const owners = ranges.flatMap(({ comment }) => parseBlockMark(comment)?.origin ?? []);
  const own = owners.filter((origin) => hostPrefix(origin) === hostPrefix(host)).length;
  const room = placesIn(groundOf(readyIn(spec, cidr), ranges));
  const known =
    owners.length === 0 ? 'none of this host or others yet' : `${own} of this host, ${owners.length - own} of others`;
  const places = room > 1_000_000 ? 'more than a million' : room || 'none';
  const text = `of ${blockSizeOf(spec)} addresses; ${known}; room for ${places}`;
  return { own, room, text };
}
