import { conflictError, parentNotFound } from '../errors.ts';
import type { Database } from '../store/database.ts';
import type { RangeObject, Values } from '../store/grid-objects.ts';
import { formatAddress } from '../store/ipv4.ts';
import { naturalKey } from '../store/reference.ts';
import { newAttributes, updatedAttributes, withInherited } from './attributes.ts';
import { addressOf, plainValues, textOf, viewOf } from './field-access.ts';

/** Creates a DHCP range inside one network. Overlaps are refused (assumed wording). */
export function createRange(db: Database, fields: Values): RangeObject {
  const view = viewOf(db, fields);
  const first = addressOf(textOf(fields, 'start_addr') ?? '');
  const last = addressOf(textOf(fields, 'end_addr') ?? '');
  const network = db.networkAround(view, first);
  const named = textOf(fields, 'network');
  if (!network || network !== db.networkAround(view, last) || (named !== undefined && named !== network.cidr.text)) {
    throw conflictError(parentNotFound);
  }
  const span = `${formatAddress(first)}-${formatAddress(last)}`;
  if (first > last) throw conflictError(`Invalid range ${span}`);
  for (const other of network.ranges) {
    if (first <= other.last && last >= other.first) throw conflictError(`The range ${span} overlaps another range.`);
  }
  const range: RangeObject = {
    type: 'range',
    key: naturalKey('range', `${formatAddress(first)}/${formatAddress(last)}///${view.id}/`),
    view,
    network,
    first,
    last,
    values: plainValues(fields, 'start_addr', 'end_addr', 'network'),
    extattrs: withInherited(db, newAttributes(db, fields), network),
  };
  network.ranges.add(range);
  network.pool.addRange(range);
  db.insert(range);
  return range;
}

export function updateRange(db: Database, range: RangeObject, fields: Values): void {
  const extattrs = updatedAttributes(db, range.extattrs, fields);
  db.update(range, plainValues(fields), () => {
    range.extattrs = extattrs;
  });
}

export function removeRange(db: Database, range: RangeObject): void {
  range.network.ranges.delete(range);
  range.network.pool.removeRange(range);
  db.delete(range);
}
