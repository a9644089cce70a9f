import { formatAddress, parseAddress } from '../store/address.ts';
import type { Database } from '../store/database.ts';
import {
  type GridObject,
  type Json,
  kindOf,
  type NetworkViewObject,
  type TypeName,
  typeOf,
} from '../store/grid-objects.ts';
import { addressObject } from './address-status.ts';
import { readField } from './read-field.ts';
import { type Operator, type Term, valueTest } from './search-terms.ts';

const lastAddress = (1n << 128n) - 1n;

/** Yields the objects of a type that match all terms, in the order of creation; uses an index where there is one. */
export function* search(db: Database, type: TypeName, terms: readonly Term[]): Generator<GridObject> {
  const tests = terms.map((term) => ({ term, test: valueTest(term) }));
  for (const object of candidates(db, type, terms)) {
    if (typeOf(object) === type && tests.every(({ term, test }) => matches(db, object, term, test))) yield object;
  }
}

function matches(db: Database, object: GridObject, term: Term, test: (held: Json) => boolean): boolean {
  const held = heldValues(db, object, term);
  // A negated term also matches an object without a value.
  return term.operator === '!' ? held.every(test) : held.some(test);
}

function heldValues(db: Database, object: GridObject, term: Term): Json[] {
  if (term.attribute) return asList(object.extattrs[term.name]?.value);
  if (object.type === 'network' && term.name === 'contains_address') {
    const address = parseAddress(term.value);
    return address !== undefined && db.networkAround(object.view, address) === object ? [term.value] : [];
  }
  if (object.type === 'record:host' && /^ipv[46]addr$/.test(term.name)) {
    return object.addresses.map(({ address }) => formatAddress(address));
  }
  if (object.type === 'record:host' && (term.name === 'mac' || term.name === 'duid')) {
    return object.addresses.flatMap(({ client }) => client ?? []);
  }
  return asList(readField(db, object, term.name));
}

function asList(value: Json | undefined): Json[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

/** Returns candidates: the smallest superset of the answer that the indexes allow. */
function candidates(db: Database, type: TypeName, terms: readonly Term[]): Iterable<GridObject> {
  const kind = kindOf(type);
  const exact = (name: string) =>
    terms.find((term) => term.name === name && !term.attribute && term.operator === '=')?.value;
  const viewName = exact('network_view');
  const views = viewName === undefined ? [...db.all('networkview')] : [db.viewNamed(viewName)].filter((view) => !!view);
  const named = ['ipv4addr', 'ipv6addr', 'contains_address', 'ip_address']
    .map(exact)
    .find((text) => text !== undefined);
  const address = parseAddress(named ?? '');
  const cidr = exact('network');
  const comment = exact('comment');

  if (kind === 'ipv4address') {
    const bound = (operator: Operator) =>
      parseAddress(terms.find((term) => term.name === 'ip_address' && term.operator === operator)?.value ?? '');
    return addresses(db, views, { cidr, first: address ?? bound('>'), last: address ?? bound('<') });
  }
  if (comment !== undefined) return db.withComment(kind, comment);
  if (address !== undefined) {
    if (kind === 'fixedaddress') return views.flatMap((view) => db.fixedAddressAt(view, address) ?? []);
    if (kind === 'record:host') return views.flatMap((view) => [...db.hostsAt(view, address)]);
    if (kind === 'network') return views.flatMap((view) => db.networkAround(view, address) ?? []);
  }
  const mac = exact('mac');
  if (kind === 'fixedaddress' && mac !== undefined && mac !== '00:00:00:00:00:00') {
    const networks = cidr === undefined ? [...db.all('network')] : withCidr(db, views, cidr);
    return networks.flatMap((network) => network.byClient.get(mac) ?? []);
  }
  if (cidr !== undefined) {
    if (kind === 'network') return withCidr(db, views, cidr);
    if (kind === 'fixedaddress') return withCidr(db, views, cidr).flatMap((network) => [...network.fixed]);
    if (kind === 'range') return withCidr(db, views, cidr).flatMap((network) => [...network.ranges]);
  }
  return db.all(kind);
}

function withCidr(db: Database, views: readonly NetworkViewObject[], cidr: string) {
  return views.flatMap((view) => db.networkWith(view, cidr) ?? []);
}

interface AddressBounds {
  readonly cidr: string | undefined;
  readonly first: bigint | undefined;
  readonly last: bigint | undefined;
}

function* addresses(
  db: Database,
  views: readonly NetworkViewObject[],
  { cidr, first = 0n, last = lastAddress }: AddressBounds,
): Generator<GridObject> {
  const around = first === last ? views.flatMap((view) => db.networkAround(view, first) ?? []) : db.all('network');
  for (const network of cidr === undefined ? around : withCidr(db, views, cidr)) {
    if (!views.includes(network.view)) continue;
    const end = last < network.cidr.last ? last : network.cidr.last;
    let each = first > network.cidr.first ? first : network.cidr.first;
    for (; each <= end; each++) yield addressObject(network, each);
  }
}
