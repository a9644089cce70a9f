import { dataError, protocolError, unknownField } from '../errors.ts';
import { addressOf, cidrOf } from '../rules/field-access.ts';
import { type Subnet, subnetsIn } from '../rules/networks.ts';
import { type FunctionName, OBJECT_TYPES } from '../schema/object-types.ts';
import { BITS, type Cidr, formatAddress, hostBounds, networkAround, networkSize } from '../store/address.ts';
import type { Database } from '../store/database.ts';
import {
  familyOfObject,
  type GridObject,
  type Json,
  type NetworkObject,
  type RangeObject,
  typeOf,
  type Values,
} from '../store/grid-objects.ts';

/** WAPI: one call returns at most this many addresses. */
const MOST_ADDRESSES = 20;

/**
 * Calls a function of an object. Reserves nothing. Returns `{ips}` or `{networks}`, lowest first. Throws if the object
 * lacks the function, a parameter is invalid, or too few are free.
 */
export function callFunction(db: Database, object: GridObject, name: string, parameters: Values): Values {
  if (!isFunctionOf(object, name)) throw protocolError(`Function ${name} is not valid for this object`);
  if (name === 'next_available_ip' && (object.type === 'network' || object.type === 'range')) {
    return { ips: nextAddresses(db, object, parameters) };
  }
  if (name === 'next_available_network' && (object.type === 'network' || object.type === 'networkcontainer')) {
    return { networks: nextNetworks(db, object, parameters) };
  }
  throw protocolError(`Function ${name} is not valid for this object`);
}

function isFunctionOf(object: GridObject, name: string): name is FunctionName {
  return OBJECT_TYPES[typeOf(object)].functions.some((known) => known === name);
}

function nextAddresses(db: Database, source: NetworkObject | RangeObject, parameters: Values): string[] {
  refuseOthers(parameters, ['num', 'exclude']);
  const num = integer(parameters, 'num') ?? 1;
  // Assumed wording.
  if (num < 1 || num > MOST_ADDRESSES) throw protocolError(`Invalid value for num: ${num}: Must be between 1 and 20`);
  const family = familyOfObject(source);
  const exclude = new Set(texts(parameters, 'exclude').map((text) => addressOf(text, family)));
  const free = freeIn(source, { num, exclude, alsoInRanges: db.quirks.networksGiveFromRanges });
  if (free.length < num) throw dataError(`Cannot find ${num} available IP address(es) in this ${source.type}.`);
  return free.map(formatAddress);
}

interface Wanted {
  readonly num: number;
  readonly exclude: ReadonlySet<bigint>;
  readonly alsoInRanges: boolean;
}

function freeIn(source: NetworkObject | RangeObject, { num, exclude, alsoInRanges }: Wanted): bigint[] {
  if (source.type === 'range') return source.network.pool.lowestFreeIn(source, num, exclude);
  const { pool, cidr } = source;
  return alsoInRanges ? pool.lowestFreeIn(hostBounds(cidr), num, exclude) : pool.lowestFree(num, exclude);
}

function nextNetworks(db: Database, source: Subnet, parameters: Values): string[] {
  refuseOthers(parameters, ['cidr', 'num', 'exclude']);
  const prefix = integer(parameters, 'cidr');
  if (prefix === undefined) throw protocolError('required function parameter missing: cidr');
  const num = integer(parameters, 'num') ?? 1;
  const taken = [...subnetsIn(db, source.view, source.cidr)].map(({ cidr }) => cidr);
  const { family } = source.cidr;
  taken.push(...texts(parameters, 'exclude').map((text) => cidrOf(text, family)));
  const found =
    prefix > source.cidr.prefix && prefix <= BITS[family] ? freeNetworks(source.cidr, prefix, taken, num) : [];
  if (found.length < num) throw dataError('Can not find requested number of networks');
  return found.map(({ text }) => text);
}

/** Scans the container from the bottom and skips taken networks. */
function freeNetworks(container: Cidr, prefix: number, taken: Cidr[], num: number): Cidr[] {
  const found: Cidr[] = [];
  const size = networkSize(container.family, prefix);
  const sorted = taken.sort((a, b) => (a.first < b.first ? -1 : 1));
  let next = 0;
  for (let first = container.first; first <= container.last && found.length < num; ) {
    const last = first + size - 1n;
    while ((sorted[next]?.last ?? first) < first) next++;
    const obstacle = sorted[next];
    if (!obstacle || obstacle.first > last) {
      found.push(networkAround(first, prefix));
      first += size;
    } else {
      first = networkAround(obstacle.last > last ? obstacle.last : last, prefix).last + 1n;
    }
  }
  return found;
}

function refuseOthers(parameters: Values, known: string[]): void {
  for (const name of Object.keys(parameters)) if (!known.includes(name)) throw unknownField(name);
}

function integer(parameters: Values, name: string): number | undefined {
  const value = parameters[name];
  if (value === undefined) return undefined;
  // Function parameters may come in the query string, where everything is text.
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof number === 'number' && Number.isInteger(number)) return number;
  throw protocolError(`Invalid value for ${name}: ${JSON.stringify(value)}: Must be integer type`);
}

function texts(parameters: Values, name: string): string[] {
  const value: Json = parameters[name] ?? [];
  if (!Array.isArray(value)) throw protocolError(`List value expected for field: ${name}`);
  return value.map((item) => {
    if (typeof item === 'string') return item;
    throw protocolError(`Invalid value for ${name}: ${JSON.stringify(item)}: Must be string type`);
  });
}
