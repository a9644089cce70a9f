import { protocolError } from '../errors.ts';
import { formatAddress } from './address.ts';
import { type GridObject, type Kind, kindOf, type TypeName, typeOf } from './grid-objects.ts';

/** Prefixes of natural keys by kind, the same for both families (WAPI: references). */
const KEY_PREFIXES: Record<Kind, string> = {
  networkview: 'dns.network_view$',
  network: 'dns.network$',
  networkcontainer: 'dns.network_container$',
  fixedaddress: 'dns.fixed_address$',
  range: 'dns.dhcp_range$',
  'record:host': 'dns.host$',
  ipv4address: 'dns.ipv4_address$',
  extensibleattributedef: 'one.extensible_attributes_def$',
  'member:license': 'one.product_license$',
  grid: 'one.cluster$',
  userprofile: 'one.admin$',
};

export function naturalKey(kind: Kind, name: string): string {
  return KEY_PREFIXES[kind] + name;
}

/** Returns the reference of an object: `type/<base64 of the natural key>:<readable tail>`. */
export function referenceOf(object: GridObject): string {
  return `${typeOf(object)}/${encodeKey(object.key)}:${tailOf(object)}`;
}

/** Returns the reference of a part of an object with its own key, such as a host's address. */
export function partReference(type: string, key: string, tail: string): string {
  return `${type}/${encodeKey(key)}:${tail}`;
}

function encodeKey(key: string): string {
  return Buffer.from(key).toString('base64url');
}

/**
 * Decodes a reference of a known type to the natural key. Only the opaque part counts; the tail is for people. Throws
 * `Invalid reference: …` if it is malformed or belongs to an object of another type.
 */
export function decodeReference(type: TypeName, reference: string): string {
  const opaque = /^[^/]+\/([A-Za-z0-9_-]+)(?::.*)?$/.exec(reference)?.[1];
  const key = opaque === undefined ? '' : Buffer.from(opaque, 'base64url').toString('utf8');
  if (!key.startsWith(KEY_PREFIXES[kindOf(type)]) || encodeKey(key) !== opaque) {
    throw protocolError(`Invalid reference: ${reference}`);
  }
  return key;
}

function tailOf(object: GridObject): string {
  switch (object.type) {
    case 'networkview':
      return `${encodeURIComponent(object.name)}/${object.id === 0}`;
    case 'network':
    case 'networkcontainer':
      return `${escaped(object.cidr.text)}/${encodeURIComponent(object.view.name)}`;
    case 'fixedaddress':
      return `${escaped(formatAddress(object.address))}/${encodeURIComponent(object.view.name)}`;
    case 'range':
      return `${escaped(`${formatAddress(object.first)}/${formatAddress(object.last)}`)}/${encodeURIComponent(object.view.name)}`;
    case 'record:host':
      return `${encodeURIComponent(object.name)}/%20`;
    case 'ipv4address':
      return escaped(formatAddress(object.address));
    case 'member:license':
      return `${object.values.type}/${object.values.kind}`;
    default:
      return encodeURIComponent(String(object.values.name));
  }
}

/** Escapes the colons of IPv6 in a tail (WAPI: references). */
function escaped(text: string): string {
  return text.replaceAll(':', '%3A');
}
