/** One HTTPS exchange with one host of the grid. Knows nothing of WAPI, sessions or repetition. */
import { createFetch } from 'ofetch';
import type { Dispatcher } from 'undici';
import type { Clock } from '../../concurrency/clock.ts';
import type { HttpAnswer } from '../answer.ts';
import { connectionError } from './connection-error.ts';
import { type Gathering, gather } from './gather.ts';

/** Bytes of a list that are read at most; a page of 1000 reservations has half a megabyte. */
const largestList = 2 * 1024 * 1024;
/** Bytes of any other answer that are read at most: one object, a reference, a refusal, the page of a proxy. */
const largestAnswer = 256 * 1024;

export interface Exchange {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly url: string;
  /** What it is about, for people: an object type, or the name of a function. */
  readonly about: string;
  /** Whether it may change the grid. */
  readonly writes: boolean;
  readonly headers: Record<string, string>;
  /** Sent as JSON. */
  readonly body?: Record<string, unknown>;
  /** Whether the answer, if it is a good one, is a list. */
  readonly lists?: boolean;
  /** When it is not sent any more, as the clock's `now`. */
  readonly leaveBy?: number;
  readonly signal: AbortSignal;
}

export interface TransportAnswer extends HttpAnswer {
  readonly setCookie: readonly string[];
  /** What the clock of the grid's host says: the header `Date`. */
  readonly date?: string | undefined;
}

export interface Transport {
  /** @throws GridError as `connectionError` makes it; an HTTP status is never an error */
  exchange(exchange: Exchange): Promise<TransportAnswer>;
  close(): Promise<void>;
}

/** Makes a transport over the connections of a dispatcher: an agent's, or those of undici's MockAgent in tests. */
export function createTransport(dispatcher: Dispatcher, clock: Pick<Clock, 'now' | 'turn'>): Transport {
  return {
    async exchange({
      url,
      about: _,
      writes,
      headers: own,
      lists = false,
      leaveBy = Number.POSITIVE_INFINITY,
      ...request
    }) {
      const limits = { good: lists ? largestList : largestAnswer, other: largestAnswer };
      const client = createFetch({
        fetch: fetchThrough(dispatcher, own, { limits, isTooLate: () => clock.now() > leaveBy }),
        // The session decides what a status means and what is sent again.
        defaults: { retry: false, ignoreResponseError: true },
      });
      try {
        const answer = await client.raw(url, request);
        // undici frees the connection one turn after the body ends; who asks again before that opens a second one.
        await clock.turn();
        const { status, headers } = answer;
        const body = await answer.text();
        return { status, body, setCookie: headers.getSetCookie(), date: headers.get('date') ?? undefined };
      } catch (error) {
        const late = request.signal.aborted;
        throw connectionError(error, { host: new URL(url).host, writes, late });
      }
    },
    close: () => dispatcher.destroy(),
  };
}

/**
 * A `fetch` for ofetch that goes over a dispatcher, with its limits and TLS checks, and follows no redirect. It answers with
 * as much of a Response as is read here: a whole one costs as much processor time as the exchange itself.
 * @param own headers beside those that ofetch adds for JSON; as Headers they would be copied and sorted on the way
 */
function fetchThrough(
  dispatcher: Dispatcher,
  own: Exchange['headers'],
  given: Omit<Gathering, 'signal'>,
): typeof globalThis.fetch {
  return async (input, { method = 'GET', headers, body, signal } = {}) => {
    const url = String(input);
    const end = url.indexOf('/', 'https://'.length);
    const text = typeof body === 'string' ? body : null;
    const all = headers instanceof Headers ? { ...Object.fromEntries(headers), ...own } : own;
    const request = { origin: url.slice(0, end), path: url.slice(end), method, headers: all, body: text };
    const answer = await gather(dispatcher, request, { ...given, signal: signal ?? AbortSignal.abort() });
    const lines = (name: string): string[] => {
      const value = answer.headers[name] ?? [];
      return typeof value === 'string' ? [value] : value;
    };
    return {
      status: answer.status,
      headers: { get: (name) => lines(name)[0] ?? null, getSetCookie: () => lines('set-cookie') },
      body: null,
      text: async () => answer.body,
    } as Response;
  };
}
