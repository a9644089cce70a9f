/** Defines all differences between the WAPI objects of IPv4 and IPv6. */
import { randomUUID } from 'node:crypto';
import * as v from 'valibot';
import { type Cidr, type Family, familyOf, parseAddress } from '../address.ts';
import type { Reservation } from '../grid.ts';
import type { Fields } from './request.ts';

/** Characters of a text: more than any name, comment (256 at most) or other text has. */
const maxTextLength = 1024;
/** Characters of an IPv6 address in its longest form. */
const maxAddressLength = 45;

export const text = v.pipe(v.string(), v.maxLength(maxTextLength, `at most ${maxTextLength} characters`));

export interface Dialect {
  readonly family: Family;
  /** Prefix of object types. */
  readonly prefix: '' | 'ipv6';
  /** Field of a fixed address for its address, and the fields that identify its client. */
  readonly address: 'ipv4addr' | 'ipv6addr';
  readonly identity: readonly string[];
  /** Reads these fields. */
  readonly fixed: v.GenericSchema<unknown, Pick<Reservation, 'address' | 'isReserved' | 'matchedBy' | 'mac'>>;
  /** Makes the fields of a fixed address that matches no client. */
  readonly reserved: () => Fields;
  /** How to find the network of an address: an object type with the field `network`, and the field to search by. */
  readonly around: { readonly type: string; readonly by: string };
  /** Whether networks have the field `utilization`. */
  readonly isCounted: boolean;
  /** Returns the common beginning of the addresses of all networks inside a network, as text. */
  readonly commonText: (cidr: Cidr) => string;
}

/** Makes the schema of an address, in canonical form. */
export function addressOf(family: Family) {
  const what = `an IPv${family} address`;
  return v.pipe(
    v.string(),
    v.maxLength(maxAddressLength, what),
    v.check((written) => parseAddress(written) !== undefined && familyOf(written) === family, what),
    v.transform((written) => parseAddress(written) ?? written),
  );
}

/** The MAC address of reservations; no client has it (NIOS 9.0 documentation, "Configuring IPv4 Reservations"). */
const zeroMac = '00:00:00:00:00:00';

const ipv4: Dialect = {
  family: 4,
  prefix: '',
  address: 'ipv4addr',
  identity: ['mac', 'match_client'],
  fixed: v.pipe(
    v.object({ ipv4addr: addressOf(4), mac: v.optional(text, ''), match_client: v.optional(text, '') }),
    v.transform(({ ipv4addr: address, mac, match_client: matchedBy }) => {
      // The driver makes only these: a DHCP client could get any other fixed address.
      return { address, isReserved: matchedBy === 'RESERVED' && (mac === zeroMac || mac === ''), matchedBy, mac };
    }),
  ),
  reserved: () => ({ match_client: 'RESERVED', mac: zeroMac }),
  around: { type: 'network', by: 'contains_address' },
  isCounted: true,
  commonText: ({ first, prefix }) => {
    const octets = first.split('.').slice(0, Math.floor(prefix / 8));
    return octets.map((octet) => `${octet}.`).join('');
  },
};

/**
 * IPv6 has no reservations, and before WAPI 2.13.6 a grid knows clients only by DUID (terraform-provider-nios, duid_validator). So an
 * address is reserved by a DUID that no client has, made of a random UUID (RFC 6355). Each address gets its own: no source says whether a
 * DUID may occur twice in a network.
 */
const ipv6: Dialect = {
  family: 6,
  prefix: 'ipv6',
  address: 'ipv6addr',
  identity: ['duid'],
  fixed: v.pipe(
    // A fixed address that only delegates a prefix has no address.
    v.object({ ipv6addr: v.optional(addressOf(6)), duid: v.optional(text, '') }),
    v.transform(({ ipv6addr: address = '', duid }) => {
      const isReserved = /^0004[0-9a-f]{32}$/i.test(duid.replaceAll(/[:-]/g, ''));
      return { address, isReserved, matchedBy: isReserved ? 'RESERVED' : `DUID ${duid}`, mac: '' };
    }),
  ),
  reserved: () => {
    const octets = `0004${randomUUID().replaceAll('-', '')}`.match(/../g) ?? [];
    return { duid: octets.join(':') };
  },
  // Networks cannot be searched by an address in them, but an address has its network (infoblox-client, issues 372 and 169).
  around: { type: 'ipv6address', by: 'ip_address' },
  // The vendor's schema does not have it (infobloxopen/infoblox-nios-go-client, ipam/docs/Ipv6network.md).
  isCounted: false,
  commonText: ({ first, prefix }) => {
    const groups = first.split(':').slice(0, Math.floor(prefix / 16));
    // After the first zero, other addresses may be written in a shorter form (RFC 5952).
    const end = groups.findIndex((group) => group === '' || group === '0');
    return (end === -1 ? groups : groups.slice(0, end)).map((group) => `${group}:`).join('');
  },
};

export const dialects: Readonly<Record<Family, Dialect>> = { 4: ipv4, 6: ipv6 };
