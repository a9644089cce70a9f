/**
 * One WAPI request as plain data, and what follows from it: its path, its name for people, whether it may change the grid. Its path
 * is an object type or a reference to an object: `network/ZG5z...:10.0.0.0/24/default` (`type/key:name`, WAPI documentation, object
 * pages). References come from the grid and become parts of URLs, in which `..` would lead to other objects than those that were asked for.
 */
import * as v from 'valibot';

/** Characters of a reference at most: a base64 key and a percent-encoded name have room. */
const maxReferenceLength = 2048;

export type Fields = Record<string, unknown>;

/**
 * Criteria in WAPI's search modifiers: `f` exact, `f~` a regular expression, `*Name` an extensible attribute; and options,
 * `_return_fields` say.
 */
export type Query = Readonly<Record<string, string>>;

export interface Request {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Object type or reference. */
  readonly path: string;
  readonly query?: Query;
  readonly body?: Fields;
  /** The whole answer is believed only of the host that accepts writes. */
  readonly confirm?: boolean | undefined;
  /** When the caller stops waiting, as the clock's `now`. A request that had to wait is not sent if the answer would be too late. */
  readonly neededBy?: number | undefined;
}

/** A read, a function that looks, or a create: what needs no look before it. */
export type Question = Request & { readonly method: 'GET' | 'POST' };

/** Functions that answer what is free, and reserve nothing (prudhvitella/terraform-provider-infoblox, issue 13). */
const looks: readonly unknown[] = ['next_available_ip', 'next_available_network'];

/** Tells whether a request may change the grid. */
export function writes({ method, path, query }: Request): boolean {
  return method !== 'GET' && !looks.includes(query?._function) && path !== 'logout';
}

/** Names what a request is about: an object type, `logout`, or `other`. */
export function aboutOf({ path }: Request): string {
  return path.split('/', 1)[0] || 'other';
}

/** Says what is requested, for people: `DELETE fixedaddress 10.0.0.5/default`. */
export function describe({ method, path }: Request): string {
  return `${method} ${inWords(path)}`;
}

/** Gives a text as it stands in a query. */
function encoded(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

/** Gives path and query as they stand in a URL after the version. */
export function pathOf({ path, query = {} }: Request): string {
  // Not URLSearchParams: it writes a space as a plus, and takes twice the processor time.
  const search = Object.entries(query).map(([name, value]) => `${encoded(name)}=${encoded(value)}`);
  return search.length === 0 ? urlPath(path) : `${urlPath(path)}?${search.join('&')}`;
}

/** Makes the schema of a reference to an object of this type, and to no other. */
export function referenceTo(type: string) {
  return v.pipe(
    v.string(),
    v.maxLength(maxReferenceLength, `a reference of at most ${maxReferenceLength} characters`),
    v.check((reference) => isReferenceTo(type, reference), `a reference to a ${type}`),
  );
}

/** Gives the type of the object that a reference is to. */
export function typeOf(reference: string): string {
  return reference.slice(0, reference.indexOf('/'));
}

/** Gives an object type or a reference as a URL's path; names in it come percent-encoded (`%20`, `%3A`), so `%` stays. */
export function urlPath(typeOrReference: string): string {
  return typeOrReference.replace(/[^\w.~:@/%!$&'()*+,;=-]/gu, (character) => encodeURIComponent(character));
}

/** Names an object for people, without the key: `fixedaddress 10.0.0.5/default`. */
function inWords(typeOrReference: string): string {
  const slash = typeOrReference.indexOf('/');
  if (slash < 0) return typeOrReference;
  const name = typeOrReference.slice(typeOrReference.indexOf(':', slash) + 1);
  return `${typeOrReference.slice(0, slash)} ${name}`;
}

function isReferenceTo(type: string, reference: string): boolean {
  if (!reference.startsWith(`${type}/`)) return false;
  const [key = '', ...names] = reference.slice(type.length + 1).split(/[:/]/);
  // The directory above, also as URL parsers read it; what they drop or take for a slash; half a character.
  const leadsAway = names.some((name) => /^(\.|%2e){1,2}$/i.test(name)) || /[\s\p{Cc}\p{Cs}\\]/u.test(reference);
  return /^[\w+=-]+$/.test(key) && !leadsAway;
}
