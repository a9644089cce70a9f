/** Searches the grid page by page, with limits on pages and time. */
import * as v from 'valibot';
import { withDeadline } from '../concurrency/clock.ts';
import { GridError, hasReason } from '../errors.ts';
import { type Kind, parseAnswer } from './objects.ts';
import type { Query, Question } from './request.ts';
import type { Session } from './session.ts';

/** Maximum results of a page, requested as `_max_results`. */
const pageSize = 1000;
/** Characters of a page's ID: it must fit into the URL of the next request. */
const maxPageIdLength = 4096;

interface SearchLimits {
  /** Pages of at most 1000 results. */
  readonly pages: number;
  /** Milliseconds of waiting for the grid in all. */
  readonly waiting: number;
}

/** For exact criteria: few results, kept in memory. */
const exactSearch: SearchLimits = { pages: 3, waiting: 60_000 };
/** For long lists, processed one by one. */
const listSearch: SearchLimits = { pages: 50, waiting: 60_000 };

export interface Search<S extends v.GenericSchema, T> extends Kind<S, T> {
  readonly query: Query;
  readonly confirm?: boolean | undefined;
  /** Default: `listSearch`. */
  readonly limits?: SearchLimits;
}

/**
 * Yields the results of a search, page by page.
 * @param signal must fire eventually: requests wait for their turn until then
 * @throws GridError `bad-answer` for an invalid page or too many pages; `timeout` if the pages take too long; what the session throws
 */
export async function* searchPages<const S extends v.GenericSchema, T>(
  session: Pick<Session, 'ask' | 'clock'>,
  { schema, read, limits = listSearch, ...request }: Search<S, T>,
  signal: AbortSignal,
): AsyncGenerator<T> {
  const { clock } = session;
  const what = `GET ${request.type}`;
  let left = limits.waiting;
  let next: string | undefined;
  for (let pages = 0; pages < limits.pages; pages += 1) {
    const began = clock.now();
    const send = (either: AbortSignal) => session.ask(searchRequest({ ...request, page: next }), either);
    const late = (cause?: unknown) => tookTooLong(what, limits, cause);
    if (left <= 0) throw late();
    // Only further pages have a limit of their own; most searches have one page.
    const answer = await (next === undefined
      ? send(signal).catch(unlessMissing)
      : withDeadline(clock, { milliseconds: left, signal, late }, send));
    if (answer === undefined) return;
    left -= clock.now() - began;
    const { result, next_page_id } = parseAnswer(page(schema), answer.value, { what });
    for (const item of result) yield read(item, answer);
    next = next_page_id;
    if (next === undefined) return;
  }
  throw new GridError('bad-answer', `${what}: the search has more than ${limits.pages} pages of results`, {
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
  session: Pick<Session, 'ask' | 'clock'>,
  search: Search<S, T>,
  signal: AbortSignal,
): Promise<T[]> {
  return Array.fromAsync(searchPages(session, { ...search, limits: exactSearch }, signal));
}

function tookTooLong(what: string, { waiting }: SearchLimits, cause: unknown): GridError {
  return new GridError('timeout', `${what}: the search took more than ${waiting / 1000} s in all`, {
    hint: 'check whether the grid is overloaded, or sends pages without end',
    cause,
  });
}

/** One page of a search. */
interface PageRequest {
  /** Object type. */
  readonly type: string;
  readonly query: Query;
  /** `_return_fields`. */
  readonly fields: string;
  /** `next_page_id` of the previous page; undefined for the first. */
  readonly page?: string | undefined;
  readonly confirm?: boolean | undefined;
}

/**
 * Makes the request for one page of at most `pageSize` results. Unpaged searches fail with more than 1000 results (infoblox-client, issue
 * 62), and paging needs `_return_as_object` (infoblox-client, connector.py).
 */
export function searchRequest({ type, query, fields, page, ...rest }: PageRequest): Question {
  const paging = { _paging: '1', _return_as_object: '1', _max_results: String(pageSize) };
  const search = { ...query, _return_fields: fields, ...paging, ...(page === undefined ? {} : { _page_id: page }) };
  return { method: 'GET', path: type, query: search, ...rest };
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
