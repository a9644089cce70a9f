import { invalidAddress, invalidNetwork, notFoundError } from '../errors.ts';
import { type Cidr, type Family, familyOf, parseAddress, parseCidr } from '../store/address.ts';
import type { Database } from '../store/database.ts';
import type { NetworkViewObject, Values } from '../store/grid-objects.ts';

/** Returns a field that the schema guarantees to be a string; undefined if absent. */
export function textOf(fields: Values, name: string): string | undefined {
  const value = fields[name];
  return typeof value === 'string' ? value : undefined;
}

/** Finds the network view of a write; the default is `default`. An unknown view is a 404, not an empty answer. */
export function viewOf(db: Database, fields: Values): NetworkViewObject {
  const name = textOf(fields, 'network_view') ?? 'default';
  const view = db.viewNamed(name);
  if (!view) throw notFoundError(`Network View ${name} not found`);
  return view;
}

/** Parses an address of a family; throws `Invalid address_string '…'`. */
export function addressOf(text: string, family: Family): bigint {
  const address = parseAddress(text);
  if (address === undefined || familyOf(address) !== family) throw invalidAddress(text);
  return address;
}

/** Parses a network of a family; throws `Invalid network address '…'`. */
export function cidrOf(text: string, family: Family): Cidr {
  const cidr = parseCidr(text);
  if (cidr?.family !== family) throw invalidNetwork(text);
  return cidr;
}

/** Returns the fields without a property of their own in the stored object. */
export function plainValues(fields: Values, ...own: string[]): Values {
  const skipped = new Set(['extattrs', 'extattrs+', 'extattrs-', 'network_view', ...own]);
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !skipped.has(name)));
}
