/**
 * Reserved ranges. Next-available works only on networks and on ranges with exactly the given bounds. So a source that
 * is a part of a network has ranges of its bounds, with a mark that is the same on all hosts; or hosts share it in
 * blocks, each a range of its own. The DDI team sees the ranges, and other users' next-available skips them.
 */
import { addressBeside, type Cidr, compareAddresses, type Interval, intersect, isPartOf, spanOf } from '../address.ts';
import { ofNetwork } from '../attributes.ts';
import { GridError, mayExist, undefinedIfUnreadable } from '../errors.ts';
import type { Grid, Range } from '../grid.ts';
import type { Log } from '../log.ts';
import { parseBlockMark, rangeMark } from '../mark.ts';
import { type Creation, refuseCreation } from './creation.ts';

/** Maximum number of looks while other hosts create the same ranges. */
const maxLooks = 5;

interface WantedRanges {
  /** The network's name. */
  readonly name: string;
  readonly view: string;
  readonly network: Cidr;
  readonly wanted: readonly Interval[];
  /** Whether this host is configured to take blocks. */
  readonly takesBlocks: boolean;
  readonly create: Creation;
}

/**
 * Finds or creates the reserved ranges that cover intervals of a network exactly. Hosts that create one concurrently
 * agree: the grid refuses the second create, and a look shows the first range.
 * @returns the bounds of the ranges, in order; undefined if hosts share the intervals in blocks, so that no range is
 * created
 * @throws GridError `network-conflict` if something else overlaps them, or the grid's answer
 */
export async function ensureRanges(
  { grid, log }: { readonly grid: Pick<Grid, 'ranges' | 'createRange'>; readonly log: Pick<Log, 'info'> },
  { name, view, network, wanted, takesBlocks, create }: WantedRanges,
  signal: AbortSignal,
): Promise<readonly Interval[] | undefined> {
  const described = { comment: rangeMark(name), name: 'infoblox-cni', attributes: ofNetwork(name) };
  for (let looks = 1; ; looks += 1) {
    const ranges = await grid.ranges({ network, view }, signal);
    if (areShared(wanted, ranges, { name, takesBlocks })) return undefined;
    const covers = wanted.map((interval) => coverOf(interval, ranges, name));
    const missing = covers.flatMap((cover) => cover.missing);
    if (missing.length === 0) return covers.flatMap((cover) => cover.found);
    refuseCreation(
      { name, view, create },
      missing.map((interval) => ({ kind: 'range', interval })),
    );
    try {
      for (const interval of missing) {
        await grid.createRange({ ...interval, network, view, ...described }, signal);
        log.info('created on the grid', { kind: 'range', name: spanOf(interval), view });
      }
    } catch (error) {
      // Another host was faster, or the answer was lost: the next look tells.
      if (!mayExist(error) || looks === maxLooks) throw error;
    }
  }
}

/** The relevant fields of a range. */
type SeenRange = Pick<Range, 'first' | 'last' | 'comment' | 'isReserved'>;

/**
 * Tells whether hosts share intervals in blocks: this host is configured to, or others have blocks there, and there is
 * no range of the whole interval, from which the grid would allocate addresses of blocks.
 * @throws GridError `network-conflict` if something else overlaps them
 */
export function areShared(
  wanted: readonly Interval[],
  ranges: readonly SeenRange[],
  { name, takesBlocks }: Pick<WantedRanges, 'name' | 'takesBlocks'>,
): boolean {
  const inside = ranges.filter((range) => wanted.some((interval) => intersect(range, interval)));
  const isOfAll = (range: SeenRange) =>
    range.isReserved && (range.comment === rangeMark(name) || wanted.some((interval) => isSame(range, interval)));
  const others = inside.filter(({ comment }) => parseBlockMark(comment) === undefined);
  if (others.some(isOfAll) || !(takesBlocks || others.length < inside.length)) return false;
  for (const interval of wanted) coverOf(interval, others, name);
  return true;
}

/**
 * Returns the ranges that cover an interval, and its uncovered parts.
 * @throws GridError `network-conflict`
 */
export function coverOf(
  interval: Interval,
  ranges: readonly SeenRange[],
  name: string,
): { readonly found: readonly Interval[]; readonly missing: readonly Interval[] } {
  const touching = ranges.filter((range) => intersect(range, interval));
  for (const range of touching) refuseOthers(interval, range, name);
  const exact = touching.find((range) => isSame(range, interval));
  if (exact !== undefined) return { found: [interval], missing: [] };
  const found = touching
    .map(({ first, last }) => ({ first, last }))
    .sort((one, other) => compareAddresses(one.first, other.first));
  const missing: Interval[] = [];
  let next = interval.first;
  for (const { first, last } of found) {
    if (compareAddresses(next, first) < 0) missing.push({ first: next, last: addressBeside(first, -1) });
    if (compareAddresses(next, last) <= 0) next = addressBeside(last, 1);
  }
  if (compareAddresses(next, interval.last) <= 0) missing.push({ first: next, last: interval.last });
  return { found, missing };
}

/**
 * Refuses a range that cannot be used or that exceeds the interval.
 * @throws GridError `network-conflict`
 */
function refuseOthers(interval: Interval, range: SeenRange, name: string): void {
  const [wanted, there] = [spanOf(interval), spanOf(range)];
  const conflict = (what: string, hint: string) => new GridError('network-conflict', what, { hint });
  const host = parseBlockMark(range.comment)?.origin.node;
  if (host !== undefined) {
    throw conflict(
      `the range ${wanted} overlaps the block ${there} of host ${host}`,
      `choose another range, or let ${host} give its blocks back: "infoblox-cni release --blocks" there`,
    );
  }
  if (isSame(range, interval)) {
    if (range.isReserved) return;
    throw conflict(
      `the range ${wanted} is served to DHCP clients: "${range.comment}"`,
      'choose another range, or take its member off it on the grid',
    );
  }
  if (range.comment === rangeMark(name) && range.isReserved) {
    if (isPartOf(range, interval)) return;
    throw conflict(
      `the range ${wanted} overlaps ${there} of an earlier configuration of network ${name}, which reaches beyond it`,
      `delete the range ${there} on the grid, which leaves its reservations, when no host is configured with it any more`,
    );
  }
  throw conflict(
    `the range ${wanted} overlaps the range ${there} on the grid: "${range.comment}"`,
    `choose a range that does not, or exactly ${there} if it is reserved`,
  );
}

function isSame(one: Interval, other: Interval): boolean {
  return one.first === other.first && one.last === other.last;
}

/**
 * Finds the host whose block contains an address. For a user who may not read ranges there is none.
 * @returns its name, for people
 * @throws GridError
 */
export async function blockHostOf(
  grid: Pick<Grid, 'ranges'>,
  { address, network, view }: { readonly address: string; readonly network: Cidr; readonly view: string },
  signal: AbortSignal,
): Promise<string | undefined> {
  const touching = { first: address, last: address };
  const ranges = await grid.ranges({ network, view, touching }, signal).catch(undefinedIfUnreadable);
  return ranges?.flatMap(({ comment }) => parseBlockMark(comment)?.origin.node ?? [])[0];
}
