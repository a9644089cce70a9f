/**
 * A WAPI session: one user, the grid's hosts in order, one login kept alive by the `ibapauth` cookie, at most eight
 * requests at once. Reads are repeated when the grid stumbles; a write is repeated only when it certainly never left.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Credentials } from './credentials.ts';
import { GridError, hasReason, isGridAway } from './errors.ts';
import type { GridHosts } from './grid-hosts.ts';
import { Slots } from './slots.ts';
import type { Transport, TransportAnswer } from './transport.ts';
import { readAnswer } from './wapi-answer.ts';

/** Requests in flight at most, and so connections: a grid master is a small machine with many guests. */
export const maxConnections = 8;
/** Milliseconds for one request when its caller has more time left: slow grids take 10 s and more. */
const requestTimeout = 15_000;
/** Milliseconds before each further try; together they outlast an HA fail-over (WAPI: 4-5 s). */
const pauses = [150, 400, 900, 1800, 3000];

/** Milliseconds without an answer that are evidence against the grid also when the caller gives up then. */
const telling = 3_000;
/** Milliseconds of trouble during which requests are repeated; after it each gets one try until the grid is back. */
const patience = 10_000;

export type Fields = Record<string, unknown>;

export interface SessionOptions {
  readonly transport: Transport;
  readonly hosts: GridHosts;
  readonly credentials: Credentials;
  readonly port: number;
  /** WAPI version, `2.3`. */
  readonly version: string;
  readonly userAgent: string;
  /** Told how each request ended: undefined when the grid answered as a grid should, be it with a refusal. */
  readonly onOutcome?: (trouble: GridError | undefined, writes: boolean) => void;
}

interface Request {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Object type or reference. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: Fields;
}

export class Session {
  readonly #options: SessionOptions;
  readonly #slots = new Slots(maxConnections);
  /** A host in this map has let us in. One object a login, so that a late refusal cannot undo the login after it. */
  readonly #sessions = new Map<string, { cookie: string }>();
  readonly #logins = new Map<string, Promise<void>>();
  #troubleSince: number | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /**
   * Searches objects of a type; `query` uses WAPI's search modifiers. Answers one page of at most 1000 results: pass
   * back its `next_page_id` as `page` until there is none. (Unpaged searches fail when more than 1000 match.)
   */
  search(
    type: string,
    query: Readonly<Record<string, string>>,
    fields: string,
    page: string | undefined,
    signal: AbortSignal,
  ): Promise<unknown> {
    const paging = { _paging: '1', _return_as_object: '1', _max_results: '1000' };
    const search = { ...query, _return_fields: fields, ...paging, ...(page === undefined ? {} : { _page_id: page }) };
    return this.#request({ method: 'GET', path: type, query: search }, signal);
  }

  /** Creates an object and returns the fields asked for. Never repeated after it may have reached the grid. */
  create(type: string, body: Fields, fields: string, signal: AbortSignal): Promise<unknown> {
    return this.#request({ method: 'POST', path: type, query: { _return_fields: fields }, body }, signal);
  }

  /** Changes the given fields of an object. */
  update(ref: string, body: Fields, signal: AbortSignal): Promise<unknown> {
    return this.#request({ method: 'PUT', path: ref, body }, signal);
  }

  /** Deletes an object. */
  remove(ref: string, signal: AbortSignal): Promise<unknown> {
    return this.#request({ method: 'DELETE', path: ref }, signal);
  }

  /** Calls a function of an object that only looks, such as `next_available_network`. */
  call(ref: string, name: string, body: Fields, signal: AbortSignal): Promise<unknown> {
    return this.#request({ method: 'POST', path: ref, query: { _function: name }, body }, signal);
  }

  /** Ends the session on the grid, so that it does not linger until its idle time-out, and closes the connections. */
  async close(signal: AbortSignal): Promise<void> {
    for (const host of this.#sessions.keys()) {
      await this.#exchange(host, { method: 'POST', path: 'logout' }, signal).catch(() => undefined);
    }
    await this.#options.transport.close();
  }

  async #request(request: Request, signal: AbortSignal): Promise<unknown> {
    const { hosts } = this.#options;
    for (let attempt = 0; ; attempt += 1) {
      const host = hosts.pick();
      const began = performance.now();
      try {
        const value = this.#read(request, await this.#authenticated(host, request, signal));
        hosts.succeeded(host);
        this.#ended(undefined, request);
        return value;
      } catch (error) {
        if (!(error instanceof GridError)) throw error;
        // A caller who leaves early proves nothing about the grid.
        if (!signal.aborted || performance.now() - began > telling) {
          if (isGridAway(error)) hosts.failed(host);
          this.#ended(error, request);
        }
        const pause = this.#pauseAfter(error, attempt, host, request.method === 'GET' || error.outcome === 'none');
        if (pause === undefined || signal.aborted) throw error;
        await delay(pause, undefined, { signal }).catch(() => {
          throw error;
        });
      }
    }
  }

  /** Milliseconds until the request may be tried again, or undefined if it may not. */
  #pauseAfter(error: GridError, attempt: number, host: string, safe: boolean): number | undefined {
    const pause = pauses[attempt];
    if (!safe || !isGridAway(error) || pause === undefined) return undefined;
    if (this.#options.hosts.hasAnother(host)) return 0;
    if (error.reason === 'read-only') return undefined;
    // A grid that has been away for a while gets one try a request: callers need their answer, not hope.
    if (performance.now() - (this.#troubleSince ?? 0) > patience) return undefined;
    return pause * (0.75 + Math.random() / 2);
  }

  #ended(error: GridError | undefined, request: Request): void {
    const trouble = isGridAway(error) || hasReason(error, 'credentials', 'wapi-version', 'licence') ? error : undefined;
    this.#troubleSince = trouble === undefined ? undefined : (this.#troubleSince ?? performance.now());
    this.#options.onOutcome?.(trouble, writes(request));
  }

  /**
   * Lets one request log in while the others wait: a wrong password is tried once, not eight times, and the grid's
   * audit log shows one login. If the one fails, the waiting fail with it, having sent nothing.
   */
  async #authenticated(host: string, request: Request, signal: AbortSignal): Promise<TransportAnswer> {
    for (;;) {
      const session = this.#sessions.get(host);
      if (session !== undefined) {
        const answer = await this.#slotted(host, request, signal);
        // An expired or revoked session looks like a wrong password; only a login without the cookie can tell.
        if (answer.status !== 401 && answer.status !== 403) return answer;
        if (this.#sessions.get(host) === session) this.#sessions.delete(host);
      }
      if (this.#sessions.has(host)) continue;
      const pioneer = this.#logins.get(host);
      if (pioneer === undefined) return this.#logIn(host, request, signal);
      await withSignal(pioneer, signal);
    }
  }

  async #logIn(host: string, request: Request, signal: AbortSignal): Promise<TransportAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    promise.catch(() => undefined);
    this.#logins.set(host, promise);
    try {
      const answer = await this.#slotted(host, request, signal);
      if (answer.status === 401 || answer.status === 403) this.#read(request, answer);
      if (!this.#sessions.has(host)) this.#sessions.set(host, { cookie: '' });
      resolve();
      return answer;
    } catch (error) {
      // A time-out was this caller's own; whoever waits next may have more time.
      if (!(error instanceof GridError) || error.reason === 'timeout' || error.reason === 'busy') resolve();
      else reject(new GridError(error.reason, error.message, error.cure === undefined ? {} : { cure: error.cure }));
      throw error;
    } finally {
      this.#logins.delete(host);
    }
  }

  async #slotted(host: string, request: Request, signal: AbortSignal): Promise<TransportAnswer> {
    try {
      await this.#slots.acquire(signal);
    } catch (error) {
      const waiting = 'too many requests to the grid are waiting: no time left for this one';
      throw new GridError('busy', `${describe(request)}: ${waiting}`, { cause: error });
    }
    try {
      return await this.#exchange(host, request, signal);
    } finally {
      this.#slots.release();
    }
  }

  async #exchange(host: string, request: Request, signal: AbortSignal): Promise<TransportAnswer> {
    const { transport, credentials, port, version, userAgent } = this.#options;
    const { header, password } = credentials.authorization();
    const session = this.#sessions.get(host);
    const cookie = session?.cookie;
    const answer = await transport.exchange({
      method: request.method,
      url: `https://${host}:${port}/wapi/v${version}/${path(request)}`,
      headers: { authorization: header, 'user-agent': userAgent, ...(cookie ? { cookie } : {}) },
      ...(request.body === undefined ? {} : { body: request.body }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(requestTimeout)]),
    });
    // WAPI: cookie `ibapauth`, its value quoted and with commas; it is sent back as it came.
    const fresh = answer.setCookie.map((line) => /^\s*(ibapauth=(?:"[^"]*"|[^;]*))/.exec(line)?.[1]).find(Boolean);
    if (fresh !== undefined && session !== undefined) session.cookie = fresh;
    else if (fresh !== undefined) this.#sessions.set(host, { cookie: fresh });
    const refused = answer.status === 401 || answer.status === 403;
    if (!refused) credentials.accepted(password);
    else if (!cookie) credentials.refused(password, refusalOf(answer, describe(request)));
    return answer;
  }

  #read(request: Request, answer: TransportAnswer): unknown {
    return readAnswer(answer, describe(request), writes(request));
  }
}

/** Functions that we call only look. */
function writes(request: Request): boolean {
  return request.method !== 'GET' && request.query?._function === undefined;
}

function describe(request: Request): string {
  return `${request.method} ${request.path.replace(/\/.*:/, ' ')}`;
}

function refusalOf(answer: TransportAnswer, what: string): GridError {
  try {
    readAnswer(answer, what, false);
  } catch (error) {
    if (error instanceof GridError) return error;
  }
  return new GridError('credentials', `${what}: refused`);
}

function path(request: Request): string {
  const query = new URLSearchParams(request.query).toString().replaceAll('+', '%20');
  const path = request.path.replace(/[?#]/g, encodeURIComponent);
  return query === '' ? path : `${path}?${query}`;
}

function withSignal(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.reject(outOfTime());
  return new Promise((resolve, reject) => {
    const abort = () => reject(outOfTime());
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

function outOfTime(): GridError {
  return new GridError('busy', 'no time left to wait for the login to the grid');
}
