/** Where the addresses of a network come from: what a network configuration asks for, checked and made canonical. */

import { addressAt, type Cidr, contains, hostPart, isNetworkOrBroadcast, parseAddress, parseCidr } from '../address.ts';
import { GridError } from '../errors.ts';

/** A network of fixed place, or one of a given size to be taken from containers. */
export type Source =
  | { readonly kind: 'subnet'; readonly cidr: Cidr }
  | { readonly kind: 'container'; readonly containers: readonly Cidr[]; readonly prefixLength: number };

export interface NetworkSpec {
  readonly name: string;
  /** Network view. */
  readonly view: string;
  readonly source: Source;
  /** As configured; `0.0.0.x` is resolved once the network is known. */
  readonly gateway?: string;
  /** The main plugin takes the first host address for itself, without telling us. */
  readonly keepFirst: boolean;
}

/** The same as it comes from the network configuration and, for what that leaves out, from the daemon's flags. */
export interface SpecInput {
  readonly name: string;
  readonly view: string;
  readonly subnet?: string;
  /** Comma-separated, in the order to be tried. */
  readonly containers: string;
  readonly prefixLength: number;
  readonly gateway?: string;
  readonly keepFirst: boolean;
}

const smallest = 30;

/** @throws GridError `invalid-spec` naming the key and the hint */
export function networkSpec(input: SpecInput): NetworkSpec {
  const source = input.subnet === undefined ? containerSource(input) : subnetSource(input.subnet);
  const spec = {
    name: input.name,
    view: input.view,
    source,
    keepFirst: input.keepFirst,
    ...(input.gateway === undefined ? {} : { gateway: input.gateway }),
  };
  if (input.gateway !== undefined) {
    if (input.gateway.includes(':')) throw noIpv6(`gateway ${input.gateway}`);
    if (parseAddress(input.gateway) === undefined) {
      throw new GridError('invalid-spec', `gateway "${input.gateway}" is no IPv4 address`, {
        hint: 'write it as 172.18.1.1, or as 0.0.0.1 for host part 1 of the network',
      });
    }
    if (source.kind === 'subnet') resolveGateway(input.gateway, source.cidr);
  }
  return spec;
}

/**
 * The gateway's address in a network: as given, or host part x of the network for `0.0.0.x`.
 * @throws GridError `invalid-spec` if it lies outside the network or is no host's address
 */
export function resolveGateway(gateway: string, cidr: Cidr): string {
  const part = hostPart(cidr, gateway);
  const address = part === undefined || cidr.base === '0.0.0.0' ? gateway : addressAt(cidr, part);
  if (!contains(cidr, address)) {
    throw new GridError('invalid-spec', `gateway ${gateway} is outside the network ${cidr.text}`, {
      hint: `choose an address of ${cidr.text}, or 0.0.0.x for host part x of it`,
    });
  }
  if (isNetworkOrBroadcast(cidr, address)) {
    throw new GridError('invalid-spec', `gateway ${gateway} is the network or broadcast address of ${cidr.text}`, {
      hint: `choose a host address of ${cidr.text}`,
    });
  }
  return address;
}

/**
 * The address of a network that no container may have: the gateway, or the one that a bridge takes for itself.
 * @throws GridError `invalid-spec` as `resolveGateway`
 */
export function keptBack({ gateway, keepFirst }: NetworkSpec, cidr: Cidr): string | undefined {
  if (gateway !== undefined) return resolveGateway(gateway, cidr);
  return keepFirst ? addressAt(cidr, 1) : undefined;
}

/**
 * To be asked before a network is made for a policy: one that cannot hold the gateway would be there to stay. A network
 * that is found by its name may lie elsewhere, and is judged by `resolveGateway`.
 * @throws GridError `invalid-spec` if the gateway lies in none of the containers
 */
export function refuseStrayGateway({ gateway, source }: NetworkSpec): void {
  if (gateway === undefined || source.kind !== 'container') return;
  const { containers, prefixLength } = source;
  const hostParts = { base: '0.0.0.0', prefix: prefixLength, text: `0.0.0.0/${prefixLength}` };
  if (contains(hostParts, gateway)) return;
  if (containers.some((container) => contains(container, gateway))) return;
  const tried = containers.map((container) => container.text).join(', ');
  throw new GridError('invalid-spec', `gateway ${gateway} is in none of the network containers ${tried}`, {
    hint: 'use 0.0.0.1 for the first address of whatever network is taken, or set network-container or subnet to match',
  });
}

function subnetSource(subnet: string): Source {
  return { kind: 'subnet', cidr: strictCidr('subnet', subnet, smallest) };
}

function containerSource(input: SpecInput): Source {
  const containers = input.containers
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => strictCidr('network-container', part, smallest));
  if (containers.length === 0) {
    throw new GridError('invalid-spec', 'neither subnet nor network-container is set', {
      hint: 'set "subnet" or "network-container" in the network configuration, or --network-container',
    });
  }
  const { prefixLength } = input;
  if (!Number.isInteger(prefixLength) || prefixLength < 1 || prefixLength > smallest) {
    throw new GridError('invalid-spec', `prefix-length ${prefixLength} is not a whole number from 1 to ${smallest}`, {
      hint: 'choose the size of the network, 24 for 254 addresses',
    });
  }
  const tooSmall = containers.find((container) => container.prefix >= prefixLength);
  if (tooSmall !== undefined) {
    throw new GridError('invalid-spec', `a /${prefixLength} network does not fit into ${tooSmall.text}`, {
      hint: `choose a prefix-length above ${tooSmall.prefix}, or a larger network-container`,
    });
  }
  return { kind: 'container', containers, prefixLength };
}

function strictCidr(key: string, text: string, longestPrefix: number): Cidr {
  if (text.includes(':')) throw noIpv6(`${key} ${text}`);
  const cidr = parseCidr(text);
  if (cidr === undefined) {
    throw new GridError('invalid-spec', `${key} "${text}" is no IPv4 network`, { hint: 'write it as 172.18.1.0/24' });
  }
  if (cidr.hostBits !== undefined) {
    throw new GridError('invalid-spec', `${key} ${text} has host bits set`, {
      hint: `did you mean ${cidr.hostBits}?`,
    });
  }
  if (cidr.prefix > longestPrefix || cidr.prefix === 0) {
    throw new GridError('invalid-spec', `${key} ${text} cannot hold containers`, {
      hint: `a network has a prefix length from 1 to ${longestPrefix}`,
    });
  }
  return cidr;
}

function noIpv6(what: string): GridError {
  return new GridError('invalid-spec', `${what}: IPv6 networks are not supported yet`, {
    hint: 'use an IPv4 network',
  });
}
