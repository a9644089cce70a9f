/**
 * Describes a WAPI request as plain data, and derives its URL, its name for people, and whether it may change the grid. Its path is an
 * object type or a reference: `network/ZG5z...:10.0.0.0/24/default` (`type/key:name`, WAPI documentation, object pages). References come
 * from the grid and become parts of URLs, where `..` would lead to other objects.
 */
import * as v from 'valibot';

/** Maximum characters of a reference: enough for a base64 key and a percent-encoded name. */
const maxReferenceLength = 2048;

export type Fields = Record<string, unknown>;

/**
 * Search criteria with WAPI's modifiers: `f` exact, `f~` regular expression, `*Name` extensible attribute; and options such as
 * `_return_fields`.
 */
export type Query = Readonly<Record<string, string>>;

export interface Request {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Object type or reference. */
  readonly path: string;
  readonly query?: Query;
  readonly body?: Fields;
  /** Whether only the host that accepts writes may answer. */
  readonly confirm?: boolean | undefined;
  /** When the caller stops waiting, as the clock's `now`. A delayed request is not sent if its answer would be too late. */
  readonly neededBy?: number | undefined;
}

/** A read, a function that only looks, or a create: requests that need no look before. */
export type Question = Request & { readonly method: 'GET' | 'POST' };

/** Functions that return free addresses or networks without reserving them (prudhvitella/terraform-provider-infoblox, issue 13). */
const looks: readonly unknown[] = ['next_available_ip', 'next_available_network'];

/** Tells whether a request may change the grid. */
export function writes({ method, path, query }: Request): boolean {
  return method !== 'GET' && !looks.includes(query?._function) && path !== 'logout';
}

/** Returns the subject of a request: an object type, `logout`, or `other`. */
export function aboutOf({ path }: Request): string {
  return path.split('/', 1)[0] || 'other';
}

/** Names a request for people: `DELETE fixedaddress 10.0.0.5/default`. */
export function describe({ method, path }: Request): string {
  return `${method} ${inWords(path)}`;
}

/** Encodes a text for a query. */
function encoded(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

/** Returns path and query as in a URL after the version. */
export function pathOf({ path, query = {} }: Request): string {
  // Not URLSearchParams: it writes a space as a plus, and takes twice the processor time.
  const search = Object.entries(query).map(([name, value]) => `${encoded(name)}=${encoded(value)}`);
  return search.length === 0 ? urlPath(path) : `${urlPath(path)}?${search.join('&')}`;
}

/** Makes the schema of a reference to an object of this type. */
export function referenceTo(type: string) {
  return v.pipe(
    v.string(),
    v.maxLength(maxReferenceLength, `a reference of at most ${maxReferenceLength} characters`),
    v.check((reference) => isReferenceTo(type, reference), `a reference to a ${type}`),
  );
}

/** Returns the object type of a reference. */
export function typeOf(reference: string): string {
  return reference.slice(0, reference.indexOf('/'));
}

/** Encodes an object type or a reference as a URL's path. Names in references are percent-encoded already (`%20`, `%3A`), so `%` stays. */
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
  // `..`, also percent-encoded; characters that URL parsers drop or read as a slash; lone surrogates.
  const leadsAway = names.some((name) => /^(\.|%2e){1,2}$/i.test(name)) || /[\s\p{Cc}\p{Cs}\\]/u.test(reference);
  return /^[\w+=-]+$/.test(key) && !leadsAway;
}
