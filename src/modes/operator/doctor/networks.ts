/**
 * Checks network configurations: their files, and on the grid whether each network exists, has free addresses, and protects those that no
 * container may get.
 */
import { networkInterfaces } from 'node:os';
import { isJsonObject } from '../../../cni/call.ts';
import { type Cidr, hostCount, type Interval, isWithin, sizeOf, spanOf } from '../../../infoblox/address.ts';
import type { Grid, Reservation } from '../../../infoblox/grid.ts';
import { beginsAs, gatewayMark, isAttachmentMark, type Origin, parseMark } from '../../../infoblox/mark.ts';
import { refuseCreation } from '../../../infoblox/network/creation.ts';
import { keptBack } from '../../../infoblox/network/fit.ts';
import { type NetworkOutlook, outlookOf } from '../../../infoblox/network/outlook.ts';
import { areShared, coverOf } from '../../../infoblox/network/ranges.ts';
import { type NetworkSpec, sourceText } from '../../../infoblox/network/spec.ts';
import { usageOf } from '../../../infoblox/network/usage.ts';
import { counted } from '../../quantity.ts';
import { type Checked, networkDirectories, type Source } from '../network-configurations.ts';
import { isBlock, type JudgedRange, judgeBlocks } from './blocks.ts';
import { after, type Check, checks, failure, ok, shared, type Verdict, warning } from './check.ts';
import { unlessRefused } from './grid.ts';

/** Reports the networks and errors of each file. */
export function judgeFiles({ found, errors }: Checked): Verdict[] {
  if (found.length + errors.length === 0) {
    const what = `none in ${networkDirectories.join(' and ')} uses this driver`;
    return [warning(what, 'copy one of /etc/infoblox-cni/netconf there, or name files after doctor')];
  }
  const wrong = errors.map(({ file, message, hint }) => failure(`${file}: ${message}`, hint));
  const right = found.flatMap(({ file, name, remarks }) => [
    ok(`${file}: network ${name}`),
    ...remarks.map((remark) => warning(`${file}: ${remark}`, 'correct or remove it')),
  ]);
  return [...wrong, ...right];
}

interface NetworkContext {
  readonly grid: Grid;
  /** This host, by its name in marks. */
  readonly host: Origin;
  /** The value of --block-size. */
  readonly flagSize: number;
  /** All examined sources. */
  readonly all: readonly Named[];
}

type Named = Pick<Source, 'file' | 'spec'>;

/** Names a source in its findings: its network; its place if the network has several; its file if several files name the network. */
export function nameOf({ file, spec }: Named, all: readonly Named[]): string {
  const ofName = all.filter((one) => one.spec.name === spec.name);
  const ofFile = ofName.filter((one) => one.file === file);
  const source = ofFile.length === 1 ? '' : ` (${sourceText(spec)})`;
  return `${spec.name}${source}${ofName.length === ofFile.length ? '' : ` of ${file}`}`;
}

/** Where a network is or will be. */
interface Place {
  /** The network on the grid; undefined if the first ADD creates it. */
  readonly found: Cidr | undefined;
  /** The same, or the network that will be created; undefined if the grid chooses it. */
  readonly cidr: Cidr | undefined;
  /** The address that no container may get; undefined if there is none, or the network is not known yet. */
  readonly gateway: string | undefined;
  /** Undefined if this user may not read ranges. */
  readonly ranges: readonly JudgedRange[] | undefined;
}

/** Makes the checks of a network. They throw the GridError with which an ADD would fail. Some say nothing before the network exists. */
export function networkChecks(source: Source, context: NetworkContext): Check[] {
  const { grid, host, all } = context;
  const { spec, config } = source;
  const { view } = spec;
  // This command does not read the daemon's state.
  const leases = { boundIn: () => [] };
  const outlook = shared((signal) => outlookOf({ grid, leases, host, usedViews: new Set() }, spec, signal));
  const place = shared(async (signal): Promise<Place> => {
    const network = await outlook(signal);
    const found = network.kind === 'found' ? network.cidr : undefined;
    const cidr = found ?? (spec.place.kind === 'subnet' ? spec.place.cidr : undefined);
    const ranges = found === undefined ? [] : await unlessRefused(grid.ranges({ network: found, view }, signal));
    return { found, cidr, gateway: cidr && keptBack(spec, cidr), ranges };
  });
  const rows = {
    view: after(['permissions'], async (signal) => judgeView(spec, await grid.exists({ view }, signal))),
    network: after(['permissions'], async (signal) => judgeOutlook(await outlook(signal), spec)),
    'free addresses': after(['network'], async (signal) => {
      const { found: cidr, ranges } = await place(signal);
      if (cidr === undefined) return [];
      if (spec.part.intervals.length > 0) {
        // An ADD has to read them: if this user may not, it fails likewise.
        return judgeRanges(spec, ranges ?? (await grid.ranges({ network: cidr, view }, signal)), { grid, signal });
      }
      const usage = await usageOf(grid, { cidr, view }, signal);
      const hasFree = (await grid.hasRoom({ view, nextOf: cidr }, signal)) === true;
      return judgeAddresses(cidr, { used: usage?.used, hasFree, ranges });
    }),
    'host blocks': after([spec.part.intervals.length > 0 ? 'free addresses' : 'network'], async (signal) => {
      const { cidr, ranges } = await place(signal);
      if (cidr === undefined) return [];
      const saysSize = isJsonObject(config.ipam) && config.ipam['block-size'] != null;
      const flagSize = saysSize ? 0 : context.flagSize;
      return judgeBlocks(spec, { cidr, ranges, host, flagSize });
    }),
    gateway: after(['network'], async (signal) => {
      const { gateway } = await place(signal);
      const [holder] = gateway === undefined ? [] : await grid.at(gateway, view, signal);
      return judgeGateway(spec, gateway, holder);
    }),
    "this host's addresses": after(['network'], async (signal) => {
      const { found, cidr, gateway, ranges } = await place(signal);
      if (cidr === undefined) return [];
      // This host's bridge may have the gateway's address.
      const inside = hostAddresses().filter(({ address }) => isWithin(address, cidr) && address !== gateway);
      if (inside.length === 0) return ok(`none lies in ${cidr.text}, except the gateway`);
      const judge = async (own: HostAddress) =>
        judgeOwnAddress({ ...own, known: await isKnown(grid, { ...own, network: found, view }, signal) }, ranges);
      return Promise.all(inside.map(judge));
    }),
    'other hosts': after(['network'], async (signal) => {
      const { found: cidr, gateway } = await place(signal);
      if (cidr === undefined) return [];
      return judgeSharing(await findOtherHosts(grid, { cidr, view, host }, signal), { config, gateway });
    }),
  };
  return checks(`network ${nameOf(source, all)}`, rows);
}

interface HostAddress {
  readonly address: string;
  /** Name of the interface. */
  readonly device: string;
}

/** Lists the addresses of this host, loopback excepted. */
function hostAddresses(): HostAddress[] {
  const all = Object.entries(networkInterfaces()).flatMap(([device, addresses = []]) =>
    addresses.map((one) => ({ ...one, device })),
  );
  return all.filter(({ internal }) => !internal);
}

interface KnownAddress {
  readonly address: string;
  /** Undefined if the grid does not have it yet. */
  readonly network: Cidr | undefined;
  readonly view: string;
}

/** Asks whether the grid regards an address as used; undefined if this user may not know. */
async function isKnown(grid: Grid, { address, network, view }: KnownAddress, signal: AbortSignal) {
  const inside = { first: address, last: address };
  const occupants = network && (await unlessRefused(grid.occupants(inside, { network, view }, signal)));
  if (occupants !== undefined) return occupants.length > 0;
  return (await grid.at(address, view, signal)).length > 0 ? true : undefined;
}

/** Reservations searched for other hosts: one page. */
const maxReservations = 1_000;
/** Other hosts to name. */
const maxHosts = 3;

/** Names some other hosts with addresses in a network, by node and cluster. @param of.host this host */
export async function findOtherHosts(
  grid: Pick<Grid, 'list'>,
  { cidr, view, host }: { readonly cidr: Cidr; readonly view: string; readonly host: Origin },
  signal: AbortSignal,
): Promise<string[]> {
  const found = new Set<string>();
  let looked = 0;
  for await (const { comment } of grid.list({ marks: {}, network: cidr, view }, signal)) {
    const origin = parseMark(comment)?.origin;
    if (origin !== undefined && !beginsAs(comment, host)) found.add(`${origin.node} in ${origin.cluster}`);
    looked += 1;
    if (looked === maxReservations || found.size === maxHosts) break;
  }
  return [...found];
}

/** Judges a network view. Warns if it is missing: the first ADD creates it, even from a mistyped name. */
export function judgeView({ view, create }: Pick<NetworkSpec, 'view' | 'create'>, exists: boolean): Verdict {
  if (exists) return ok(`${view} is there`);
  if (create !== 'all') {
    const absent = `the grid has no view ${view}, or does not show it to this user, and it must not be created (create: ${create})`;
    return failure(absent, 'have it created on the grid, or correct "network-view" or --network-view');
  }
  const what = `the grid has no view ${view}, or does not show it to this user: the first ADD creates it`;
  return warning(what, 'if the name is wrong, correct "network-view" or --network-view');
}

/** Judges the network that an ADD would find. Errors of an ADD have been thrown before. */
export function judgeOutlook(outlook: NetworkOutlook, { view, place }: NetworkSpec): Verdict {
  if (outlook.kind === 'pending') {
    return warning('another host is setting it up', 'wait some seconds, then run doctor again');
  }
  if (outlook.kind === 'found') {
    const { cidr, duplicate } = outlook;
    return duplicate === undefined ? ok(`${cidr.text} in view ${view}`) : warning(duplicate.message, duplicate.hint);
  }
  const { room } = outlook;
  const where = room === undefined ? `in view ${view}` : `in the container ${room.container.text}`;
  const created = room?.exists === false ? ', and that container, too' : '';
  const what = place.kind === 'subnet' ? place.cidr.text : `a /${place.prefixLength}`;
  return ok(`not there yet: the first ADD creates ${what} ${where}${created}`);
}

/** Judges the reserved ranges of a part of a network. @throws the GridError with which an ADD would fail */
async function judgeRanges(
  { name, view, part, blockSize, create }: NetworkSpec,
  ranges: readonly JudgedRange[],
  { grid, signal }: { readonly grid: Grid; readonly signal: AbortSignal },
): Promise<Verdict[]> {
  if (areShared(part.intervals, ranges, { name, takesBlocks: blockSize > 0 })) return [ok('hosts share it in blocks')];
  const verdicts = part.intervals.map(async (interval): Promise<Verdict> => {
    const { found, missing } = coverOf(interval, ranges, name);
    refuseCreation(
      { name, view, create },
      missing.map((range) => ({ kind: 'range', interval: range })),
    );
    if (missing.length > 0) return ok(`the first ADD makes a reserved range of ${missing.map(spanOf).join(' and ')}`);
    for (const nextOf of found) {
      if ((await grid.hasRoom({ view, nextOf }, signal)) === true) return ok(`${spanOf(interval)} has free addresses`);
    }
    return failure(
      `none: all addresses of ${spanOf(interval)} are used`,
      'release addresses, or choose a larger range',
    );
  });
  return Promise.all(verdicts);
}

/** Share of free addresses below which a network is almost full. */
const scarce = 0.1;

/**
 * Judges how many addresses a network has left. The grid assigns none that lies in a range; hosts assign those of their blocks.
 * @param facts.used addresses in use; undefined if the grid does not count them
 * @param facts.hasFree whether the grid has a next free address
 */
export function judgeAddresses(
  cidr: Cidr,
  {
    used,
    hasFree,
    ranges = [],
  }: Pick<Place, 'ranges'> & { readonly used?: number | undefined; readonly hasFree: boolean },
): Verdict {
  const total = hostCount(cidr);
  const blocks = ranges.filter(isBlock);
  const others = ranges.filter((range) => !isBlock(range));
  const inBlocks = countIn(blocks);
  const hidden = countIn(others);
  const kind = others.every(({ isReserved }) => isReserved) ? 'reserved ranges' : 'DHCP ranges';
  const spans = others.map(spanOf).join(', ');
  const ranged = hidden === 0 ? '' : `; ${hidden} lie in ${kind} (${spans}), whose addresses are not given out`;
  const given = inBlocks === 0 ? '' : `; ${inBlocks} lie in ${counted(blocks.length, 'block', 'blocks')} of hosts`;
  const count =
    used === undefined
      ? `the grid does not count those of ${cidr.text}`
      : `${used} of ${total} addresses of ${cidr.text} are used`;
  const room = `${count}${ranged}${given}`;
  const fix = `${hidden === 0 ? 'release addresses' : 'shrink or remove these ranges on the grid'}, or use a larger subnet`;
  if (!hasFree) return failure(`none: ${room}`, fix);
  if (used === undefined) return ok(`at least one is free: ${room}`);
  // The grid does not say how many used addresses lie in blocks.
  const left = total - hidden - Math.max(used, inBlocks);
  return left < total * scarce ? warning(`few: ${room}`, fix) : ok(room);
}

function countIn(ranges: readonly Interval[]): number {
  return ranges.reduce((sum, range) => sum + sizeOf(range), 0);
}

/**
 * Judges whether the gateway's address is protected from containers.
 * @param address undefined if there is none, or the network is not known yet
 * @param holder the reservation of that address
 */
export function judgeGateway(
  spec: NetworkSpec,
  address: string | undefined,
  holder?: Pick<Reservation, 'comment' | 'mac' | 'matchedBy'>,
): Verdict {
  if (address === undefined) {
    const isKept = spec.gateway !== undefined || spec.keepFirst;
    return ok(isKept ? 'will be reserved when the network is created' : 'none configured, so containers get none');
  }
  if (holder === undefined) return ok(`${address} has no reservation: the first ADD makes one, unless it is in use`);
  const { comment, mac, matchedBy } = holder;
  if (comment === gatewayMark(spec.name)) return ok(`${address} is reserved`);
  if (!isAttachmentMark(comment))
    return ok(`${address} is held on the grid by ${JSON.stringify(comment || mac || matchedBy)}`);
  const fix = `choose another gateway, or stop that container: ${comment}`;
  return failure(`${address} is held by a container`, fix);
}

/**
 * Judges whether a container could get an address of this host that lies in the network.
 * @param own.known whether the grid regards it as used; undefined if this user may not know
 */
export function judgeOwnAddress(
  { address, device, known }: HostAddress & { readonly known: boolean | undefined },
  ranges: Place['ranges'] = [],
): Verdict {
  const what = `${address} (${device})`;
  if (known === true) return ok(`the grid, too, regards ${what} as used`);
  if (ranges.some((range) => !isBlock(range) && isWithin(address, range))) {
    return ok(`${what} lies in a DHCP range, of which no container gets an address`);
  }
  const fix = `reserve ${address} on the grid: a fixed address, or a host record`;
  if (known === undefined) return warning(`this user may not see whether the grid knows ${what}`, fix);
  return failure(`the grid does not know ${what}: another host may give it to a container`, fix);
}

/**
 * Judges whether hosts that share a network claim one gateway: a bridge with `isGateway` puts its address on each of them.
 * @param others other hosts that have addresses in the network
 */
export function judgeSharing(
  others: readonly string[],
  { config, gateway }: Pick<Source, 'config'> & Pick<Place, 'gateway'>,
): Verdict {
  if (others.length === 0) return ok('no other host has addresses in it');
  const named = `${others.join(', ')} ${others.length === 1 ? 'has' : 'have'} addresses in it, too`;
  const isGateway = config.type === 'bridge' && (config.isGateway === true || config.isDefaultGateway === true);
  if (!isGateway || gateway === undefined) return ok(named);
  const fix =
    'let a router have the gateway and drop isGateway, or give each host a network of its own (docs/configuration.md, Several hosts, one network)';
  return warning(`${named}, and a bridge with isGateway puts ${gateway} on each host`, fix);
}
