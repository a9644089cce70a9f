import { invalidAddress, notFoundError } from '../errors.ts';
import type { Database } from '../store/database.ts';
import type { NetworkViewObject, Values } from '../store/grid-objects.ts';
import { parseAddress } from '../store/ipv4.ts';

/** A field that the schema has made sure is a string, or undefined when absent. */
export function textOf(fields: Values, name: string): string | undefined {
  const value = fields[name];
  return typeof value === 'string' ? value : undefined;
}

/** The network view a write names; `default` when it names none. An unknown one is a 404, not an empty answer. */
export function viewOf(db: Database, fields: Values): NetworkViewObject {
  const name = textOf(fields, 'network_view') ?? 'default';
  const view = db.viewNamed(name);
  if (!view) throw notFoundError(`Network View ${name} not found`);
  return view;
}

/** An IPv4 address as an integer; throws `Invalid address_string '…'`. */
export function addressOf(text: string): number {
  const address = parseAddress(text);
  if (address === undefined) throw invalidAddress(text);
  return address;
}

/** The fields that have no property of their own in the stored object. */
export function plainValues(fields: Values, ...own: string[]): Values {
  const skipped = new Set(['extattrs', 'extattrs+', 'extattrs-', 'network_view', ...own]);
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !skipped.has(name)));
}
