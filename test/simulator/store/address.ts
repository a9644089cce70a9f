/**
 * Addresses as 128-bit numbers. IPv4 is mapped to ::ffff:0:0/96 (RFC 4291, section 2.5.5.2), where there are no IPv6
 * networks.
 */
import ipaddr from 'ipaddr.js';

export type Family = 4 | 6;

/** A network: its first and last address, its prefix in bits of its family, and its canonical text. */
export interface Cidr {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
  readonly prefix: number;
  readonly text: string;
}

const firstIpv4 = 0xffff_0000_0000n;
const lastIpv4 = firstIpv4 + 0xffff_ffffn;

export const BITS: Readonly<Record<Family, number>> = { 4: 32, 6: 128 };

export function familyOf(address: bigint): Family {
  return address >= firstIpv4 && address <= lastIpv4 ? 4 : 6;
}

/**
 * Parses a dotted quad or an IPv6 address; undefined for other texts, including the octal and short forms of inet_aton.
 */
export function parseAddress(text: string): bigint | undefined {
  // Checked first, since the library throws and catches an error for every malformed text.
  if (!/^[0-9a-f:.]+$/i.test(text)) return undefined;
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) {
    return firstIpv4 + BigInt(ipaddr.IPv4.parse(text).octets.reduce((value, octet) => value * 256 + octet, 0));
  }
  if (!/^[0-9a-f:]+$/i.test(text) || !ipaddr.IPv6.isValid(text)) return undefined;
  const address = BigInt(`0x${Buffer.from(ipaddr.IPv6.parse(text).toByteArray()).toString('hex')}`);
  return familyOf(address) === 6 ? address : undefined;
}

export function formatAddress(address: bigint): string {
  if (familyOf(address) === 4) {
    const number = Number(address - firstIpv4);
    return `${number >>> 24}.${(number >>> 16) & 255}.${(number >>> 8) & 255}.${number & 255}`;
  }
  return new ipaddr.IPv6([...Buffer.from(address.toString(16).padStart(32, '0'), 'hex')]).toRFC5952String();
}

/** Returns the number of addresses in a network of that prefix length. */
export function networkSize(family: Family, prefix: number): bigint {
  return 1n << BigInt(BITS[family] - prefix);
}

/** Returns the network of `prefix` bits that contains an address. */
export function networkAround(address: bigint, prefix: number): Cidr {
  const family = familyOf(address);
  const size = networkSize(family, prefix);
  const first = address - (address % size);
  return { family, first, last: first + size - 1n, prefix, text: `${formatAddress(first)}/${prefix}` };
}

/** Parses `a.b.c.d/n` or `a:b::/n`; undefined if malformed or if host bits are set. */
export function parseCidr(text: string): Cidr | undefined {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text);
  const address = parseAddress(match?.[1] ?? '');
  const prefix = Number(match?.[2]);
  if (address === undefined || !(prefix >= 1 && prefix <= BITS[familyOf(address)])) return undefined;
  const cidr = networkAround(address, prefix);
  return cidr.first === address ? cidr : undefined;
}

export function containsAddress(cidr: Cidr, address: bigint): boolean {
  return address >= cidr.first && address <= cidr.last;
}

/** Tells whether `inner` lies in `outer`; equal networks do not. */
export function strictlyInside(inner: Cidr, outer: Cidr): boolean {
  return inner.prefix > outer.prefix && inner.family === outer.family && containsAddress(outer, inner.first);
}

/**
 * Returns the usable addresses of a network: all except the network address (in IPv6 the routers', RFC 4291, section
 * 2.6.1) and the IPv4 broadcast address. Networks of one or two addresses have neither.
 */
export function hostBounds({ family, first, last }: Cidr): { first: bigint; last: bigint } {
  if (last - first < 2n) return { first, last };
  return { first: first + 1n, last: family === 4 ? last - 1n : last };
}
