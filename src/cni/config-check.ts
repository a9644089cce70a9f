/**
 * Checks a part of the network configuration against a schema. The first fault becomes a CNI error that names the key,
 * the expected and the found value. Schemas state what they expect as their message: "KEY: expected MESSAGE, found
 * VALUE". Used by the daemon only.
 */
import * as v from 'valibot';
import { parseAddress, parseCidr } from './address.ts';
import { isJsonObject } from './call.ts';
import { CniCode, CniError } from './errors.ts';

type Schema<Output> = v.GenericSchema<unknown, Output>;

const maxFoundLength = 60;

export const jsonObject = v.custom<Record<string, unknown>>(isJsonObject, 'an object');

/** Makes the schema of a list. Items are not checked if there are more than `max`. */
export const listOf = <Item extends v.GenericSchema>(item: Item, { of, max }: { of: string; max: number }) =>
  v.pipe(
    v.custom<unknown[]>(Array.isArray, `an array of ${of}`),
    v.maxLength(max, `at most ${max} ${of}`),
    v.array(item),
  );

/** Makes the schema of a text that `parse` accepts, re-printed in canonical form. */
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
 * @param expected the error's description of it
 */
export const cidrText = (expected = 'an address with prefix length such as 10.0.0.5/24') =>
  reprinted(parseCidr, expected);

/** An address with or without prefix length, kept as written. */
export const requestedAddressText = v.pipe(
  v.string('an address such as 10.0.0.5'),
  v.check(
    (text) => (parseAddress(text) ?? parseCidr(text)) !== undefined,
    'an address such as 10.0.0.5 or 10.0.0.5/24',
  ),
);

/**
 * Checks `value`, found at `path` of the network configuration; an empty path means the whole of it.
 * @returns the schema's output
 * @throws CniError 7 that names the first wrong key; only the first, since a configuration may hold a million
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
