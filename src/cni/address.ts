/**
 * IP addresses and CIDRs in text form, parsed and re-printed like the reference implementation: no leading zeros, no
 * zone, canonical IPv6, IPv4-mapped IPv6 as IPv4. Used by the daemon only.
 */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

type Family = 4 | 6;

interface Address {
  readonly family: Family;
  /** Canonical form. */
  readonly text: string;
}

interface Cidr {
  readonly family: Family;
  /** Canonical form, host bits kept. */
  readonly address: string;
  /** In bits. */
  readonly prefix: number;
  /** `address/prefix`. */
  readonly text: string;
}

/**
 * Parses a bare IPv4 or IPv6 address.
 * @returns undefined if `text` is not an address
 */
export function parseAddress(text: string): Address | undefined {
  const kind = isIP(text);
  if (kind === 4) return { family: 4, text };
  if (kind !== 6 || text.includes('%')) return undefined;
  const address = ipaddr.IPv6.parse(text);
  return address.isIPv4MappedAddress()
    ? { family: 4, text: address.toIPv4Address().toString() }
    : { family: 6, text: address.toRFC5952String() };
}

/**
 * Parses an address with a prefix length, such as 10.20.0.5/24.
 * @returns undefined if `text` is not a CIDR
 */
export function parseCidr(text: string): Cidr | undefined {
  const [, host = '', digits = ''] = /^([^/]*)\/(0|[1-9]\d{0,2})$/.exec(text) ?? [];
  const address = parseAddress(host);
  if (address === undefined) return undefined;
  const mapped = address.family === 4 && host.includes(':');
  const prefix = Number(digits) - (mapped ? 96 : 0);
  if (prefix < 0 || prefix > (address.family === 4 ? 32 : 128)) return undefined;
  return { family: address.family, address: address.text, prefix, text: `${address.text}/${prefix}` };
}
