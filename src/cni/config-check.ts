/**
 * Checks a part of the network configuration against a schema and turns what is wrong into one CNI error that names
 * the key, what was expected and what was found. Used by the daemon only. Schemas write what they expect as their
 * message, so that it reads "KEY: expected MESSAGE, found VALUE".
 */
import * as v from 'valibot';
import { parseAddress, parseCidr } from './address.ts';
import { isJsonObject } from './call.ts';
import { CniCode, CniError } from './errors.ts';

type Schema<Output> = v.GenericSchema<unknown, Output>;

const maxFoundLength = 60;

/** What `isJsonObject` tells, as a schema. */
export const jsonObject = v.custom<Record<string, unknown>>(isJsonObject, 'an object');

/** Makes the schema of a list. The items of one that has more than `max` are not looked at. */
export const listOf = <Item extends v.GenericSchema>(item: Item, { of, max }: { of: string; max: number }) =>
  v.pipe(
    v.custom<unknown[]>(Array.isArray, `an array of ${of}`),
    v.maxLength(max, `at most ${max} ${of}`),
    v.array(item),
  );

/** Makes the schema of what `parse` can read, re-printed in canonical form. */
const reprinted = (parse: (text: string) => { readonly text: string } | undefined, expected: string) =>
  v.pipe(
    v.string(expected),
    v.check((text) => parse(text) !== undefined, expected),
    v.transform((text) => parse(text)?.text ?? text),
  );

/** A bare address, re-printed in canonical form. */
export const addressText = reprinted(parseAddress, 'an address such as 10.0.0.1');

/**
 * Makes the schema of an address with prefix length, re-printed in canonical form.
 * @param expected describes it in the error
 */
export const cidrText = (expected = 'an address with prefix length such as 10.0.0.5/24') =>
  reprinted(parseCidr, expected);

/** An address with or without prefix length, kept as written. */
export const requestedAddressText = v.pipe(
  v.string('an address such as 10.0.0.5'),
  v.check(isRequestableAddress, 'an address such as 10.0.0.5 or 10.0.0.5/24'),
);

/** Tells whether a text is a bare address or one with a prefix length. */
export function isRequestableAddress(text: string): boolean {
  return parseAddress(text) !== undefined || parseCidr(text) !== undefined;
}

/**
 * Checks `value`, which stands at `path` in the network configuration; an empty one for all of it.
 * @returns the schema's output
 * @throws CniError 7 naming the first wrong key: a configuration may hold a million, and each would be remembered
 */
export function checkConfig<Output>(schema: Schema<Output>, value: unknown, path: string): Output {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  throw new CniError(
    CniCode.invalidConfig,
    `invalid network configuration: ${describeFault(result.issues[0], path)}`,
    'Correct this key in the network configuration file of this host.',
  );
}

function describeFault(issue: v.BaseIssue<unknown>, base: string): string {
  const path = (issue.path ?? []).reduce((text, item) => text + pathStep(item), base).replace(/^\./, '');
  if (issue.input === undefined) return `${path} is missing`;
  return `${path}: expected ${issue.message}, found ${describeValue(issue.input)}`;
}

function pathStep(item: v.IssuePathItem): string {
  return item.type === 'array' ? `[${item.key}]` : `.${String(item.key)}`;
}

function describeValue(value: unknown): string {
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > maxFoundLength ? `${text.slice(0, maxFoundLength)}...` : text;
}
