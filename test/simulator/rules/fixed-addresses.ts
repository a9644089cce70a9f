import { conflictError, duplicateObject, invalidAddress, parentNotFound } from '../errors.ts';
import type { Database } from '../store/database.ts';
import {
  type FixedAddressObject,
  type NetworkObject,
  type NetworkViewObject,
  type Values,
  ZERO_MAC,
} from '../store/grid-objects.ts';
import { formatAddress, hostBounds } from '../store/ipv4.ts';
import { naturalKey } from '../store/reference.ts';
import { newAttributes, updatedAttributes, withInherited } from './attributes.ts';
import { CLIENT_IDENTIFIERS, type ClientIdentity, identifyClient } from './client-identity.ts';
import { addressOf, plainValues, textOf, viewOf } from './field-access.ts';

const OWN_FIELDS = ['ipv4addr', 'network', 'mac', 'match_client'];

/** Where a fixed address wants to be and who may use it. */
interface Placement extends ClientIdentity {
  readonly view: NetworkViewObject;
  readonly network: NetworkObject;
  readonly address: number;
  readonly values: Values;
}

/** Creates a fixed address or a reservation. It needs a parent network, and its address to itself in the view. */
export function createFixedAddress(db: Database, fields: Values): FixedAddressObject {
  const view = viewOf(db, fields);
  const address = addressOf(textOf(fields, 'ipv4addr') ?? '');
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

/** Changes a fixed address in place. Another address means another natural key, and so another reference. */
export function updateFixedAddress(db: Database, fixed: FixedAddressObject, fields: Values): void {
  const given = textOf(fields, 'ipv4addr');
  const address = given === undefined ? fixed.address : addressOf(given);
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
    if (identity.mac === undefined) delete fixed.mac;
    else fixed.mac = identity.mac;
    fixed.key = keyOf(fixed.view, address);
    fixed.extattrs = extattrs;
  });
  occupy(fixed);
}

export function removeFixedAddress(db: Database, fixed: FixedAddressObject): void {
  vacate(fixed);
  db.delete(fixed);
}

function parentOf(db: Database, view: NetworkViewObject, address: number, named?: string): NetworkObject {
  const network = db.networkAround(view, address);
  if (!network || (named !== undefined && named !== network.cidr.text)) throw conflictError(parentNotFound);
  const { first, last } = hostBounds(network.cidr);
  // Assumed: the network and broadcast addresses can't be reserved.
  if (address < first || address > last) throw invalidAddress(formatAddress(address));
  return network;
}

/**
 * Order matters: repeating the same address with the same MAC is answered with the MAC text, whichever address it names
 * (WAPI: a retried create fails so, even where next-available picked an address that was never created).
 */
function refuseCollisions(db: Database, wanted: Placement, self?: FixedAddressObject): void {
  const { view, network, address, mac } = wanted;
  const sameMac = mac === undefined ? undefined : network.byMac.get(mac);
  if (sameMac && sameMac !== self) {
    const pair = `${formatAddress(sameMac.address)} and ${formatAddress(address)}`;
    throw conflictError(
      `MAC address ${mac} is used in two fixed addresses ${pair}, which are in the same network ${network.cidr.text}.`,
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
  if (fixed.mac !== undefined && fixed.mac !== ZERO_MAC) fixed.network.byMac.set(fixed.mac, fixed);
}

function vacate(fixed: FixedAddressObject): void {
  fixed.network.pool.release(fixed.address);
  fixed.network.fixed.delete(fixed);
  if (fixed.mac !== undefined) fixed.network.byMac.delete(fixed.mac);
}

function keyOf(view: NetworkViewObject, address: number): string {
  return naturalKey('fixedaddress', `${formatAddress(address)}.${view.id}..`);
}
