import ipaddr from 'ipaddr.js';

/** An IPv4 network; addresses are unsigned 32-bit integers, `prefix` is in bits, `text` the canonical CIDR. */
export interface Cidr {
  readonly first: number;
  readonly last: number;
  readonly prefix: number;
  readonly text: string;
}

/** Dotted quad to integer; undefined for anything else (also for the octal and short forms that inet_aton takes). */
export function parseAddress(text: string): number | undefined {
  if (!ipaddr.IPv4.isValidFourPartDecimal(text)) return undefined;
  return ipaddr.IPv4.parse(text).octets.reduce((value, octet) => value * 256 + octet, 0);
}

export function formatAddress(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** How many addresses a network of that prefix length holds. */
export function networkSize(prefix: number): number {
  return 2 ** (32 - prefix);
}

/** The network of `prefix` bits around an address. */
export function networkAround(address: number, prefix: number): Cidr {
  const size = networkSize(prefix);
  const first = address - (address % size);
  return { first, last: first + size - 1, prefix, text: `${formatAddress(first)}/${prefix}` };
}

/** `a.b.c.d/n` to a network; undefined when malformed or when host bits are set. */
export function parseCidr(text: string): Cidr | undefined {
  const match = /^([^/]+)\/(\d{1,2})$/.exec(text);
  const address = parseAddress(match?.[1] ?? '');
  const prefix = Number(match?.[2]);
  if (address === undefined || !(prefix >= 1 && prefix <= 32)) return undefined;
  const cidr = networkAround(address, prefix);
  return cidr.first === address ? cidr : undefined;
}

export function containsAddress(cidr: Cidr, address: number): boolean {
  return address >= cidr.first && address <= cidr.last;
}

/** True when `inner` lies in `outer`; equal networks are not strictly inside each other. */
export function strictlyInside(inner: Cidr, outer: Cidr): boolean {
  return inner.prefix > outer.prefix && containsAddress(outer, inner.first);
}

/** The usable hosts of a network. A /31 and a /32 have neither network nor broadcast address. */
export function hostBounds(cidr: Cidr): { first: number; last: number } {
  return cidr.prefix >= 31 ? cidr : { first: cidr.first + 1, last: cidr.last - 1 };
}
