/**
 * The part of a subnet from which a source takes addresses: `rangeStart`, `rangeEnd` and `exclude`, checked, and in the
 * grid's form. Next-available can skip a limited number of addresses; beyond that, a part is split into several
 * intervals.
 */
import {
  addressBeside,
  type Cidr,
  compareAddresses,
  type Interval,
  intersect,
  isNetworkOrBroadcast,
  isWithin,
  parseAddress,
  parseCidr,
  sizeOf,
} from '../address.ts';
import { GridError } from '../errors.ts';

/** Maximum number of addresses that one next-available request skips. */
const maxExcluded = 64;
/** Maximum number of intervals that exclusions may leave of a range. */
const maxIntervals = 16;

export interface NetworkPart {
  /** Reserved ranges on the grid, in order; none: the whole network. */
  readonly intervals: readonly Interval[];
  /** Addresses inside that containers do not get: at most `maxExcluded` in an interval. */
  readonly excluded: readonly string[];
}

/** The keys as written. */
export interface PartInput {
  readonly path?: string;
  readonly rangeStart?: string | undefined;
  readonly rangeEnd?: string | undefined;
  /** Addresses, `FIRST-LAST`, or networks. */
  readonly exclude?: readonly string[] | undefined;
}

/** The whole network. */
const whole: NetworkPart = { intervals: [], excluded: [] };

/**
 * Refuses a value.
 * @throws GridError `invalid-spec`, always
 */
function refuse(what: string, hint: string): never {
  throw new GridError('invalid-spec', what, { hint });
}

/**
 * Checks a source's part of its subnet.
 * @param subnet undefined for a source whose subnet only the grid knows
 * @param kept addresses that containers never get
 * @throws GridError `invalid-spec` with the key, the reason and the fix
 */
export function partOf(input: PartInput, subnet: Cidr | undefined, kept: readonly string[]): NetworkPart {
  const { path = '', rangeStart, rangeEnd, exclude = [] } = input;
  const isRanged = rangeStart !== undefined || rangeEnd !== undefined;
  if (!isRanged && exclude.length === 0) return whole;
  if (subnet === undefined) {
    const key = rangeStart !== undefined ? 'rangeStart' : rangeEnd !== undefined ? 'rangeEnd' : 'exclude';
    refuse(`${path}${key} is set without a subnet`, `set ${path}subnet, or remove ${path}${key}`);
  }
  const hosts = hostsOf(subnet);
  const range = {
    first: rangeStart === undefined ? hosts.first : endOf(`${path}rangeStart`, rangeStart, subnet),
    last: rangeEnd === undefined ? hosts.last : endOf(`${path}rangeEnd`, rangeEnd, subnet),
  };
  if (compareAddresses(range.first, range.last) > 0) {
    refuse(`${path}rangeStart ${range.first} lies behind ${path}rangeEnd ${range.last}`, 'exchange the two');
  }
  const runs = merged(exclude.map((text, index) => runOf(`${path}exclude[${index}]`, text, subnet)))
    .filter((run) => intersect(run, range))
    .map((run) => ({ first: laterOf(run.first, range.first), last: earlierOf(run.last, range.last) }));
  const excluded = runs.reduce((sum, run) => sum + sizeOf(run), 0);
  const keptInside = kept.filter((one) => isWithin(one, range) && !runs.some((run) => isWithin(one, run)));
  if (sizeOf(range) <= excluded + keptInside.length) {
    refuse(
      `${path}exclude leaves no address of ${range.first}-${range.last}`,
      `exclude less, or choose a larger range`,
    );
  }
  if (isRanged) return withoutRuns(path, range, runs);
  if (excluded > maxExcluded) {
    refuse(
      `${path}exclude names ${excluded} addresses, more than ${maxExcluded} beside a subnet without a range`,
      `set ${path}rangeStart and ${path}rangeEnd: a range may have any number of exclusions`,
    );
  }
  return { intervals: [], excluded: runs.flatMap(addressesOf) };
}

/** Splits a range where more addresses are excluded than one request can skip. */
function withoutRuns(path: string, range: Interval, runs: readonly Interval[]): NetworkPart {
  const intervals: Interval[] = [];
  const excluded: string[] = [];
  let first = range.first;
  let inside: string[] = [];
  const cut = (last: string) => {
    const interval = { first, last };
    if (compareAddresses(first, last) > 0 || sizeOf(interval) <= inside.length) return;
    intervals.push(interval);
    excluded.push(...inside);
  };
  for (const run of runs) {
    if (inside.length + sizeOf(run) <= maxExcluded) {
      inside.push(...addressesOf(run));
      continue;
    }
    cut(addressBeside(run.first, -1));
    first = addressBeside(run.last, 1);
    inside = [];
  }
  cut(range.last);
  if (intervals.length > maxIntervals) {
    refuse(
      `${path}exclude cuts the range into ${intervals.length} parts, more than ${maxIntervals}`,
      'exclude fewer and larger parts, or use several sources',
    );
  }
  return { intervals, excluded };
}

/** Parses one end of a range. */
function endOf(key: string, text: string, subnet: Cidr): string {
  const address = parseAddress(text);
  if (address === undefined) refuse(`${key} "${text}" is not an address`, `choose a host address of ${subnet.text}`);
  if (!isWithin(address, subnet)) {
    refuse(`${key} ${address} is outside the subnet ${subnet.text}`, `choose a host address of ${subnet.text}`);
  }
  if (isNetworkOrBroadcast(subnet, address)) {
    refuse(
      `${key} ${address} is the network or broadcast address of ${subnet.text}`,
      `choose a host address of ${subnet.text}`,
    );
  }
  return address;
}

/** Parses an excluded address, range or network. */
function runOf(key: string, text: string, subnet: Cidr): Interval {
  const run = readRun(text);
  if (run === undefined) {
    refuse(
      `${key} "${text}" is not an address, range or network`,
      'write it as 10.0.0.5, 10.0.0.5-10.0.0.9 or 10.0.0.8/29',
    );
  }
  const { first, last } = run;
  if (compareAddresses(first, last) > 0) refuse(`${key} ${text} ends before it begins`, 'exchange the two addresses');
  if (!isWithin(first, subnet) || !isWithin(last, subnet)) {
    refuse(`${key} ${text} is outside the subnet ${subnet.text}`, `exclude addresses of ${subnet.text} only`);
  }
  return run;
}

function readRun(text: string): Interval | undefined {
  const cidr = parseCidr(text);
  if (cidr !== undefined) return cidr.hostBits === undefined ? cidr : undefined;
  const [start = '', end = start, ...more] = text.split('-').map((one) => one.trim());
  const [first, last] = [parseAddress(start), parseAddress(end)];
  return first === undefined || last === undefined || more.length > 0 ? undefined : { first, last };
}

/** Returns the usable addresses of a subnet. */
function hostsOf(subnet: Cidr): Interval {
  const { first, last } = subnet;
  return {
    first: isNetworkOrBroadcast(subnet, first) ? addressBeside(first, 1) : first,
    last: isNetworkOrBroadcast(subnet, last) ? addressBeside(last, -1) : last,
  };
}

/** Sorts runs and joins adjacent ones. */
function merged(runs: readonly Interval[]): Interval[] {
  const joined: Interval[] = [];
  for (const run of runs.toSorted((one, other) => compareAddresses(one.first, other.first))) {
    const before = joined.at(-1);
    if (before !== undefined && compareAddresses(run.first, before.last) <= 1) {
      joined[joined.length - 1] = { first: before.first, last: laterOf(before.last, run.last) };
    } else joined.push(run);
  }
  return joined;
}

function addressesOf(run: Interval): string[] {
  return Array.from({ length: sizeOf(run) }, (_, index) => addressBeside(run.first, index));
}

function laterOf(one: string, other: string): string {
  return compareAddresses(one, other) >= 0 ? one : other;
}

function earlierOf(one: string, other: string): string {
  return compareAddresses(one, other) <= 0 ? one : other;
}
