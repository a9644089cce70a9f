/** What doctor examines on the grid of one network configuration: is its network there, has it addresses, is its gateway safe? */
import {
  type Cidr,
  compareAddresses,
  contains,
  hostCount,
  type Interval,
  isWithin,
  spanOf,
} from '../../../infoblox/address.ts';
import type { Grid, Reservation } from '../../../infoblox/grid.ts';
import { gatewayMark, isAttachmentMark, type Origin, parseMark } from '../../../infoblox/mark.ts';
import { keptBack } from '../../../infoblox/network/fit.ts';
import { type NetworkOutlook, outlookOf } from '../../../infoblox/network/outlook.ts';
import type { NetworkSpec } from '../../../infoblox/network/spec.ts';
import { usageOf } from '../../../infoblox/network/usage.ts';
import { NetworkViews } from '../../../infoblox/network/views.ts';
import type { GridAccess } from '../../daemon/grid-access.ts';
import type { NetworkConfiguration } from '../network-configurations.ts';
import { type Check, checks, shared } from './check.ts';
import { failure, ok, type Verdict, warning } from './finding.ts';
import { unlessRefused } from './grid.ts';
import { type HostAddress, hostAddresses } from './own-addresses.ts';

/** Reservations that are looked through for other hosts: one page. */
const maxReservations = 1_000;
/** Other hosts that are named. */
const maxHosts = 3;

type Access = Pick<GridAccess, 'grid' | 'inspection'>;

interface NetworkContext {
  readonly access: Access;
  /** This host, by its name in marks. */
  readonly host: Origin;
  /** All that are examined. */
  readonly all: readonly Named[];
}

type Named = { readonly file: string; readonly spec: { readonly name: string } };

/** Names a configuration in its findings: with its file, where several have a network of that name. */
export function nameOf({ file, spec: { name } }: Named, all: readonly Named[]): string {
  const isOnly = all.filter(({ spec }) => spec.name === name).length === 1;
  return isOnly ? name : `${name} of ${file}`;
}

/** Makes the checks. They throw GridError, with which an ADD would fail, too; of a network that is not there yet some say nothing. */
export function networkChecks(configuration: NetworkConfiguration, { access, host, all }: NetworkContext): Check[] {
  const { grid } = access;
  const { spec, config } = configuration;
  const { view } = spec;
  // The state is the daemon's.
  const leases = { boundIn: () => [], hasBoundIn: () => false };
  const views = new NetworkViews({ grid, leases, host, log: { warn: () => {} } });
  const outlook = shared((signal) => outlookOf({ grid, views, leases }, spec, signal));
  const found = async (signal: AbortSignal) => {
    const network = await outlook(signal);
    return network.kind === 'found' ? network : undefined;
  };
  /** Undefined if the user may not see them. */
  const ranges = shared(async (signal) => {
    const network = await found(signal);
    return network === undefined ? [] : unlessRefused(grid.ranges({ network: network.cidr, view }, signal));
  });
  /** Of the grid's network, else of the one that would be created; undefined if only the grid knows where. */
  const place = async (signal: AbortSignal) =>
    (await found(signal))?.cidr ?? (spec.place.kind === 'subnet' ? spec.place.cidr : undefined);
  const gateway = async (signal: AbortSignal) => {
    const cidr = await place(signal);
    return cidr && keptBack(spec, cidr);
  };
  const freeAddresses = async (signal: AbortSignal) => {
    const network = await found(signal);
    if (network === undefined) return [];
    const { cidr } = network;
    const usage = await usageOf(grid, { cidr, view }, signal);
    const hasFree = (await grid.hasRoom({ view, nextOf: cidr }, signal)) === true;
    return judgeAddresses({ cidr, used: usage?.used, hasFree, ranges: await ranges(signal) });
  };
  const gatewayHolder = async (signal: AbortSignal) => {
    const address = await gateway(signal);
    if (address === undefined) return judgeGateway({ spec, address });
    const [holder] = await grid.at(address, view, signal);
    return judgeGateway({ spec, address, holder, isUsed: await grid.isUsed(address, view, signal) });
  };
  const ownAddresses = async (signal: AbortSignal) => {
    const cidr = await place(signal);
    if (cidr === undefined) return [];
    // The gateway may be one: where this host's bridge has it.
    const kept = await gateway(signal);
    const inside = hostAddresses().filter(({ address }) => contains(cidr, address) && address !== kept);
    const own = inside.map(async (one) => ({ ...one, known: await isKnown(access, { ...one, view }, signal) }));
    return judgeOwnAddresses(await Promise.all(own), { cidr, ranges: await ranges(signal) });
  };
  const otherHosts = async (signal: AbortSignal) => {
    const network = await found(signal);
    if (network === undefined) return [];
    const others = await findOtherHosts(grid, { cidr: network.cidr, view, host }, signal);
    return judgeSharing(others, { config, gateway: await gateway(signal) });
  };
  const about = nameOf(configuration, all);
  const [onGrid, onIt] = [['permissions'], ['network']];
  const rows = {
    view: { needs: onGrid, run: async (signal: AbortSignal) => judgeView(view, await views.exists(view, signal)) },
    network: { needs: onGrid, run: async (signal: AbortSignal) => judgeOutlook(await outlook(signal), spec) },
    'free addresses': { needs: onIt, run: freeAddresses },
    gateway: { needs: onIt, run: gatewayHolder },
    "this host's addresses": { needs: onIt, run: ownAddresses },
    'other hosts': { needs: onIt, run: otherHosts },
  };
  return checks(`network ${about}`, rows, about);
}

/** Whether the grid takes an address for used; undefined if it does not tell this user. */
async function isKnown(
  { grid, inspection }: Access,
  { address, view }: { readonly address: string; readonly view: string },
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const isUsed = await grid.isUsed(address, view, signal);
  if (isUsed !== undefined) return isUsed;
  if ((await grid.at(address, view, signal)).length > 0) return true;
  const hosts = await unlessRefused(inspection.hostsAt(address, view, signal));
  return hosts && hosts.length > 0;
}

/** Names some of the hosts that have addresses in a network, by node and cluster. @param of.host this host, which is none of them */
async function findOtherHosts(
  grid: Grid,
  { cidr, view, host }: { readonly cidr: Cidr; readonly view: string; readonly host: Origin },
  signal: AbortSignal,
): Promise<string[]> {
  const found = new Set<string>();
  let looked = 0;
  for await (const { comment } of grid.list({ marks: {}, network: cidr, view }, signal)) {
    const origin = parseMark(comment)?.origin;
    const isOther = origin !== undefined && (origin.node !== host.node || origin.cluster !== host.cluster);
    if (isOther) found.add(`${origin.node} in ${origin.cluster}`);
    looked += 1;
    if (looked === maxReservations || found.size === maxHosts) break;
  }
  return [...found];
}

/** Judges a network view. One that is absent would be created, and a mistyped name with it. */
export function judgeView(view: string, exists: boolean): Verdict[] {
  if (exists) return [ok(`${view} is there`)];
  const what = `the grid has no view ${view}, or does not show it to this user: the first ADD creates it`;
  return [warning(what, 'if it is not meant to be new, correct "network-view" or --network-view')];
}

/** Judges what an ADD would find. What it would fail with has been thrown before. */
export function judgeOutlook(outlook: NetworkOutlook, { view, place }: NetworkSpec): Verdict[] {
  if (outlook.kind === 'found') {
    const { cidr, duplicate } = outlook;
    if (duplicate !== undefined) return [warning(duplicate.message, duplicate.hint)];
    return [ok(`${cidr.text} in view ${view}`)];
  }
  if (outlook.kind === 'pending') {
    return [warning('another host is setting it up', 'wait some seconds, then run doctor again')];
  }
  const { room } = outlook;
  if (place.kind === 'subnet') return [ok(`not there yet: the first ADD creates ${place.cidr.text} in view ${view}`)];
  const where = room === undefined ? '' : ` in the container ${room.container.text}`;
  const created = room?.exists === false ? ', and that container, too' : '';
  return [ok(`not there yet: the first ADD creates a /${place.prefixLength}${where}${created}`)];
}

interface AddressFacts {
  readonly cidr: Cidr;
  /** Addresses in use; undefined if the grid does not say. */
  readonly used: number | undefined;
  /** Whether the grid has an address to give. */
  readonly hasFree: boolean;
  /** Undefined if the user may not see them. */
  readonly ranges: readonly Interval[] | undefined;
}

/** Part of the addresses below which a network is soon full. */
const scarce = 0.1;

/** Judges how many addresses a network has left. The grid gives out none that lies in a DHCP range. */
export function judgeAddresses({ cidr, used = 0, hasFree, ranges = [] }: AddressFacts): Verdict[] {
  const total = hostCount(cidr);
  const hidden = hiddenBy(ranges, cidr);
  const spans = ranges.map(spanOf).join(', ');
  const ranged = hidden === 0 ? '' : `; ${hidden} lie in DHCP ranges (${spans}), whose addresses are not given out`;
  const room = `${used} of ${total} addresses of ${cidr.text} are used${ranged}`;
  const fix =
    hidden === 0
      ? 'release addresses, or use a larger subnet'
      : 'shrink or remove these ranges on the grid, or use a larger subnet';
  if (!hasFree) return [failure(`none: ${room}`, fix)];
  if (total - used - hidden < total * scarce) return [warning(`few: ${room}`, fix)];
  return [ok(room)];
}

function hiddenBy(ranges: readonly Interval[], cidr: Cidr): number {
  const inside = ranges.filter(({ first }) => contains(cidr, first));
  const sizes = inside.map(({ first, last }) => compareAddresses(last, first) + 1);
  return Math.min(
    sizes.reduce((sum, size) => sum + size, 0),
    hostCount(cidr),
  );
}

interface GatewayFacts {
  readonly spec: NetworkSpec;
  /** The address that no container may get; undefined if there is none, or it is not known yet. */
  readonly address: string | undefined;
  /** What the grid has reserved there. */
  readonly holder?: Pick<Reservation, 'comment' | 'mac'> | undefined;
  /** Whether anything uses it; undefined if the user must not know. */
  readonly isUsed?: boolean | undefined;
}

/** Judges whether the gateway's address is kept from containers. */
export function judgeGateway({ spec, address, holder, isUsed }: GatewayFacts): Verdict[] {
  if (address === undefined) {
    const isKept = spec.gateway !== undefined || spec.keepFirst;
    return [
      ok(isKept ? 'reserved with the network, once that is there' : 'none configured, so containers are told none'),
    ];
  }
  if (holder === undefined) {
    if (isUsed) return [ok(`${address} is in use on the grid by something that is no reservation`)];
    return [ok(`${address} is free: the first ADD reserves it`)];
  }
  const { comment, mac } = holder;
  if (comment === gatewayMark(spec.name)) return [ok(`${address} is reserved`)];
  if (isAttachmentMark(comment)) {
    const fix = `choose another gateway, or stop that container: ${comment}`;
    return [failure(`${address} is held by a container`, fix)];
  }
  const whose = comment === '' ? `a fixed address of ${mac || 'no MAC address'}` : `"${comment}"`;
  return [ok(`${address} is held on the grid by ${whose}`)];
}

/** An address of this host that lies in the network. */
interface OwnAddress extends HostAddress {
  /** Whether the grid takes it for used; undefined if the user may not see that. */
  readonly known: boolean | undefined;
}

/** Judges whether a container could be given an address of this host. */
export function judgeOwnAddresses(
  own: readonly OwnAddress[],
  { cidr, ranges = [] }: { readonly cidr: Cidr; readonly ranges: readonly Interval[] | undefined },
): Verdict[] {
  if (own.length === 0) return [ok(`none lies in ${cidr.text}, the gateway aside`)];
  return own.map(({ address, device, known }) => {
    const what = `${address} (${device ?? 'an interface without carrier'})`;
    if (known === true) return ok(`${what} is in use for the grid, too`);
    if (ranges.some((range) => isWithin(address, range))) {
      return ok(`${what} lies in a DHCP range, of which no container gets an address`);
    }
    const fix = `reserve ${address} on the grid: a fixed address, or a host record`;
    if (known === undefined) return warning(`whether the grid knows ${what} cannot be seen by this user`, fix);
    return failure(`the grid does not know ${what}: another host may give it to a container`, fix);
  });
}

/**
 * Judges whether hosts that share a network claim one gateway: a bridge with `isGateway` puts its address on each of them.
 * @param others other hosts that have addresses in the network
 */
export function judgeSharing(
  others: readonly string[],
  { config, gateway }: { readonly config: Readonly<Record<string, unknown>>; readonly gateway: string | undefined },
): Verdict[] {
  if (others.length === 0) return [ok('no other host has addresses in it')];
  const named = `${others.join(', ')} ${others.length === 1 ? 'has' : 'have'} addresses in it, too`;
  const isGateway = config.type === 'bridge' && (config.isGateway === true || config.isDefaultGateway === true);
  if (!isGateway || gateway === undefined) return [ok(named)];
  const fix =
    'let a router have the gateway and drop isGateway, or give each host a network of its own (docs/configuration.md, Several hosts, one network)';
  return [warning(`${named}, and a bridge with isGateway puts ${gateway} on each host`, fix)];
}
