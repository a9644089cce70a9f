/** What WAPI calls the objects of each family of addresses, and what differs between them beside the names: all that does stands here. */
import { randomUUID } from 'node:crypto';
import * as v from 'valibot';
import { type Cidr, type Family, familyOf, parseAddress } from '../address.ts';
import type { Reservation } from '../grid.ts';
import type { Fields } from './request.ts';

/** Characters of a name, of a comment (256 at most) and of a text that is neither, each with room to spare. */
const maxTextLength = 1024;
/** Characters of an IPv6 address, in the longest of its forms. */
const maxAddressLength = 45;

export const text = v.pipe(v.string(), v.maxLength(maxTextLength, `at most ${maxTextLength} characters`));

export interface Dialect {
  readonly family: Family;
  /** What the names of object types begin with. */
  readonly prefix: '' | 'ipv6';
  /** Field of a fixed address for its address, and those that say which client gets it. */
  readonly address: 'ipv4addr' | 'ipv6addr';
  readonly identity: readonly string[];
  /** Reads these fields. */
  readonly fixed: v.GenericSchema<unknown, Pick<Reservation, 'address' | 'isReserved' | 'matchedBy' | 'mac'>>;
  /** Makes the fields of a fixed address that no client gets. */
  readonly reserved: () => Fields;
  /** How the network is found that an address lies in: the type of an object with the field `network`, and what to search it by. */
  readonly around: { readonly type: string; readonly by: string };
  /** Whether networks have the field `utilization`. */
  readonly isCounted: boolean;
  /** The beginning that the addresses of all networks inside a network have in common, as text. */
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

/** The MAC address of a reservation, which no client has (NIOS 9.0 documentation, "Configuring IPv4 Reservations"). */
const zeroMac = '00:00:00:00:00:00';

const ipv4: Dialect = {
  family: 4,
  prefix: '',
  address: 'ipv4addr',
  identity: ['mac', 'match_client'],
  fixed: v.pipe(
    v.object({ ipv4addr: addressOf(4), mac: v.optional(text, ''), match_client: v.optional(text, '') }),
    v.transform(({ ipv4addr: address, mac, match_client: matchedBy }) => {
      // The only kind of fixed address that we make: a client could get any other kind by DHCP.
      return { address, isReserved: matchedBy === 'RESERVED' && (mac === zeroMac || mac === ''), matchedBy, mac };
    }),
  ),
  reserved: () => ({ match_client: 'RESERVED', mac: zeroMac }),
  around: { type: 'network', by: 'contains_address' },
  isCounted: true,
  commonText: ({ base, prefix }) => {
    const octets = base.split('.').slice(0, Math.floor(prefix / 8));
    return octets.map((octet) => `${octet}.`).join('');
  },
};

/**
 * There are no reservations here, and a grid before WAPI 2.13.6 knows clients by DUID alone (terraform-provider-nios, duid_validator).
 * So an address is kept by a DUID that no client has: one made of a random UUID (RFC 6355), another one for each address, as no source
 * says whether one may occur twice in a network.
 */
const ipv6: Dialect = {
  family: 6,
  prefix: 'ipv6',
  address: 'ipv6addr',
  identity: ['duid'],
  fixed: v.pipe(
    // One that delegates a prefix alone has no address.
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
  // No search finds a network by an address in it, but an address says where it lies (infoblox-client, issues 372 and 169).
  around: { type: 'ipv6address', by: 'ip_address' },
  // The vendor's schema does not have it (infobloxopen/infoblox-nios-go-client, ipam/docs/Ipv6network.md).
  isCounted: false,
  commonText: ({ base, prefix }) => {
    const groups = base.split(':').slice(0, Math.floor(prefix / 16));
    // From the first zero on, another address may be written in a shorter form (RFC 5952).
    const end = groups.findIndex((group) => group === '' || group === '0');
    return (end === -1 ? groups : groups.slice(0, end)).map((group) => `${group}:`).join('');
  },
};

export const dialects: Readonly<Record<Family, Dialect>> = { 4: ipv4, 6: ipv6 };
