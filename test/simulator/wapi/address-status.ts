import { formatAddress, hostBounds, parseAddress } from '../store/address.ts';
import type { Database } from '../store/database.ts';
import {
  type AddressObject,
  type GridObject,
  type Json,
  type NetworkObject,
  type RangeObject,
  ZERO_MAC,
} from '../store/grid-objects.ts';
import { naturalKey, referenceOf } from '../store/reference.ts';

/** Makes the virtual ipv4address object of an address (WAPI: one per address of a network). */
export function addressObject(network: NetworkObject, address: bigint): AddressObject {
  const key = naturalKey('ipv4address', `${formatAddress(address)}/${network.view.id}`);
  return { type: 'ipv4address', key, values: {}, extattrs: {}, network, address };
}

/** Finds the object with a natural key: a stored one, or an address's virtual one. */
export function objectWithKey(db: Database, key: string): GridObject | undefined {
  const [, address, viewId] = /^dns\.ipv4_address\$([\da-f.:]+)\/(\d+)$/.exec(key) ?? [];
  if (address === undefined) return db.get(key);
  const view = [...db.all('networkview')].find(({ id }) => String(id) === viewId);
  const number = parseAddress(address) ?? 0n;
  const network = view && db.networkAround(view, number);
  return network && addressObject(network, number);
}

/** Reads a field of an address: who holds it and in which role. */
export function readAddressField(db: Database, object: AddressObject, name: string): Json | undefined {
  const { network, address } = object;
  const fixed = db.fixedAddressAt(network.view, address);
  const hosts = [...db.hostsAt(network.view, address)];
  switch (name) {
    case 'ip_address':
      return formatAddress(address);
    case 'network':
      return network.cidr.text;
    case 'network_view':
      return network.view.name;
    case 'status':
      return fixed || hosts.length > 0 || edgeOf(network, address) || (db.quirks.rangesReadUsed && rangeOf(object))
        ? 'USED'
        : 'UNUSED';
    case 'types':
      return typesOf(db, object);
    case 'usage':
      return fixed || hosts.length > 0 ? ['DHCP'] : [];
    case 'names':
      return [fixed?.values.name, ...hosts.map((host) => host.name)].filter((held) => typeof held === 'string');
    case 'mac_address':
    case 'duid':
      return fixed?.client ?? '';
    case 'objects':
      return [...(fixed ? [fixed] : []), ...hosts].map(referenceOf);
    case 'comment':
      // For a host, seen on appliances of the vendor's tests (vindyavk/vvk_automation_public). For a fixed address:
      // assumed.
      return (fixed ?? hosts[0])?.values.comment;
    case 'lease_state':
      return 'FREE';
    case 'username':
      return '';
    default:
      return undefined;
  }
}

function typesOf(db: Database, object: AddressObject): Json {
  const { network, address } = object;
  const types: string[] = [];
  const edge = edgeOf(network, address);
  if (edge) types.push(edge);
  const fixed = db.fixedAddressAt(network.view, address);
  if (fixed) types.push(fixed.client === ZERO_MAC ? 'RESERVATION' : 'FA');
  if ([...db.hostsAt(network.view, address)].length > 0) types.push('HOST');
  const range = rangeOf(object);
  // Order and the name without a serving member: seen on an appliance (nautobot-app-ssot).
  if (range) types.push(isServed(range) ? 'DHCP_RANGE' : 'RESERVED_RANGE');
  return types;
}

function rangeOf({ network, address }: AddressObject): RangeObject | undefined {
  for (const range of network.ranges) if (address >= range.first && address <= range.last) return range;
  return undefined;
}

function isServed({ values }: RangeObject): boolean {
  return (values.server_association_type ?? 'NONE') !== 'NONE';
}

function edgeOf({ cidr }: NetworkObject, address: bigint): 'NETWORK' | 'BROADCAST' | undefined {
  const { first, last } = hostBounds(cidr);
  if (address < first) return 'NETWORK';
  return address > last ? 'BROADCAST' : undefined;
}
