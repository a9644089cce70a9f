import { containerAround } from '../rules/networks.ts';
import { OBJECT_TYPES, readableFields } from '../schema/object-types.ts';
import { familyOf, formatAddress, hostBounds } from '../store/address.ts';
import type { Database } from '../store/database.ts';
import {
  type GridObject,
  type HostObject,
  type Json,
  type NetworkObject,
  type RangeObject,
  typeOf,
} from '../store/grid-objects.ts';
import { partReference, referenceOf } from '../store/reference.ts';
import { readAddressField } from './address-status.ts';

/** WAPI: the lease time is the first option of every list, used or not. */
const LEASE_TIME = {
  name: 'dhcp-lease-time',
  num: 51,
  use_option: false,
  value: '43200',
  vendor_class: 'DHCP',
};

/** Returns an object's reference and the named fields that have a value. */
export function present(
  db: Database,
  object: GridObject,
  fields: Iterable<string>,
): { _ref: string } & Record<string, Json> {
  const answer: { _ref: string } & Record<string, Json> = { _ref: referenceOf(object) };
  for (const name of fields) {
    const value = readField(db, object, name);
    if (value !== undefined) answer[name] = value;
  }
  return answer;
}

/** Returns all readable fields of an object. */
export function presentAll(db: Database, object: GridObject): { _ref: string } & Record<string, Json> {
  return present(db, object, readableFields(typeOf(object)));
}

/** Reads one field, stored or computed; undefined if unset. */
export function readField(db: Database, object: GridObject, name: string): Json | undefined {
  if (name === 'extattrs') return object.extattrs;
  const own = readOwnField(db, object, name);
  if (own !== undefined) return own;
  const value = object.values[name];
  const kind = OBJECT_TYPES[typeOf(object)].fields[name]?.kind;
  if (name === 'options') return [LEASE_TIME, ...(Array.isArray(value) ? value : [])];
  if (value === undefined && kind === 'boolean') return false;
  if (value === undefined && kind === 'list' && name !== 'ipv6addrs') return [];
  return value === '' ? undefined : value;
}

function readOwnField(db: Database, object: GridObject, name: string): Json | undefined {
  switch (object.type) {
    case 'networkview':
      if (name === 'name') return object.name;
      if (name === 'is_default') return object.id === 0;
      if (name === 'associated_dns_views') return [dnsViewOf(object.name)];
      return undefined;
    case 'network':
    case 'networkcontainer':
      if (name === 'network') return object.cidr.text;
      if (name === 'network_view') return object.view.name;
      if (name === 'network_container') return containerAround(db, object)?.cidr.text ?? '/';
      return object.type === 'network' ? readCounter(object, name) : undefined;
    case 'fixedaddress':
      if (name === 'ipv4addr' || name === 'ipv6addr') return formatAddress(object.address);
      if (name === 'network') return object.network.cidr.text;
      if (name === 'network_view') return object.view.name;
      if (name === 'mac' || name === 'duid') return object.client;
      if (name === 'address_type') return object.values[name] ?? 'ADDRESS';
      return name === 'match_client' ? object.matchClient : undefined;
    case 'range':
      return readRangeField(object, name);
    case 'record:host':
      return readHostField(object, name);
    case 'ipv4address':
      return readAddressField(db, object, name);
    default:
      return name === 'namespace' ? 'default' : undefined;
  }
}

/** Returns the DNS view of a network view. WAPI: creating a network view creates the DNS view `default.<name>`. */
export function dnsViewOf(networkView: string): string {
  return networkView === 'default' ? 'default' : `default.${networkView}`;
}

function readCounter(network: NetworkObject, name: string): Json | undefined {
  const { first, last } = hostBounds(network.cidr);
  const total = Number(last - first + 1n);
  const inRanges = [...network.ranges].reduce((sum, range) => sum + Number(range.last - range.first + 1n), 0);
  switch (name) {
    case 'ipv4addr':
      return formatAddress(network.cidr.first);
    case 'netmask':
      return network.cidr.prefix;
    case 'total_hosts':
      return total;
    case 'static_hosts':
      return network.fixed.size;
    case 'dynamic_hosts':
      return inRanges;
    case 'utilization':
      return Math.round((1000 * network.pool.taken) / total);
    case 'dhcp_utilization':
      return Math.round((1000 * network.fixed.size) / total);
    case 'dhcp_utilization_status':
      return network.fixed.size === total ? 'FULL' : 'LOW';
    default:
      return undefined;
  }
}

function readRangeField(range: RangeObject, name: string): Json | undefined {
  if (name === 'start_addr') return formatAddress(range.first);
  if (name === 'end_addr') return formatAddress(range.last);
  if (name === 'network') return range.network.cidr.text;
  if (name === 'network_view') return range.view.name;
  if (name === 'address_type') return range.values[name] ?? 'ADDRESS';
  return name === 'server_association_type' ? (range.values[name] ?? 'NONE') : undefined;
}

function readHostField(host: HostObject, name: string): Json | undefined {
  if (name === 'name') return host.name;
  // WAPI: the view of a host outside DNS is a blank.
  if (name === 'view') return ' ';
  if (name === 'network_view') return host.view.name;
  const family = name === 'ipv4addrs' ? 4 : 6;
  const held = host.addresses.filter(({ address }) => familyOf(address) === family);
  if (name !== `ipv${family}addrs` || (held.length === 0 && family === 6)) return undefined;
  return held.map(({ address, client, dhcp }) => {
    const text = formatAddress(address);
    const key = `${host.key.replace('dns.host$', 'dns.host_address$')}.${text}.`;
    const tail = `${text.replaceAll(':', '%3A')}/${encodeURIComponent(host.name)}/%20`;
    const _ref = partReference(`record:host_ipv${family}addr`, key, tail);
    const identity = client === undefined ? {} : { [family === 4 ? 'mac' : 'duid']: client };
    return { _ref, configure_for_dhcp: dhcp, host: host.name, [`ipv${family}addr`]: text, ...identity };
  });
}
