/** One WAPI request as plain data, and what follows from it: its path, its name for people, whether it may change the grid. */
import { inWords, urlPath } from './reference.ts';
import { pageSize } from './schemas.ts';

export type Fields = Record<string, unknown>;

/**
 * Criteria in WAPI's search modifiers: `f` exact, `f~` a regular expression, `*Name` an extensible attribute; and options,
 * `_return_fields` say.
 */
export type Query = Readonly<Record<string, string>>;

/** `answer`: the whole answer is believed only of the host that accepts writes. */
export type Confirmation = 'answer';

export interface Request {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Object type or reference. */
  readonly path: string;
  readonly query?: Query;
  readonly body?: Fields;
  readonly confirm?: Confirmation | undefined;
}

/** A read, a function that looks, or a create: what needs no look before it. */
export type Question = Request & { readonly method: 'GET' | 'POST' };

/** One page of a search. */
export interface PageRequest {
  /** Object type. */
  readonly type: string;
  readonly query: Query;
  /** `_return_fields`. */
  readonly fields: string;
  /** `next_page_id` of the page before; undefined for the first. */
  readonly page?: string | undefined;
  readonly confirm?: Confirmation | undefined;
}

/**
 * Makes the request for one page of at most `pageSize` results. Unpaged searches fail when more than 1000 match
 * (infoblox-client, issue 62), and paging needs `_return_as_object` (infoblox-client, connector.py).
 */
export function searchRequest({ type, query, fields, page, ...rest }: PageRequest): Question {
  const paging = { _paging: '1', _return_as_object: '1', _max_results: String(pageSize) };
  const search = { ...query, _return_fields: fields, ...paging, ...(page === undefined ? {} : { _page_id: page }) };
  return { method: 'GET', path: type, query: search, ...rest };
}

/** Tells whether a request may change the grid. The functions that we call only look. */
export function writes({ method, query }: Request): boolean {
  return method !== 'GET' && query?._function === undefined;
}

/** Says what is requested, for people: `DELETE fixedaddress 10.0.0.5/default`. */
export function describe({ method, path }: Request): string {
  return `${method} ${inWords(path)}`;
}

/** Gives the object type that a URL of WAPI is about, `fixedaddress`; the name of a function, `logout`, if it is about none. */
export function objectTypeIn(url: string): string {
  return /\/wapi\/v[^/]+\/([a-z0-9_:]+)/.exec(url)?.[1] ?? 'other';
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
