/** What the grid's answers about a network mean for the containers of a configuration. Pure. */
import { type Cidr, compareAddresses, contains, hostCount } from '../../../../infoblox/address.ts';
import { gatewayMark, isAttachmentMark } from '../../../../infoblox/mark.ts';
import type { NetworkOutlook } from '../../../../infoblox/network/outlook.ts';
import type { NetworkSpec } from '../../../../infoblox/network/spec.ts';
import type { DhcpRange } from '../../../../infoblox/wapi/inspection.ts';
import type { FixedAddress } from '../../../../infoblox/wapi/schemas.ts';
import { failure, ok, type Verdict, warning } from '../finding.ts';
import type { HostAddress } from '../host/own-addresses.ts';

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
  readonly ranges: readonly DhcpRange[] | undefined;
}

/** Part of the addresses below which a network is soon full. */
const scarce = 0.1;

/** Judges how many addresses a network has left. The grid gives out none that lies in a DHCP range. */
export function judgeAddresses({ cidr, used = 0, hasFree, ranges = [] }: AddressFacts): Verdict[] {
  const total = hostCount(cidr);
  const hidden = hiddenBy(ranges, cidr);
  const spans = ranges.map(({ first, last }) => `${first}-${last}`).join(', ');
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

function hiddenBy(ranges: readonly DhcpRange[], cidr: Cidr): number {
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
  /** The fixed address that the grid has there. */
  readonly holder: FixedAddress | undefined;
  /** What the grid says of the address, `USED` say. */
  readonly status: string | undefined;
}

/** Judges whether the gateway's address is kept from containers. */
export function judgeGateway({ spec, address, holder, status }: GatewayFacts): Verdict[] {
  if (address === undefined) {
    const isKept = spec.gateway !== undefined || spec.keepFirst;
    return [
      ok(isKept ? 'reserved with the network, once that is there' : 'none configured, so containers are told none'),
    ];
  }
  if (holder === undefined) {
    if (status === 'USED') return [ok(`${address} is in use on the grid by something that is no reservation`)];
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
  { cidr, ranges = [] }: { readonly cidr: Cidr; readonly ranges: readonly DhcpRange[] | undefined },
): Verdict[] {
  if (own.length === 0) return [ok(`none lies in ${cidr.text}, the gateway aside`)];
  return own.map(({ address, device, known }) => {
    const what = `${address} (${device ?? 'an interface without carrier'})`;
    if (known === true) return ok(`${what} is in use for the grid, too`);
    if (ranges.some(({ first, last }) => isBetween(address, first, last))) {
      return ok(`${what} lies in a DHCP range, of which no container gets an address`);
    }
    const fix = `reserve ${address} on the grid: a fixed address, or a host record`;
    if (known === undefined) return warning(`whether the grid knows ${what} cannot be seen by this user`, fix);
    return failure(`the grid does not know ${what}: another host may give it to a container`, fix);
  });
}

function isBetween(address: string, first: string, last: string): boolean {
  return compareAddresses(first, address) <= 0 && compareAddresses(address, last) <= 0;
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
