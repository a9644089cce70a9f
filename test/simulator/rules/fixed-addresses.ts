import { conflictError, duplicateObject, invalidAddress, parentNotFound } from '../errors.ts';
import { type Family, familyOf, formatAddress, hostBounds } from '../store/address.ts';
import type { Database } from '../store/database.ts';
import {
  type FixedAddressObject,
  type NetworkObject,
  type NetworkViewObject,
  type Values,
  ZERO_MAC,
} from '../store/grid-objects.ts';
import { naturalKey } from '../store/reference.ts';
import { newAttributes, updatedAttributes, withInherited } from './attributes.ts';
import { CLIENT_IDENTIFIERS, type ClientIdentity, identifyClient } from './client-identity.ts';
import { addressOf, plainValues, textOf, viewOf } from './field-access.ts';

const OWN_FIELDS = ['ipv4addr', 'ipv6addr', 'network', 'mac', 'duid', 'match_client'];

/** The requested place of a fixed address, and its client. */
interface Placement extends ClientIdentity {
  readonly view: NetworkViewObject;
  readonly network: NetworkObject;
  readonly address: bigint;
  readonly values: Values;
}

/** Creates a fixed address or a reservation. It needs a parent network and an address that is unique in the view. */
export function createFixedAddress(db: Database, family: Family, fields: Values): FixedAddressObject {
  const view = viewOf(db, fields);
  const address = addressOf(textOf(fields, `ipv${family}addr`) ?? '', family);
  const network = parentOf(db, view, address, textOf(fields, 'network'));
  const identity = identifyClient(fields);
  const values = plainValues(fields, ...OWN_FIELDS);
  const placement = { view, network, address, values, ...identity };
  const extattrs = withInherited(db, newAttributes(db, fields), network);
  refuseCollisions(db, placement);
  const fixed: FixedAddressObject = { type: 'fixedaddress', key: keyOf(view, address), extattrs, ...placement };
  occupy(fixed);
  db.insert(fixed);
  return fixed;
}

/** Changes a fixed address in place. A new address means a new natural key, and so a new reference. */
export function updateFixedAddress(db: Database, fixed: FixedAddressObject, fields: Values): void {
  const family = familyOf(fixed.address);
  const given = textOf(fields, `ipv${family}addr`);
  const address = given === undefined ? fixed.address : addressOf(given, family);
  const network = parentOf(db, fixed.view, address, textOf(fields, 'network'));
  const identity = identifyClient(fields, fixed);
  const values = plainValues(fields, ...OWN_FIELDS);
  refuseCollisions(db, { view: fixed.view, network, address, values, ...identity }, fixed);
  const extattrs = updatedAttributes(db, fixed.extattrs, fields);
  vacate(fixed);
  db.update(fixed, values, () => {
    fixed.network = network;
    fixed.address = address;
    fixed.matchClient = identity.matchClient;
    if (identity.client === undefined) delete fixed.client;
    else fixed.client = identity.client;
    fixed.key = keyOf(fixed.view, address);
    fixed.extattrs = extattrs;
  });
  occupy(fixed);
}

export function removeFixedAddress(db: Database, fixed: FixedAddressObject): void {
  vacate(fixed);
  db.delete(fixed);
}

function parentOf(db: Database, view: NetworkViewObject, address: bigint, named?: string): NetworkObject {
  const network = db.networkAround(view, address);
  if (!network || (named !== undefined && named !== network.cidr.text)) throw conflictError(parentNotFound);
  const { first, last } = hostBounds(network.cidr);
  // Assumed: the network and broadcast addresses can't be reserved.
  if (address < first || address > last) throw invalidAddress(formatAddress(address));
  return network;
}

/**
 * Refuses collisions. The order matters: a create with a repeated MAC gets the MAC's error text, whichever address it
 * names (WAPI: a retried create fails so, even if next-available chose another address).
 */
function refuseCollisions(db: Database, wanted: Placement, self?: FixedAddressObject): void {
  const { view, network, address, client } = wanted;
  const isDuid = wanted.matchClient === 'DUID';
  const same = client === undefined ? undefined : network.byClient.get(client);
  if (same && same !== self && !(isDuid && db.quirks.duidsMayRepeat)) {
    const pair = `${formatAddress(same.address)} and ${formatAddress(address)}`;
    throw conflictError(
      `${isDuid ? 'DUID' : 'MAC address'} ${client} is used in two fixed addresses ${pair}, which are in the same network ${network.cidr.text}.`,
    );
  }
  for (const field of CLIENT_IDENTIFIERS) {
    const identifier = wanted.values[field];
    if (identifier === undefined) continue;
    for (const other of network.fixed) {
      if (other !== self && other.values[field] === identifier)
        throw duplicateObject(String(identifier), 'fixed_address');
    }
  }
  const sameAddress = db.fixedAddressAt(view, address);
  if (sameAddress && sameAddress !== self) throw duplicateObject(formatAddress(address), 'fixed_address');
  for (const host of db.hostsAt(view, address)) {
    if (host.addresses.some((entry) => entry.address === address && entry.dhcp)) {
      throw duplicateObject(formatAddress(address), 'fixed_address');
    }
  }
}

function occupy(fixed: FixedAddressObject): void {
  fixed.network.pool.take(fixed.address);
  fixed.network.fixed.add(fixed);
  if (fixed.client !== undefined && fixed.client !== ZERO_MAC) fixed.network.byClient.set(fixed.client, fixed);
}

function vacate(fixed: FixedAddressObject): void {
  fixed.network.pool.release(fixed.address);
  fixed.network.fixed.delete(fixed);
  if (fixed.client !== undefined) fixed.network.byClient.delete(fixed.client);
}

function keyOf(view: NetworkViewObject, address: bigint): string {
  return naturalKey('fixedaddress', `${formatAddress(address)}.${view.id}..`);
}
