/**
 * One HTTPS exchange with one member of the grid: ofetch over undici's fetch, so that tests can put undici's
 * MockAgent underneath. Knows sockets and TLS; knows nothing of WAPI, sessions or repetition.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { createFetch } from 'ofetch';
import { Agent, buildConnector, type Dispatcher, Headers, fetch as undiciFetch } from 'undici';
import { GridError, type Outcome, type Reason } from '../errors.ts';
import type { HttpAnswer } from './answer.ts';
import { checkingKeys, type KeyCheck, type OnFirstKey } from './peer-key.ts';

/** Bytes of a list that are read at most; a page of 1000 reservations has half a megabyte. */
const largestList = 2 * 1024 * 1024;
/** Bytes of any other answer that are read at most: one object, a reference, a refusal, the page of a proxy. */
const largestAnswer = 256 * 1024;
/** Characters of an error's text that are shown: one of TLS may list all names of a certificate. */
const longestReason = 300;
/** Milliseconds to set up a connection. A grid that needs longer is treated as away. */
const connectTimeout = 4_000;

export interface TlsOptions {
  /** Check the grid's certificate. False accepts any, as grids come with a self-signed one. */
  readonly verify: boolean;
  /** PEM certificates to trust when `verify` is true; asked for each new connection, as they may be replaced. */
  readonly trusted?: () => readonly string[];
  /** Judges the public key of a grid host that was just connected to, before anything is sent to it. */
  readonly checkKey?: KeyCheck;
}

export interface Exchange {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body?: unknown;
  /** Whether the answer, if it is a good one, is a list. */
  readonly lists?: boolean;
  readonly signal: AbortSignal;
}

export interface TransportAnswer extends HttpAnswer {
  readonly setCookie: readonly string[];
}

export interface Transport {
  /**
   * @throws GridError `unreachable` (outcome none: nothing was sent), `bad-answer` or `timeout` (outcome open for
   * anything but GET)
   */
  exchange(exchange: Exchange): Promise<TransportAnswer>;
  close(): Promise<void>;
}

/** An agent with at most `connections` kept-alive connections a host. */
export function createAgent(tls: TlsOptions, connections: number, onFirstKey: OnFirstKey = () => undefined): Agent {
  return new Agent({
    connections,
    pipelining: 1,
    // Only as long as no server hint says less; reuse saves a TLS handshake and a login in the grid's audit log.
    keepAliveTimeout: 60_000,
    // WAPI is HTTP/1.1 (WAPI: Apache). HTTP/2 would put all requests on one connection, which one lost packet stops.
    allowH2: false,
    connect: checkingKeys(connectorOf(tls), tls.checkKey, onFirstKey),
  });
}

/** One connector as long as the trusted certificates stay the same, so that TLS sessions can be resumed. */
function connectorOf({ verify, trusted, checkKey }: TlsOptions): buildConnector.connector {
  let ca: readonly string[] | undefined;
  let connector: buildConnector.connector | undefined;
  return (options, callback) => {
    const now = trusted?.();
    if (connector === undefined || now?.join() !== ca?.join()) {
      ca = now;
      connector = buildConnector({
        timeout: connectTimeout,
        allowH2: false,
        rejectUnauthorized: verify,
        // A resumed TLS session shows no certificate.
        ...(checkKey === undefined ? {} : { maxCachedSessions: 0 }),
        ...(ca === undefined ? {} : { ca: [...ca] }),
      });
    }
    connector(options, callback);
  };
}

export function createTransport(dispatcher: Dispatcher): Transport {
  // The two fetch types differ only in their copies of the DOM types.
  const client = createFetch({ fetch: fetchPlain as never, Headers: Headers as never });
  return {
    async exchange({ method, url, headers, body, lists = false, signal }) {
      try {
        const answer = await client.raw<unknown, 'stream'>(url, {
          method,
          headers: { ...headers, 'accept-encoding': 'identity' },
          ...(body === undefined ? {} : { body: body as Record<string, unknown> }),
          signal,
          dispatcher: dispatcher as never,
          responseType: 'stream',
          redirect: 'manual',
          retry: false,
          ignoreResponseError: true,
        });
        const text = await read(answer.body, lists && answer.ok ? largestList : largestAnswer);
        // undici frees the connection one turn after the body ends; who asks again before that opens a second one.
        await turn();
        return { status: answer.status, body: text, setCookie: answer.headers.getSetCookie() };
      } catch (error) {
        throw connectionError(error, `${method} ${url}`, method === 'GET' ? 'none' : 'open', signal);
      }
    },
    close: () => dispatcher.destroy(),
  };
}

/** A small answer that unpacks to a huge one would slip through the limit, which counts what comes over the wire. */
const fetchPlain: typeof undiciFetch = async (input, init) => {
  const answer = await undiciFetch(input, init);
  const encoding = answer.headers.get('content-encoding') ?? 'identity';
  if (encoding === 'identity') return answer;
  await answer.body?.cancel();
  throw new Error(`it answered in ${encoding}, which was not asked for`);
};

/**
 * Reads a body as UTF-8 into one buffer, so that a body in millions of pieces costs no more than one in a few.
 * @throws Error if it has more than `most` bytes; the connection is given up then
 */
async function read(body: ReadableStream<Uint8Array> | null, most: number): Promise<string> {
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

function connectionError(error: unknown, what: string, outcome: Outcome, signal: AbortSignal): GridError {
  const host = new URL(what.slice(what.indexOf(' ') + 1)).host;
  const hint = 'it is tried again; if this goes on, check the load of the grid and the network path to it';
  if (signal.aborted) {
    return new GridError('timeout', `the grid at ${host} did not answer in time`, { outcome, hint, cause: error });
  }
  const cause = innermost(error);
  if (cause instanceof GridError) return cause;
  const { code, message } = described(cause);
  const known = notSent(code, message, host);
  if (known !== undefined) {
    return new GridError(known.reason ?? 'unreachable', `cannot connect to the grid at ${host}: ${known.text}`, {
      hint: known.hint,
      cause: error,
    });
  }
  return new GridError('bad-answer', `the connection to the grid at ${host} broke: ${message}`, {
    outcome,
    hint,
    cause: error,
  });
}

/** Failures that happen before a request leaves, by the codes of node:net, node:dns and node:tls. */
function notSent(
  code: string,
  message: string,
  host: string,
): { text: string; hint: string; reason?: Reason } | undefined {
  // The same codes end an established connection too, with a request on it: "read EHOSTUNREACH".
  const connecting = message.includes('connect');
  const unreachable = /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ETIMEDOUT|EADDRNOTAVAIL)$/.test(code);
  if (code === 'UND_ERR_CONNECT_TIMEOUT') {
    const hint = `check the network path to ${host}, and whether the grid is well: it may have accepted and said nothing`;
    return { text: `no connection within ${connectTimeout / 1000} s`, hint };
  }
  if (unreachable && connecting) {
    return { text: message, hint: `check --grid-host, --wapi-port and the network path to ${host}` };
  }
  if (/^(ENOTFOUND|EAI_AGAIN|EAI_FAIL)$/.test(code)) {
    return { text: message, hint: 'check the name in --grid-host and the resolver of this host' };
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return { reason: 'untrusted', text: message, hint: 'set --grid-host to a name that the certificate carries' };
  }
  if (/^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/.test(code)) {
    const hint = 'renew the certificate on the grid, or set the clock of this host';
    return { reason: 'untrusted', text: `its certificate is not accepted (${message})`, hint };
  }
  if (/^(DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|CERT_|INVALID_|PATH_LENGTH_|HOSTNAME_MISMATCH)/.test(code)) {
    return {
      reason: 'untrusted',
      // Without Node's advice on its own command line, which the operator does not have.
      text: `its certificate is not accepted (${message.split(';', 1)[0]})`,
      hint: "give --ssl-verify a file with the grid's certificate or its CA",
    };
  }
  if (/^(ERR_SSL_|EPROTO)/.test(code) || /before secure TLS connection/.test(message)) {
    const reason = /SSL routines:[^:]*:([^:]+)/.exec(message)?.[1] ?? message;
    return { text: `no TLS connection (${reason})`, hint: 'check that --wapi-port is the HTTPS port of the grid' };
  }
  return undefined;
}

/** ofetch wraps undici's TypeError, which wraps the cause, which may be an AggregateError of several addresses. */
function innermost(error: unknown): unknown {
  let current = error;
  for (;;) {
    if (current instanceof AggregateError && current.errors.length > 0) current = current.errors[0];
    else if (current instanceof Error && !(current instanceof GridError) && current.cause instanceof Error) {
      current = current.cause;
    } else return current;
  }
}

function described(current: unknown): { code: string; message: string } {
  const code = current instanceof Error && 'code' in current ? String(current.code) : '';
  const message = current instanceof Error ? current.message || code : String(current);
  return { code, message: message.slice(0, longestReason) };
}
