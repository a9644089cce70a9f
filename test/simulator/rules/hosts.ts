import { conflictError, duplicateObject, parentNotFound, protocolError, unknownField } from '../errors.ts';
import type { Database } from '../store/database.ts';
import {
  type HostAddress,
  type HostObject,
  type Json,
  type NetworkViewObject,
  type Values,
  ZERO_MAC,
} from '../store/grid-objects.ts';
import { formatAddress } from '../store/ipv4.ts';
import { naturalKey } from '../store/reference.ts';
import { newAttributes, updatedAttributes, withInherited } from './attributes.ts';
import { macOf } from './client-identity.ts';
import { addressOf, plainValues, textOf, viewOf } from './field-access.ts';

const OWN_FIELDS = ['name', 'ipv4addrs', 'ipv6addrs', 'view'];

/** Creates a host record. The grid has no DNS zones, so only hosts with `configure_for_dns` false find a parent. */
export function createHost(db: Database, fields: Values): HostObject {
  const view = viewOf(db, fields);
  const name = textOf(fields, 'name') ?? '';
  if (fields.configure_for_dns !== false) throw conflictError(parentNotFound);
  refuseSameName(db, view, name);
  const addresses = hostAddresses(db, view, fields.ipv4addrs ?? []);
  if (addresses.length === 0) throw protocolError('field for create missing: ipv4addrs');
  const first = addresses[0];
  const host: HostObject = {
    type: 'record:host',
    // WAPI: a host outside DNS has the time of its creation in its key.
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
  const given = fields.ipv4addrs;
  const addresses = given === undefined ? host.addresses : hostAddresses(db, host.view, given, host);
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

function hostAddresses(db: Database, view: NetworkViewObject, given: Json, self?: HostObject): HostAddress[] {
  return (Array.isArray(given) ? given : []).map((item) => {
    const entry = hostAddress(item);
    const text = formatAddress(entry.address);
    if (!db.networkAround(view, entry.address)) throw conflictError(parentNotFound);
    // WAPI: without DHCP hosts don't exclude each other; with it a second holder is refused.
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

function hostAddress(item: Json): HostAddress {
  if (typeof item !== 'object' || item === null || Array.isArray(item))
    throw protocolError('Structure expected in ipv4addrs');
  for (const name of Object.keys(item)) {
    if (name === 'host') throw protocolError('Field is not writable: host');
    if (!['_ref', 'ipv4addr', 'mac', 'configure_for_dhcp'].includes(name)) throw unknownField(name);
  }
  const { ipv4addr, mac, configure_for_dhcp: dhcp } = item;
  if (typeof ipv4addr !== 'string') throw protocolError('Required field missing: ipv4addr');
  if (dhcp !== undefined && typeof dhcp !== 'boolean') {
    throw protocolError(`Invalid value for configure_for_dhcp: ${JSON.stringify(dhcp)}: Must be boolean type`);
  }
  const address = addressOf(ipv4addr);
  if (typeof mac !== 'string') return { address, dhcp: dhcp ?? false };
  const parsed = macOf(mac);
  return { address, mac: parsed, dhcp: dhcp ?? parsed !== ZERO_MAC };
}
