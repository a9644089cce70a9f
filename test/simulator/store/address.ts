/** Addresses as numbers of 128 bits: those of IPv4 lie in ::ffff:0:0/96 (RFC 4291, section 2.5.5.2), where IPv6 networks have none. */
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

/** Dotted quad or IPv6 address to number; undefined for anything else (also for the octal and short forms that inet_aton takes). */
export function parseAddress(text: string): bigint | undefined {
  // The library throws and catches an error for each text that is none.
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

/** How many addresses a network of that prefix length holds. */
export function networkSize(family: Family, prefix: number): bigint {
  return 1n << BigInt(BITS[family] - prefix);
}

/** The network of `prefix` bits around an address. */
export function networkAround(address: bigint, prefix: number): Cidr {
  const family = familyOf(address);
  const size = networkSize(family, prefix);
  const first = address - (address % size);
  return { family, first, last: first + size - 1n, prefix, text: `${formatAddress(first)}/${prefix}` };
}

/** `a.b.c.d/n` or `a:b::/n` to a network; undefined when malformed or when host bits are set. */
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

/** True when `inner` lies in `outer`; equal networks are not strictly inside each other. */
export function strictlyInside(inner: Cidr, outer: Cidr): boolean {
  return inner.prefix > outer.prefix && inner.family === outer.family && containsAddress(outer, inner.first);
}

/**
 * The usable hosts of a network: all but its own address, in IPv6 that of its routers (RFC 4291, section 2.6.1), and the broadcast
 * address of IPv4. A network of two addresses or one has neither.
 */
export function hostBounds({ family, first, last }: Cidr): { first: bigint; last: bigint } {
  if (last - first < 2n) return { first, last };
  return { first: first + 1n, last: family === 4 ? last - 1n : last };
}
