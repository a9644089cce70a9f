/** Searches the grid page by page, with a limit on pages. */
import * as v from 'valibot';
import { GridError, hasReason } from '../errors.ts';
import { type Kind, parseAnswer } from './objects.ts';
import type { Query, Question } from './request.ts';
import type { Session } from './session.ts';

/** Maximum results of a page, requested as `_max_results`. */
const pageSize = 1000;
/** Characters of a page's ID: it must fit into the URL of the next request. */
const maxPageIdLength = 4096;

/** Maximum pages of a list, whose results are processed one by one. */
const maxListPages = 50;
/** The same for exact criteria: few results, kept in memory. */
const maxExactPages = 3;

export interface Search<S extends v.GenericSchema, T> extends Kind<S, T> {
  readonly query: Query;
  /** Whether only the host that accepts writes may answer. */
  readonly confirm?: boolean | undefined;
  /** Default: those of a list. */
  readonly maxPages?: number;
}

/**
 * Yields the results of a search, page by page.
 * @param signal must fire eventually: it alone limits the time of all pages
 * @throws GridError `bad-answer` for an invalid page or too many pages; what the session throws
 */
export async function* searchPages<const S extends v.GenericSchema, T>(
  session: Pick<Session, 'ask'>,
  { schema, read, maxPages = maxListPages, ...search }: Search<S, T>,
  signal: AbortSignal,
): AsyncGenerator<T> {
  const what = `GET ${search.type}`;
  let next: string | undefined;
  for (let pages = 0; pages < maxPages; pages += 1) {
    const answered = session.ask(searchRequest(search, next), signal);
    const answer = await (next === undefined ? answered.catch(unlessMissing) : answered);
    if (answer === undefined) return;
    const { result, next_page_id } = parseAnswer(page(schema), answer.value, { what });
    for (const item of result) yield read(item, answer);
    next = next_page_id;
    if (next === undefined) return;
  }
  throw new GridError('bad-answer', `${what}: the search has more than ${maxPages} pages of results`, {
    hint: 'check --grid-host and any proxy between: the list does not seem to end',
  });
}

/**
 * Treats `missing` as a search without results: the grid answers 404 for an unknown view (terraform-provider-infoblox, issue 188). Only for
 * the first page: for a further one, results would be lost.
 */
function unlessMissing(error: unknown): undefined {
  if (!hasReason(error, 'missing')) throw error;
}

/** Finds the few objects that match exact criteria. @throws as `searchPages` */
export function findExactly<const S extends v.GenericSchema, T>(
  session: Pick<Session, 'ask'>,
  search: Search<S, T>,
  signal: AbortSignal,
): Promise<T[]> {
  return Array.fromAsync(searchPages(session, { ...search, maxPages: maxExactPages }, signal));
}

/**
 * Makes the request for one page of at most `pageSize` results. Unpaged searches fail with more than 1000 results (infoblox-client, issue
 * 62), and paging needs `_return_as_object` (infoblox-client, connector.py).
 */
export function searchRequest(
  { type, query, fields, confirm }: Pick<Search<v.GenericSchema, unknown>, 'type' | 'query' | 'fields' | 'confirm'>,
  pageId?: string,
): Question {
  const paging = { _paging: '1', _return_as_object: '1', _max_results: String(pageSize) };
  const search = { ...query, _return_fields: fields, ...paging, ...(pageId !== undefined && { _page_id: pageId }) };
  return { method: 'GET', path: type, query: search, confirm };
}

/** Makes the schema of one page of a paged search. */
function page<const S extends v.GenericSchema>(item: S) {
  // Checked before the items, so that a too long list is not processed.
  const few = v.check(
    (list: unknown) => !Array.isArray(list) || list.length <= pageSize,
    `at most ${pageSize} results`,
  );
  return v.object({
    result: v.pipe(v.unknown(), few, v.array(item)),
    next_page_id: v.optional(v.pipe(v.string(), v.maxLength(maxPageIdLength, `at most ${maxPageIdLength} characters`))),
  });
}
