import { conflictError, duplicateObject, parentNotFound, protocolError, unknownField } from '../errors.ts';
import { type Family, familyOf, formatAddress } from '../store/address.ts';
import type { Database } from '../store/database.ts';
import {
  type HostAddress,
  type HostObject,
  type Json,
  type NetworkViewObject,
  type Values,
  ZERO_MAC,
} from '../store/grid-objects.ts';
import { naturalKey } from '../store/reference.ts';
import { newAttributes, updatedAttributes, withInherited } from './attributes.ts';
import { duidOf, macOf } from './client-identity.ts';
import { addressOf, plainValues, textOf, viewOf } from './field-access.ts';

const OWN_FIELDS = ['name', 'ipv4addrs', 'ipv6addrs', 'view'];
const FAMILIES = [4, 6] as const;

/** Creates a host record. The grid has no DNS zones, so hosts need `configure_for_dns` false. */
export function createHost(db: Database, fields: Values): HostObject {
  const view = viewOf(db, fields);
  const name = textOf(fields, 'name') ?? '';
  if (fields.configure_for_dns !== false) throw conflictError(parentNotFound);
  refuseSameName(db, view, name);
  const addresses = FAMILIES.flatMap((family) => hostAddresses(db, { view, family }, fields));
  if (addresses.length === 0) throw protocolError('field for create missing: ipv4addrs');
  const first = addresses[0];
  const host: HostObject = {
    type: 'record:host',
    // WAPI: the key of a host outside DNS contains the time of its creation.
    key: naturalKey('record:host', `.non_DNS_host_root.${view.id}.${Date.now()}.${name}`),
    view,
    name,
    addresses,
    values: plainValues(fields, ...OWN_FIELDS),
    extattrs: withInherited(db, newAttributes(db, fields), first && db.networkAround(view, first.address)),
  };
  db.insert(host);
  for (const { address } of addresses) db.networkAround(view, address)?.pool.take(address);
  return host;
}

export function updateHost(db: Database, host: HostObject, fields: Values): void {
  const name = textOf(fields, 'name') ?? host.name;
  if (fields.configure_for_dns === true) throw conflictError(parentNotFound);
  if (name !== host.name) refuseSameName(db, host.view, name);
  const addresses = FAMILIES.flatMap((family) => {
    if (fields[`ipv${family}addrs`] !== undefined)
      return hostAddresses(db, { view: host.view, family, self: host }, fields);
    return host.addresses.filter(({ address }) => familyOf(address) === family);
  });
  const extattrs = updatedAttributes(db, host.extattrs, fields);
  for (const { address } of host.addresses) db.networkAround(host.view, address)?.pool.release(address);
  db.update(host, plainValues(fields, ...OWN_FIELDS), () => {
    host.key = host.key.slice(0, host.key.length - host.name.length) + name;
    host.name = name;
    host.addresses = addresses;
    host.extattrs = extattrs;
  });
  for (const { address } of host.addresses) db.networkAround(host.view, address)?.pool.take(address);
}

export function removeHost(db: Database, host: HostObject): void {
  db.delete(host);
  for (const { address } of host.addresses) db.networkAround(host.view, address)?.pool.release(address);
}

function refuseSameName(db: Database, view: NetworkViewObject, name: string): void {
  for (const host of db.all('record:host')) {
    if (host.view === view && host.name === name) throw conflictError(`The record '${name}' already exists.`);
  }
}

function hostAddresses(
  db: Database,
  { view, family, self }: { view: NetworkViewObject; family: Family; self?: HostObject },
  fields: Values,
): HostAddress[] {
  const given = fields[`ipv${family}addrs`];
  return (Array.isArray(given) ? given : []).map((item) => {
    const entry = hostAddress(item, family);
    const text = formatAddress(entry.address);
    if (!db.networkAround(view, entry.address)) throw conflictError(parentNotFound);
    // WAPI: hosts without DHCP can share an address; with DHCP a second holder is refused.
    if (!entry.dhcp) return entry;
    if (db.fixedAddressAt(view, entry.address)) throw duplicateObject(text, 'host_address');
    for (const other of db.hostsAt(view, entry.address)) {
      if (other !== self && other.addresses.some((held) => held.address === entry.address && held.dhcp)) {
        throw duplicateObject(text, 'host_address');
      }
    }
    return entry;
  });
}

function hostAddress(item: Json, family: Family): HostAddress {
  const [addressField, clientField] = family === 4 ? ['ipv4addr', 'mac'] : ['ipv6addr', 'duid'];
  if (typeof item !== 'object' || item === null || Array.isArray(item))
    throw protocolError(`Structure expected in ${addressField}s`);
  for (const name of Object.keys(item)) {
    if (name === 'host') throw protocolError('Field is not writable: host');
    if (!['_ref', addressField, clientField, 'configure_for_dhcp'].includes(name)) throw unknownField(name);
  }
  const { [addressField]: text, [clientField]: named, configure_for_dhcp: dhcp } = item;
  if (typeof text !== 'string') throw protocolError(`Required field missing: ${addressField}`);
  if (dhcp !== undefined && typeof dhcp !== 'boolean') {
    throw protocolError(`Invalid value for configure_for_dhcp: ${JSON.stringify(dhcp)}: Must be boolean type`);
  }
  const address = addressOf(text, family);
  if (typeof named !== 'string') return { address, dhcp: dhcp ?? false };
  const client = family === 4 ? macOf(named) : duidOf(named);
  return { address, client, dhcp: dhcp ?? client !== ZERO_MAC };
}
