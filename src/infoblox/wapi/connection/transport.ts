/** One HTTPS exchange with one host of the grid. Knows nothing of WAPI, sessions or repetition. */
import { setImmediate as turn } from 'node:timers/promises';
import { createFetch, type FetchContext } from 'ofetch';
import { type Dispatcher, Headers, fetch as undiciFetch } from 'undici';
import type { HttpAnswer } from '../answer.ts';
import { connectionError } from './connection-error.ts';

/** Bytes of a list that are read at most; a page of 1000 reservations has half a megabyte. */
const largestList = 2 * 1024 * 1024;
/** Bytes of any other answer that are read at most: one object, a reference, a refusal, the page of a proxy. */
const largestAnswer = 256 * 1024;

export interface Exchange {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly url: string;
  readonly headers: Record<string, string>;
  /** Sent as JSON. */
  readonly body?: Record<string, unknown>;
  /** Whether the answer, if it is a good one, is a list. */
  readonly lists?: boolean;
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
export function createTransport(dispatcher: Dispatcher): Transport {
  const client = createFetch({
    fetch: fetchThrough(dispatcher),
    Headers,
    // The session decides what a status means and what is sent again; credentials do not follow a redirect.
    defaults: {
      retry: false,
      ignoreResponseError: true,
      redirect: 'manual',
      headers: { 'accept-encoding': 'identity' },
    },
  });
  return {
    async exchange({ url, lists = false, ...request }) {
      try {
        const answer = await client.raw(url, { ...request, responseType: 'stream', onResponse: refuseEncoded });
        const text = await read(answer._data, lists && answer.ok ? largestList : largestAnswer);
        // undici frees the connection one turn after the body ends; who asks again before that opens a second one.
        await turn();
        const { status, headers } = answer;
        return { status, body: text, setCookie: headers.getSetCookie(), date: headers.get('date') ?? undefined };
      } catch (error) {
        const late = request.signal.aborted;
        throw connectionError(error, { host: new URL(url).host, writes: request.method !== 'GET', late });
      }
    },
    close: () => dispatcher.destroy(),
  };
}

/**
 * undici's fetch, not Node's: that is an older copy of undici, which does not take this one's dispatchers, and so neither
 * our limits and TLS checks nor a MockAgent. ofetch knows the types of that copy; at run time it hands on a text as body
 * and the kind of Headers that it was given.
 */
function fetchThrough(dispatcher: Dispatcher): typeof globalThis.fetch {
  return (url, { method = 'GET', headers, body, signal = null, redirect = 'manual' } = {}) => {
    if (!(headers instanceof Headers)) throw new TypeError('headers of another kind than those of undici');
    const text = typeof body === 'string' ? body : null;
    return undiciFetch(String(url), { method, headers, body: text, signal, redirect, dispatcher });
  };
}

/** A small answer that unpacks to a huge one would slip through the limit, which counts what comes over the wire. */
async function refuseEncoded({ response }: FetchContext): Promise<void> {
  const encoding = response?.headers.get('content-encoding') ?? 'identity';
  if (encoding === 'identity') return;
  await response?.body?.cancel();
  throw new Error(`it answered in ${encoding}, which was not asked for`);
}

/**
 * Reads a body as UTF-8 into one buffer, so that a body in millions of pieces costs no more than one in a few.
 * @throws Error if it has more than `most` bytes; the connection is given up then
 */
async function read(body: ReadableStream<Uint8Array> | undefined, most: number): Promise<string> {
  let bytes = Buffer.allocUnsafe(0);
  let length = 0;
  for await (const piece of body ?? []) {
    const end = length + piece.length;
    if (end > most) throw new Error(`more than ${most} bytes`);
    if (end > bytes.length) {
      const larger = Buffer.allocUnsafe(Math.min(most, Math.max(end, 2 * bytes.length)));
      bytes.copy(larger, 0, 0, length);
      bytes = larger;
    }
    bytes.set(piece, length);
    length = end;
  }
  return new TextDecoder().decode(bytes.subarray(0, length));
}
