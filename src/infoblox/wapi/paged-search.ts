/** One search of the grid, page by page, that comes to an end even if the grid's list does not. */
import type { GenericSchema, InferOutput } from 'valibot';
import { withDeadline } from '../concurrency/clock.ts';
import { GridError, hasReason } from '../errors.ts';
import { type PageRequest, searchRequest } from './request.ts';
import { page, parseAnswer } from './schemas.ts';
import type { Session } from './session.ts';
import type { Sighted } from './sighting.ts';

interface SearchLimits {
  /** Pages of at most 1000 results. */
  readonly pages: number;
  /** Milliseconds of waiting for the grid after which no further page is waited for. */
  readonly waiting: number;
}

/** For exact criteria, whose few results are kept in memory. */
export const exactSearch: SearchLimits = { pages: 3, waiting: 60_000 };
/** For lists of what a host or a view holds, whose results are looked at one by one. */
const listSearch: SearchLimits = { pages: 50, waiting: 60_000 };

/** Of the objects of a list. */
export type ObjectSchema = GenericSchema<unknown, object>;

export interface Search<S extends ObjectSchema> extends Omit<PageRequest, 'page'> {
  readonly schema: S;
  /** For a list if absent. */
  readonly limits?: SearchLimits;
}

/** Makes a search expression for texts that begin with `prefix`: the part of the syntax that every dialect has. */
export function beginsWith(prefix: string): string {
  return `^${prefix.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`;
}

/**
 * Yields the results of a search, page by page.
 * @param signal has to end at some time: a request waits for its turn as long as that allows
 * @throws GridError `bad-answer` if a page is none, or one too many; `timeout` if the pages take too long; what the session throws
 */
export async function* searchPages<const S extends ObjectSchema>(
  session: Pick<Session, 'ask' | 'clock'>,
  { schema, limits = listSearch, ...request }: Search<S>,
  signal: AbortSignal,
): AsyncGenerator<Sighted<InferOutput<S>>> {
  const { clock } = session;
  const what = `GET ${request.type}`;
  let left = limits.waiting;
  let next: string | undefined;
  for (let pages = 0; pages < limits.pages; pages += 1) {
    const began = clock.now();
    const send = (either: AbortSignal) => session.ask(searchRequest({ ...request, page: next }), either);
    const late = (cause?: unknown) => tookTooLong(what, limits, cause);
    if (left <= 0) throw late();
    // The first page is a request like any other, with the session's own limits; most searches have no second.
    const answer = await (next === undefined
      ? send(signal).catch(unlessMissing)
      : withDeadline(clock, { milliseconds: left, signal, late }, send));
    if (answer === undefined) return;
    left -= clock.now() - began;
    const { result, next_page_id } = parseAnswer(page(schema), answer.value, { what });
    const { seen } = answer;
    for (const item of result) yield { ...item, seen };
    next = next_page_id;
    if (next === undefined) return;
  }
  throw new GridError('bad-answer', `${what}: the search has more than ${limits.pages} pages of results`, {
    hint: 'a grid that sends page after page without an end is at fault, or is none: check --grid-host and any proxy between',
  });
}

/**
 * Takes `missing` for a search without results, for the first page: an unknown view is answered with 404
 * (terraform-provider-infoblox, issue 188). Of a further page it is an error, as results would be left out.
 */
function unlessMissing(error: unknown): undefined {
  if (!hasReason(error, 'missing')) throw error;
}

/** Finds what matches exact criteria: a few results. @throws as `searchPages` */
export function findExactly<const S extends ObjectSchema>(
  session: Pick<Session, 'ask' | 'clock'>,
  search: Search<S>,
  signal: AbortSignal,
): Promise<Sighted<InferOutput<S>>[]> {
  return Array.fromAsync(searchPages(session, { ...search, limits: exactSearch }, signal));
}

function tookTooLong(what: string, { waiting }: SearchLimits, cause: unknown): GridError {
  return new GridError('timeout', `${what}: the search took more than ${waiting / 1000} s in all`, {
    hint: 'see whether the grid is overloaded; one that sends page after page without an end is at fault itself',
    cause,
  });
}
