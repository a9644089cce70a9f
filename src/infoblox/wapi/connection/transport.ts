/** Performs one HTTPS exchange with one grid host, independent of WAPI, sessions and repetition. */
import { createFetch } from 'ofetch';
import { type Dispatcher, fetch, Headers, type Response } from 'undici';
import type { Clock } from '../../concurrency/clock.ts';
import type { HttpAnswer } from '../answer.ts';
import { connectionError, TooLate } from './connection-error.ts';

/** Maximum bytes of a list, uncompressed; a page of 1000 reservations has half a megabyte. */
const maxListBytes = 2 * 1024 * 1024;
/** Maximum bytes of any other answer: an object, a reference, a refusal, a proxy's page. */
const maxAnswerBytes = 256 * 1024;

export interface Exchange {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly url: string;
  /** The subject, for people: an object type, or the name of a function. */
  readonly about: string;
  /** Whether it may change the grid. */
  readonly writes: boolean;
  readonly headers: Record<string, string>;
  /** Sent as JSON. */
  readonly body?: Record<string, unknown>;
  /** Latest time to send it, as the clock's `now`. */
  readonly leaveBy?: number;
  readonly signal: AbortSignal;
}

export interface TransportAnswer extends HttpAnswer {
  readonly setCookie: readonly string[];
  /** Time of the grid host's clock: the header `Date`. */
  readonly date?: string | undefined;
}

export interface Transport {
  /** @throws GridError as made by `connectionError`; an HTTP status is never an error */
  exchange(exchange: Exchange): Promise<TransportAnswer>;
  close(): Promise<void>;
}

/** Makes a transport over a dispatcher: an agent, or undici's MockAgent in tests. */
export function createTransport(dispatcher: Dispatcher, clock: Pick<Clock, 'now' | 'turn'>): Transport {
  const client = createFetch({ fetch: fetch as unknown as typeof globalThis.fetch, Headers: Headers as never }).create({
    // The session interprets the status and repeats requests.
    retry: false,
    ignoreResponseError: true,
    // A redirect must not receive the credentials.
    redirect: 'manual',
    responseType: 'stream',
  });
  return {
    async exchange({ url, about: _, writes, leaveBy, ...request }) {
      const inTime = leaveBy === undefined ? [] : [leavingInTime(() => clock.now() > leaveBy)];
      try {
        const answer = await client.raw(url, { ...request, dispatcher: dispatcher.compose(inTime) });
        const { status, headers } = answer;
        // All reads are searches.
        const maxBytes = request.method === 'GET' && answer.ok ? maxListBytes : maxAnswerBytes;
        const body = await textOf(answer as unknown as Response, maxBytes);
        // undici frees the connection one turn after the body ends; an earlier request would open a second one.
        await clock.turn();
        return { status, body, setCookie: headers.getSetCookie(), date: headers.get('date') ?? undefined };
      } catch (error) {
        const late = request.signal.aborted;
        throw connectionError(error, { host: new URL(url).host, writes, late });
      }
    },
    close: () => dispatcher.destroy(),
  };
}

/** Makes an interceptor that writes a request to a connection only if it is not too late. */
function leavingInTime(isTooLate: () => boolean): Dispatcher.DispatcherComposeInterceptor {
  return (dispatch) => (options, handler) =>
    dispatch(options, {
      // Called right before the request is written to a connection.
      onRequestStart(controller, context) {
        handler.onRequestStart?.(controller, context);
        if (isTooLate()) controller.abort(new TooLate());
      },
      onResponseStart: (...start) => handler.onResponseStart?.(...start),
      onResponseData: (...data) => handler.onResponseData?.(...data),
      onResponseEnd: (...end) => handler.onResponseEnd?.(...end),
      onResponseError: (...error) => handler.onResponseError?.(...error),
    });
}

/** Reads the body of an answer as UTF-8. @throws Error if it is too long, which also closes the connection */
async function textOf({ body }: Response, maxBytes: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of body ?? []) {
    length += piece.length;
    if (length > maxBytes) throw new Error(`more than ${maxBytes} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}
