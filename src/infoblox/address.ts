/**
 * IPv4 addresses and networks in CIDR form, the only parser and the only arithmetic of them here. Parsing is strict: four
 * decimal parts, no leading zeros.
 */
import ipaddr from 'ipaddr.js';

export interface Cidr {
  /** First address of the network. */
  readonly base: string;
  /** Prefix length in bits. */
  readonly prefix: number;
  /** `10.0.0.0/24` */
  readonly text: string;
}

/** Reads an address. @returns it in canonical form, undefined if the text is none */
export function parseAddress(text: string): string | undefined {
  return ipaddr.IPv4.isValidFourPartDecimal(text) && !/(^|\.)0\d/.test(text) ? text : undefined;
}

/**
 * Reads a network in CIDR form.
 * @returns undefined if the text is none; `hostBits` is the text of the network that was meant, if host bits are set
 */
export function parseCidr(text: string): (Cidr & { hostBits?: string }) | undefined {
  const match = /^([0-9.]+)\/(0|[1-9]\d?)$/.exec(text);
  const address = match?.[1] === undefined ? undefined : parseAddress(match[1]);
  const prefix = Number(match?.[2]);
  if (address === undefined || !(prefix <= 32)) return undefined;
  const base = ipaddr.IPv4.networkAddressFromCIDR(`${address}/${prefix}`).toString();
  const cidr = { base, prefix, text: `${base}/${prefix}` };
  return base === address ? cidr : { ...cidr, hostBits: `${base}/${prefix}` };
}

/** Tells whether the address lies in the network. */
export function contains(cidr: Cidr, address: string): boolean {
  return ipaddr.IPv4.parse(address).match(ipaddr.IPv4.parse(cidr.base), cidr.prefix);
}

/** Tells whether all of a network lies in another one, or is that. */
export function isInside(inner: Cidr, outer: Cidr): boolean {
  return inner.prefix >= outer.prefix && contains(outer, inner.base);
}

/** Tells whether the two networks share an address. */
export function overlaps(one: Cidr, other: Cidr): boolean {
  return one.prefix <= other.prefix ? contains(one, other.base) : contains(other, one.base);
}

/** Tells whether an address is the network's own or its broadcast address, which no host may have. */
export function isNetworkOrBroadcast(cidr: Cidr, address: string): boolean {
  if (cidr.prefix >= 31) return false;
  return address === cidr.base || address === ipaddr.IPv4.broadcastAddressFromCIDR(cidr.text).toString();
}

/** Counts the addresses that hosts can have: all but the network's own and its broadcast address. */
export function hostCount({ prefix }: Cidr): number {
  return prefix >= 31 ? 2 ** (32 - prefix) : 2 ** (32 - prefix) - 2;
}

/** Computes the address that is `offset` above the network's first. */
export function addressAt(cidr: Cidr, offset: number): string {
  const value = toNumber(cidr.base) + offset;
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}

/** Computes the host part of an address whose network bits are all zero, `0.0.0.1` in a /24; undefined for any other. */
export function hostPart(cidr: Cidr, address: string): number | undefined {
  const value = toNumber(address);
  return value < 2 ** (32 - cidr.prefix) ? value : undefined;
}

/** Orders two addresses by their value, for `sort`. */
export function compareAddresses(one: string, other: string): number {
  return toNumber(one) - toNumber(other);
}

/** Converts an address to its number. Digit by digit, as sorting thousands of leases calls it hundreds of thousands of times. */
function toNumber(address: string): number {
  let value = 0;
  let part = 0;
  for (const digit of address) {
    if (digit === '.') {
      value = value * 256 + part;
      part = 0;
    } else part = part * 10 + Number(digit);
  }
  return value * 256 + part;
}
