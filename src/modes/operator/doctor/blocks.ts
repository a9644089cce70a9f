/** What doctor examines of host blocks: whether a network has room for those that its configuration asks for. */
import { type Cidr, sizeOf, spanSize } from '../../../infoblox/address.ts';
import type { Range } from '../../../infoblox/grid.ts';
import { choosePlace, isLargeEnough } from '../../../infoblox/lease/block/place.ts';
import { hostPrefix, type Origin, parseBlockMark } from '../../../infoblox/mark.ts';
import type { NetworkSpec } from '../../../infoblox/network/spec.ts';
import { ok, type Verdict, warning } from './check.ts';

/** A range as far as it is judged. */
export type JudgedRange = Pick<Range, 'first' | 'last' | 'comment' | 'isReserved'>;

/** Tells whether a range is a block of a host. */
export function isBlock({ comment }: Pick<Range, 'comment'>): boolean {
  return parseBlockMark(comment) !== undefined;
}

interface BlockFacts {
  readonly cidr: Cidr;
  readonly gateway: string | undefined;
  /** Undefined if the user may not see them. */
  readonly ranges: readonly JudgedRange[] | undefined;
  /** This host, by its name in marks. */
  readonly host: Origin;
  /** What --block-size says where the configuration says nothing. */
  readonly flagSize: number;
}

/** Judges whether a host gets the blocks that it is to take. Nothing is said of a network without. */
export function judgeBlocks({ blockSize: size }: NetworkSpec, facts: BlockFacts): Verdict[] {
  const { cidr, gateway, ranges, host, flagSize } = facts;
  if (size === 0 && !isLargeEnough(cidr, flagSize)) {
    const what = `none: --block-size ${flagSize} is more than a quarter of the network, so the grid is asked at each ADD`;
    const fix = 'choose a smaller --block-size, a larger subnet, or set "block-size": 0 here if that is meant';
    return [warning(what, fix)];
  }
  if (size === 0 || ranges === undefined) return [];
  const total = spanSize(cidr);
  const tooFew = `no block of ${size} addresses fits`;
  if (!isLargeEnough(cidr, size)) {
    const fix = `choose a block-size of at most ${total / 4}, or a larger subnet`;
    return [warning(`${tooFew}: ${cidr.text} has ${total}`, fix)];
  }
  const owners = ranges.flatMap(({ comment }) => parseBlockMark(comment)?.origin ?? []);
  const own = owners.filter((origin) => hostPrefix(origin) === hostPrefix(host)).length;
  const hasRoom = choosePlace({ cidr, size, ranges, kept: gateway === undefined ? [] : [gateway] }, 0) !== undefined;
  if (own === 0 && !hasRoom) {
    const covered = ranges.reduce((sum, range) => sum + sizeOf(range), 0);
    const what = `${tooFew}: ranges have ${covered} of ${total} addresses, of which a quarter stays outside`;
    return [warning(what, 'choose a smaller block-size, a larger subnet, or shrink these ranges on the grid')];
  }
  const known = `${own} of this host, ${owners.length - own} of others${hasRoom ? '' : '; no further one fits'}`;
  return [ok(`of ${size} addresses; ${owners.length === 0 ? 'none of this host or others yet' : known}`)];
}
