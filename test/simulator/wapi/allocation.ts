import { protocolError, unknownField } from '../errors.ts';
import { isTypeName, OBJECT_TYPES } from '../schema/object-types.ts';
import type { Database } from '../store/database.ts';
import type { GridObject, Json, TypeName, Values } from '../store/grid-objects.ts';
import { callFunction } from './grid-functions.ts';
import { search } from './search.ts';
import { searchTerm } from './search-terms.ts';

const SHORT_ADDRESS = /^func:nextavailableip:([^,]+)(?:,(.*))?$/;
const SHORT_NETWORK = /^func:nextavailablenetwork:([^,]+),(.*),(\d+)$/;

const IPV4_PARENTS: readonly TypeName[] = ['networkcontainer', 'network'];
const IPV6_PARENTS: readonly TypeName[] = ['ipv6networkcontainer', 'ipv6network'];

/**
 * Resolves next-available functions in a body: the short form `func:nextavailable…` and the long form
 * `{"_object_function": …}`, in fields that allow it and inside a host's `ipv4addrs` and `ipv6addrs`.
 */
export function resolveAllocations(db: Database, type: TypeName, fields: Values): Values {
  const result: Values = { ...fields };
  for (const [name, value] of Object.entries(fields)) {
    if (OBJECT_TYPES[type].fields[name]?.allocates) result[name] = resolved(db, value);
    if (/^ipv[46]addrs$/.test(name) && Array.isArray(value)) {
      const field = name.slice(0, -1);
      result[name] = value.map((item) => (isStruct(item) ? { ...item, ...resolvedIn(db, item, field) } : item));
    }
  }
  return result;
}

function resolvedIn(db: Database, entry: Values, field: string): Values {
  const value = entry[field];
  return value === undefined ? {} : { [field]: resolved(db, value) };
}

function resolved(db: Database, value: Json): Json {
  if (isStruct(value)) return longForm(db, value);
  if (typeof value !== 'string' || !value.startsWith('func:')) return value;
  const address = SHORT_ADDRESS.exec(value);
  if (address) return shortAddress(db, address[1] ?? '', address[2] ?? 'default');
  const [, container = '', view = '', cidr = ''] = SHORT_NETWORK.exec(value) ?? [];
  // Assumed wording: the answer to a malformed function is unknown.
  if (cidr === '') throw protocolError(`Invalid function: ${value}`);
  const types = container.includes(':') ? IPV6_PARENTS : IPV4_PARENTS;
  const source = firstOf(db, types, { network: container, network_view: view });
  return only(callFunction(db, source, 'next_available_network', { cidr: Number(cidr) }), 'networks');
}

/**
 * Allocates by the short form. The source must match an existing object exactly: a network by its CIDR, a range by
 * `start-end`.
 */
function shortAddress(db: Database, source: string, view: string): Json {
  const [start = '', end] = source.split('-');
  const isIpv6 = source.includes(':');
  const object =
    end === undefined
      ? firstOf(db, [isIpv6 ? 'ipv6network' : 'network'], { network: source, network_view: view })
      : firstOf(db, [isIpv6 ? 'ipv6range' : 'range'], { start_addr: start, end_addr: end, network_view: view });
  return only(callFunction(db, object, 'next_available_ip', { num: 1 }), 'ips');
}

function longForm(db: Database, call: Values): Json {
  // WAPI: a network_view beside _object_parameters is accepted and has no effect.
  const known = ['_object_function', '_parameters', '_result_field', '_object', '_object_parameters', 'network_view'];
  for (const name of Object.keys(call)) if (!known.includes(name)) throw unknownField(name);
  const name = requiredText(call, '_object_function');
  const type = requiredText(call, '_object');
  const resultField = requiredText(call, '_result_field');
  if (!isTypeName(type)) throw protocolError(`Unknown object type (${type})`);
  const parameters = call._parameters ?? {};
  const selection = call._object_parameters ?? {};
  if (!isStruct(parameters)) throw protocolError('Structure expected in _parameters');
  if (!isStruct(selection)) throw protocolError('Structure expected in _object_parameters');
  return only(callFunction(db, firstOf(db, [type], selection), name, parameters), resultField);
}

function firstOf(db: Database, types: readonly TypeName[], selection: Values): GridObject {
  for (const type of types) {
    const terms = Object.entries(selection).map(([key, value]) => searchTerm(db, type, key, value));
    for (const object of search(db, type, terms)) return object;
  }
  const shown = Object.entries(selection).map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`);
  throw protocolError(`The search parameters {${shown.join(', ')}} for object ${types[0]} did not return any result`);
}

function only(result: Values, field: string): Json {
  const values = result[field];
  const first = Array.isArray(values) ? values[0] : undefined;
  // Assumed wording.
  if (first === undefined) throw protocolError(`Invalid result field: ${field}`);
  return first;
}

function requiredText(call: Values, name: string): string {
  const value = call[name];
  if (typeof value !== 'string') throw protocolError(`Required field missing: ${name}`);
  return value;
}

function isStruct(value: Json): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
