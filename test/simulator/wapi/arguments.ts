import { protocolError, unknownField } from '../errors.ts';
import { baseFields, OBJECT_TYPES } from '../schema/object-types.ts';
import type { Json, TypeName } from '../store/grid-objects.ts';

/** The arguments of a request: the options that start with `_`, and all others (search terms, function parameters). */
export interface Arguments {
  readonly options: ReadonlyMap<string, string>;
  readonly others: readonly (readonly [string, Json])[];
}

const OPTIONS = new Set([
  '_return_fields',
  '_return_fields+',
  '_return_as_object',
  '_max_results',
  '_paging',
  '_page_id',
  '_proxy_search',
  '_function',
  '_schema',
]);

/**
 * Splits a query into arguments. Only a grid with cloud rights knows `_proxy_search`. Repeated options are joined by
 * commas: clients send lists either way.
 */
export function parseArguments(query: Iterable<[string, string]>, cloud: boolean): Arguments {
  const options = new Map<string, string>();
  const others: [string, Json][] = [];
  for (const [rawKey, value] of query) {
    // An unencoded plus arrives as a blank; real clients send both forms.
    const key = rawKey === '_return_fields ' ? '_return_fields+' : rawKey;
    if (!key.startsWith('_')) {
      others.push([key, value]);
      continue;
    }
    const known = OPTIONS.has(key) && (key !== '_proxy_search' || (cloud && ['GM', 'LOCAL'].includes(value)));
    if (!known) throw protocolError(`Unknown argument: ${key}=${value}`);
    const before = options.get(key);
    options.set(key, before === undefined ? value : `${before},${value}`);
  }
  return { options, others };
}

/** Tells whether a switch is on. */
export function isOn({ options }: Arguments, name: string): boolean {
  const value = options.get(name)?.toLowerCase();
  if (value === undefined || value === '0' || value === 'false') return false;
  if (value === '1' || value === 'true') return true;
  throw protocolError(`Invalid value for ${name}: ${JSON.stringify(value)}: Must be boolean type`);
}

/** Tells whether the client names fields to return; a write then answers with an object instead of a reference. */
export function wantsFields({ options }: Arguments): boolean {
  return options.has('_return_fields') || options.has('_return_fields+');
}

/** Returns the fields of the answer: `_return_fields` replaces the base fields, `_return_fields+` adds to them. */
export function returnFields(type: TypeName, { options }: Arguments): string[] {
  const only = options.get('_return_fields');
  const extra = options.get('_return_fields+');
  const names = [...(only === undefined ? baseFields(type) : split(only)), ...split(extra ?? '')];
  for (const name of names) {
    const field = OBJECT_TYPES[type].fields[name];
    if (!field || (!field.readable && !field.writable)) throw unknownField(name);
    if (!field.readable) throw protocolError(`Field is not readable: ${name}`);
  }
  return [...new Set(names)];
}

/** Refuses arguments that are neither options nor expected. */
export function refuseOthers({ others }: Arguments, expected: readonly string[] = []): void {
  for (const [name] of others) if (!expected.includes(name)) throw unknownField(name);
}

function split(list: string): string[] {
  return list.split(',').filter((name) => name !== '');
}
