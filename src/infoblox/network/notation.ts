/**
 * The notation of networks and gateways in configurations: the same rules for both families, with the differences in
 * one table.
 */
import {
  type Cidr,
  type Family,
  familyOf,
  isNetworkOrBroadcast,
  isWithin,
  parseAddress,
  parseCidr,
  withHostPart,
} from '../address.ts';
import { GridError } from '../errors.ts';

interface Notation {
  /** Prefix length of the smallest network with a container's address beside the gateway. */
  readonly maxPrefixLength: number;
  /** Networks that hosts must not use, and their purpose. */
  readonly reserved: readonly (readonly [network: string, use: string])[];
  /** Examples for hints: a network, its usual size, a gateway, and gateways by host part. */
  readonly network: string;
  readonly size: string;
  readonly gateway: string;
  readonly firstHost: string;
  readonly anyHost: string;
}

const notations: Readonly<Record<Family, Notation>> = {
  4: {
    maxPrefixLength: 30,
    // RFC 6890, RFC 5771
    reserved: [
      ['0.0.0.0/8', '"this network"'],
      ['127.0.0.0/8', 'loopback'],
      ['224.0.0.0/4', 'multicast'],
    ],
    network: '172.18.1.0/24',
    size: '24 for 254 addresses',
    gateway: '172.18.1.1',
    firstHost: '0.0.0.1',
    anyHost: '0.0.0.x',
  },
  6: {
    maxPrefixLength: 126,
    // RFC 4291
    reserved: [
      ['::/8', 'loopback and IPv4 addresses'],
      ['fe80::/10', 'single links'],
      ['ff00::/8', 'multicast'],
    ],
    network: 'fd00:18:1::/64',
    size: '64 for a usual IPv6 subnet',
    gateway: 'fd00:18:1::1',
    firstHost: '::1',
    anyHost: '::x',
  },
};

/**
 * Parses a network for containers.
 * @param key its key in the configuration
 * @throws GridError `invalid-spec`
 */
export function strictCidr(key: string, text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr === undefined) {
    throw new GridError('invalid-spec', `${key} "${text}" is not a network`, {
      hint: `write it as ${notations[4].network}, or as ${notations[6].network}`,
    });
  }
  const { network, maxPrefixLength, reserved } = notations[cidr.family];
  if (cidr.prefix > maxPrefixLength || cidr.prefix === 0) {
    throw new GridError('invalid-spec', `${key} ${text} cannot hold containers`, {
      hint: `a network has a prefix length from 1 to ${maxPrefixLength}`,
    });
  }
  if (cidr.hostBits !== undefined) {
    throw new GridError('invalid-spec', `${key} ${text} has host bits set`, {
      hint: `did you mean ${cidr.hostBits}?`,
    });
  }
  const use = reserved.find(([one]) => isIn(cidr.first, one))?.[1];
  if (use !== undefined) {
    throw new GridError('invalid-spec', `${key} ${text} cannot hold containers: it is reserved for ${use}`, {
      hint: `choose another network, such as ${network}`,
    });
  }
  return cidr;
}

function isIn(address: string, network: string): boolean {
  const cidr = parseCidr(network);
  return cidr !== undefined && isWithin(address, cidr);
}

/**
 * Checks the prefix length of networks in a container.
 * @param path prefix of the source's keys
 * @throws GridError `invalid-spec`
 */
export function strictPrefixLength(path: string, prefixLength: number | undefined, { family, text }: Cidr): number {
  const { maxPrefixLength, size } = notations[family];
  if (prefixLength === undefined) {
    throw new GridError('invalid-spec', `${path}network-container ${text} has no prefix-length`, {
      hint: `set ${path}prefix-length, ${size}`,
    });
  }
  const key = `${path}prefix-length`;
  if (Number.isInteger(prefixLength) && prefixLength >= 1 && prefixLength <= maxPrefixLength) return prefixLength;
  throw new GridError('invalid-spec', `${key} ${prefixLength} is not a whole number from 1 to ${maxPrefixLength}`, {
    hint: `choose the size of the network, ${size}`,
  });
}

/**
 * Checks a gateway as far as possible without its network.
 * @returns its canonical form, in which the grid names addresses
 * @throws GridError `invalid-spec`
 */
export function strictGateway(key: string, gateway: string): string {
  const address = parseAddress(gateway);
  if (address !== undefined) return address;
  const [four, six] = [notations[4], notations[6]];
  throw new GridError('invalid-spec', `${key} "${gateway}" is not an IP address`, {
    hint: `write it as ${four.gateway}, or as ${four.firstHost} for host part 1 of the network; in IPv6 as ${six.gateway} or ${six.firstHost}`,
  });
}

/**
 * Returns the notation for the first host of any network of a family, as a gateway.
 * @param network as written
 */
export function firstHostOf(network: string): string {
  return notations[familyOf(network)].firstHost;
}

/** Tells whether a gateway has an address in a network: whether `resolveGateway` finds one. */
export function isGatewayOf(gateway: string, cidr: Cidr): boolean {
  const address = withHostPart(cidr, gateway) ?? gateway;
  return isWithin(address, cidr) && !isNetworkOrBroadcast(cidr, address);
}

/**
 * Computes the gateway's address in a network: as given, or host part x of the network for `0.0.0.x` or `::x`.
 * @throws GridError `invalid-spec` if it is outside the network or not a host address
 */
export function resolveGateway(gateway: string, cidr: Cidr): string {
  const address = withHostPart(cidr, gateway) ?? gateway;
  if (!isWithin(address, cidr)) {
    throw new GridError('invalid-spec', `gateway ${gateway} is outside the network ${cidr.text}`, {
      hint: `choose an address of ${cidr.text}, or ${notations[cidr.family].anyHost} for host part x of it`,
    });
  }
  if (isNetworkOrBroadcast(cidr, address)) {
    throw new GridError('invalid-spec', `gateway ${gateway} is the network or broadcast address of ${cidr.text}`, {
      hint: `choose a host address of ${cidr.text}`,
    });
  }
  return address;
}
