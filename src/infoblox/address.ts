/**
 * Addresses and networks in CIDR form, of both families: the only parser and arithmetic for them in this folder.
 * Parsing is strict: an IPv4 address has four decimal parts without leading zeros, an IPv6 address has no zone and no
 * embedded IPv4 address.
 */
import ipaddr from 'ipaddr.js';

export const families = [4, 6] as const;
export type Family = (typeof families)[number];

/** An inclusive interval of addresses of one family. */
export interface Interval {
  readonly first: string;
  readonly last: string;
}

/** A network: the interval of all its addresses. */
export interface Cidr extends Interval {
  readonly family: Family;
  /** Prefix length in bits. */
  readonly prefix: number;
  /** `10.0.0.0/24`, `2001:db8::/64` */
  readonly text: string;
}

/**
 * Parses an address.
 * @returns its canonical form, undefined if the text is not an address
 */
export function parseAddress(text: string): string | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return /(^|\.)0\d/.test(text) ? undefined : text;
  const isIpv6 = /^[0-9a-f:]+$/i.test(text) && ipaddr.IPv6.isValid(text);
  return isIpv6 ? ipaddr.IPv6.parse(text).toRFC5952String() : undefined;
}

/** Returns the family of an address. */
export function familyOf(address: string): Family {
  return address.includes(':') ? 6 : 4;
}

/**
 * Parses a network in CIDR form.
 * @returns undefined if the text is not a CIDR; with `hostBits`, the text of the network that was probably meant, if
 * host bits are set
 */
export function parseCidr(text: string): (Cidr & { hostBits?: string }) | undefined {
  const [, written = '', digits = ''] = /^([0-9a-f.:]+)\/(0|[1-9]\d{0,2})$/i.exec(text) ?? [];
  const address = parseAddress(written);
  const prefix = Number(digits);
  if (address === undefined || prefix > bitsOf(familyOf(address))) return undefined;
  const family = familyOf(address);
  const hostBits = BigInt(bitsOf(family) - prefix);
  const value = (numberOf(address) >> hostBits) << hostBits;
  const [first, last] = [textOf(family, value), textOf(family, value + (1n << hostBits) - 1n)];
  const cidr = { family, first, last, prefix, text: `${first}/${prefix}` };
  return first === address ? cidr : { ...cidr, hostBits: cidr.text };
}

/** Formats a network or an interval: `10.0.0.0/24`, `10.0.0.8-10.0.0.15`. */
export function spanOf(place: Cidr | Interval): string {
  return 'text' in place ? place.text : `${place.first}-${place.last}`;
}

/** Tells whether an address lies in an interval. */
export function isWithin(address: string, { first, last }: Interval): boolean {
  const value = numberOf(address);
  return familyOf(address) === familyOf(first) && numberOf(first) <= value && value <= numberOf(last);
}

/** Tells whether an interval lies in another one, or equals it. */
export function isPartOf({ first, last }: Interval, whole: Interval): boolean {
  return isWithin(first, whole) && isWithin(last, whole);
}

/** Tells whether two intervals share an address. */
export function intersect(one: Interval, other: Interval): boolean {
  return isWithin(one.first, other) || isWithin(other.first, one);
}

/**
 * Tells whether no host may have an address: the network address, which in IPv6 is the routers' (RFC 4291 section
 * 2.6.1), or the IPv4 broadcast address.
 */
export function isNetworkOrBroadcast(cidr: Cidr, address: string): boolean {
  if (bitsOf(cidr.family) - cidr.prefix < 2) return false;
  return address === cidr.first || (cidr.family === 4 && address === cidr.last);
}

/** Counts the usable addresses, without those of `isNetworkOrBroadcast`; approximate above 2 to the power of 53. */
export function hostCount(cidr: Cidr): number {
  const count = spanSize(cidr);
  if (count <= 2) return count;
  return cidr.family === 4 ? count - 2 : count - 1;
}

/**
 * Computes the offset of an address from the first of an interval; for an address outside, the result is outside, too.
 */
export function offsetIn({ first }: Pick<Interval, 'first'>, address: string): number {
  return Number(numberOf(address) - numberOf(first));
}

/** Computes the address that is `offset` above another one. */
export function addressBeside(address: string, offset: number): string {
  return textOf(familyOf(address), numberOf(address) + BigInt(offset));
}

/** Counts the addresses of an interval; approximate above 2 to the power of 53. */
export function sizeOf(interval: Interval): number {
  return offsetIn(interval, interval.last) + 1;
}

/** Counts all addresses of a network, including unusable ones. */
export function spanSize({ family, prefix }: Pick<Cidr, 'family' | 'prefix'>): number {
  return 2 ** (bitsOf(family) - prefix);
}

/** Computes the address of a network from its host part, `0.0.0.1` or `::1`; undefined for any other address. */
export function withHostPart({ family, first, prefix }: Omit<Cidr, 'last'>, part: string): string | undefined {
  const value = numberOf(part);
  if (familyOf(part) !== family || value >> BigInt(bitsOf(family) - prefix) !== 0n) return undefined;
  return textOf(family, numberOf(first) + value);
}

/** Orders two addresses by family and value, for `sort`. */
export function compareAddresses(one: string, other: string): number {
  return familyOf(one) - familyOf(other) || Number(numberOf(one) - numberOf(other));
}

/** Returns a number that orders addresses as `compareAddresses` does: in a long list each is parsed only once. */
export function rankOf(address: string): bigint {
  return numberOf(address) + (familyOf(address) === 4 ? 0n : 1n << 32n);
}

function bitsOf(family: Family): number {
  return family === 4 ? 32 : 128;
}

/** Converts an address to its number. */
function numberOf(address: string): bigint {
  if (familyOf(address) === 6) return BigInt(`0x${Buffer.from(ipaddr.parse(address).toByteArray()).toString('hex')}`);
  // Ten times as fast as ipaddr.js, and called for each of many leases.
  return BigInt(address.split('.').reduce((value, part) => value * 256 + Number(part), 0));
}

/** Converts a number to an address; wraps around after the last one. */
function textOf(family: Family, value: bigint): string {
  const bits = bitsOf(family);
  const hex = BigInt.asUintN(bits, value)
    .toString(16)
    .padStart(bits / 4, '0');
  const address = ipaddr.fromByteArray([...Buffer.from(hex, 'hex')]);
  return address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString();
}
