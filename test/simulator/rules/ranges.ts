import { conflictError, parentNotFound } from '../errors.ts';
import { type Family, formatAddress } from '../store/address.ts';
import type { Database } from '../store/database.ts';
import type { NetworkObject, NetworkViewObject, RangeObject, Values } from '../store/grid-objects.ts';
import { naturalKey } from '../store/reference.ts';
import { newAttributes, updatedAttributes, withInherited } from './attributes.ts';
import { addressOf, plainValues, textOf, viewOf } from './field-access.ts';

const OWN_FIELDS = ['start_addr', 'end_addr', 'network'];

interface Placement {
  readonly network: NetworkObject;
  readonly first: bigint;
  readonly last: bigint;
}

/** Creates a range inside one network; without a DHCP member it is a reserved one (WAPI: reserved ranges). */
export function createRange(db: Database, family: Family, fields: Values): RangeObject {
  const view = viewOf(db, fields);
  const placement = placementOf(db, { view, family }, fields);
  const range: RangeObject = {
    type: 'range',
    key: keyOf(db, view, placement),
    view,
    ...placement,
    values: plainValues(fields, ...OWN_FIELDS),
    extattrs: withInherited(db, newAttributes(db, fields), placement.network),
  };
  range.network.ranges.add(range);
  range.network.pool.addRange(range);
  db.insert(range);
  return range;
}

/** Changes a range in place. New bounds mean a new natural key, and so a new reference. */
export function updateRange(db: Database, range: RangeObject, fields: Values): void {
  const { view, network, first, last } = range;
  const bounds = { start_addr: formatAddress(first), end_addr: formatAddress(last), network: network.cidr.text };
  const where = { view, family: network.cidr.family, self: range };
  const placement = placementOf(db, where, { ...bounds, ...fields });
  const extattrs = updatedAttributes(db, range.extattrs, fields);
  const isMoved = placement.first !== first || placement.last !== last;
  network.pool.removeRange(range);
  db.update(range, plainValues(fields, ...OWN_FIELDS), () => {
    range.extattrs = extattrs;
    if (isMoved) Object.assign(range, placement, { key: keyOf(db, view, placement) });
  });
  network.pool.addRange(range);
}

/** Removes a range; reservations inside stay. */
export function removeRange(db: Database, range: RangeObject): void {
  range.network.ranges.delete(range);
  range.network.pool.removeRange(range);
  db.delete(range);
}

/**
 * Returns a range's bounds and network. Both bounds lie in one network, and no other range overlaps (assumed wording).
 */
function placementOf(
  db: Database,
  { view, family, self }: { view: NetworkViewObject; family: Family; self?: RangeObject },
  fields: Values,
): Placement {
  const first = addressOf(textOf(fields, 'start_addr') ?? '', family);
  const last = addressOf(textOf(fields, 'end_addr') ?? '', family);
  const network = db.networkAround(view, first);
  const named = textOf(fields, 'network');
  if (!network || network !== db.networkAround(view, last) || (named !== undefined && named !== network.cidr.text)) {
    throw conflictError(parentNotFound);
  }
  const span = `${formatAddress(first)}-${formatAddress(last)}`;
  if (first > last) throw conflictError(`Invalid range ${span}`);
  const isTaken = [...network.ranges].some((other) => other !== self && first <= other.last && last >= other.first);
  if (isTaken && !db.quirks.rangesMayOverlap) throw conflictError(`The range ${span} overlaps another range.`);
  return { network, first, last };
}

/** Returns a unique key, also for ranges with equal bounds, if the grid allows them. */
function keyOf(db: Database, view: NetworkViewObject, { first, last }: Placement): string {
  const key = naturalKey('range', `${formatAddress(first)}/${formatAddress(last)}///${view.id}/`);
  for (let copy = 0; ; copy += 1) {
    const unique = copy === 0 ? key : `${key}${copy}`;
    if (db.get(unique) === undefined) return unique;
  }
}
