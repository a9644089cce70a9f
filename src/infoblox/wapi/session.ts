/**
 * A WAPI session: one user, the grid's hosts in order, one login kept alive by the `ibapauth` cookie, at most eight
 * requests at once. Reads are repeated when the grid stumbles; a write is repeated only when it certainly never left.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Semaphore } from '../concurrency/semaphore.ts';
import { GridError, hasReason, isGridAway } from '../errors.ts';
import { readAnswer } from './answer.ts';
import type { Credentials } from './credentials.ts';
import type { GridHosts } from './hosts.ts';
import { Logins, type Send } from './login.ts';
import { inWords, urlPath } from './reference.ts';
import { pageSize } from './schemas.ts';
import type { Transport, TransportAnswer } from './transport.ts';

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
  /** Told when another host of the grid serves than before. */
  readonly onSwitch?: (from: string, to: string) => void;
}

/** What is believed only of the host that accepts writes: that an object is not there, or the whole answer. */
export type Confirmation = 'absence' | 'answer';

interface Request {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Object type or reference. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: Fields;
  readonly confirm?: Confirmation;
}

export class Session {
  readonly #options: SessionOptions;
  readonly #slots = new Semaphore(maxConnections);
  readonly #logins: Logins;
  #troubleSince: number | undefined;
  #serving: string | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#logins = new Logins(options.credentials);
  }

  /**
   * Searches objects of a type; `query` uses WAPI's search modifiers. Answers one page of at most `pageSize` results: pass
   * back its `next_page_id` as `page` until there is none. (Unpaged searches fail when more than 1000 match.)
   */
  search(
    type: string,
    query: Readonly<Record<string, string>>,
    fields: string,
    page: string | undefined,
    signal: AbortSignal,
  ): Promise<unknown> {
    return this.#request(searchRequest(type, query, fields, page), signal);
  }

  /**
   * Searches of which what `confirm` says is believed only of the host that accepts writes; it is asked if another one has
   * answered.
   * @throws GridError `unconfirmed`, when searching, if it cannot be asked
   */
  confirming(confirm: Confirmation): Pick<Session, 'search'> {
    return {
      search: (type, query, fields, page, signal) =>
        this.#request({ ...searchRequest(type, query, fields, page), confirm }, signal),
    };
  }

  /** Creates an object and returns the fields asked for. Never repeated after it may have reached the grid. */
  create(type: string, body: Fields, fields: string, signal: AbortSignal): Promise<unknown> {
    return this.#request({ method: 'POST', path: type, query: { _return_fields: fields }, body }, signal);
  }

  /** Changes the given fields of an object. */
  update(ref: string, body: Fields, signal: AbortSignal): Promise<unknown> {
    return this.#request({ method: 'PUT', path: ref, body, confirm: 'absence' }, signal);
  }

  /** Deletes an object. */
  remove(ref: string, signal: AbortSignal): Promise<unknown> {
    return this.#request({ method: 'DELETE', path: ref, confirm: 'absence' }, signal);
  }

  /** Calls a function of an object that only looks, such as `next_available_network`. */
  call(ref: string, name: string, body: Fields, signal: AbortSignal): Promise<unknown> {
    return this.#request({ method: 'POST', path: ref, query: { _function: name }, body }, signal);
  }

  /** Ends the session on the grid, so that it does not linger until its idle time-out, and closes the connections. */
  async close(signal: AbortSignal): Promise<void> {
    for (const host of this.#logins.hosts) {
      const logout: Send = (headers) => this.#send(host, { method: 'POST', path: 'logout' }, headers, signal);
      await this.#logins.exchange(host, logout, signal).catch(() => undefined);
    }
    await this.#options.transport.close();
  }

  async #request(request: Request, signal: AbortSignal): Promise<unknown> {
    const { hosts } = this.#options;
    for (let attempt = 0; ; attempt += 1) {
      const host = hosts.pick(request.confirm === 'answer' ? hosts.writer : undefined);
      const began = performance.now();
      try {
        const value = await this.#ask(host, request, signal);
        hosts.succeeded(host);
        if (writes(request)) hosts.acceptedWrite(host);
        this.#ended(undefined, request);
        this.#served(host);
        if (request.confirm === undefined || host === hosts.writer) return value;
        if (request.confirm === 'absence' && !foundNothing(value)) return value;
        // Not awaited here: its failure is not this host's.
        return this.#confirm(request, host, signal);
      } catch (error) {
        if (!(error instanceof GridError)) throw error;
        if (hasReason(error, 'read-only')) hosts.refusedWrite(host);
        // A host that does not accept writes refuses them before it looks what they collide with.
        if (hasReason(error, 'conflict') && writes(request)) hosts.acceptedWrite(host);
        if (hasReason(error, 'missing') && request.confirm !== undefined && host !== hosts.writer) {
          return this.#confirm(request, host, signal);
        }
        // A caller who leaves early proves nothing about the grid.
        if (!signal.aborted || performance.now() - began > telling) {
          if (isGridAway(error)) hosts.failed(host);
          // One host is not the grid, as long as another may serve.
          if (!isGridAway(error) || !this.#hasAnother(error, host)) this.#ended(error, request);
        }
        const pause = this.#pauseAfter(error, attempt, host, request.method === 'GET' || error.outcome === 'none');
        if (pause === undefined || signal.aborted) throw error;
        await delay(pause, undefined, { signal }).catch(() => {
          throw error;
        });
      }
    }
  }

  /** Asks the host that accepts writes what another one has answered. */
  async #confirm(request: Request, host: string, signal: AbortSignal): Promise<unknown> {
    const { hosts } = this.#options;
    const { writer } = hosts;
    let cause: unknown;
    if (writer !== undefined) {
      try {
        const value = await this.#ask(writer, request, signal);
        hosts.succeeded(writer);
        return value;
      } catch (error) {
        if (isGridAway(error) && !signal.aborted) hosts.failed(writer);
        if (hasReason(error, 'read-only')) hosts.refusedWrite(writer);
        // Nothing to confirm: it is not there, or a write may have been carried out.
        if (hasReason(error, 'missing') || (error instanceof GridError && error.outcome !== 'none')) throw error;
        cause = error;
      }
    }
    const other = writer === undefined ? 'no host is known to' : `${writer}, which does, cannot be asked`;
    throw new GridError(
      'unconfirmed',
      `${describe(request)}: ${host} is not known to accept writes and may lack what was written last; ${other}`,
      { cause, hint: 'it is tried again; see why the Grid Master does not answer, and name it first in --grid-host' },
    );
  }

  /** Milliseconds until the request may be tried again, or undefined if it may not. */
  #pauseAfter(error: GridError, attempt: number, host: string, safe: boolean): number | undefined {
    const pause = pauses[attempt];
    if (!safe || !isGridAway(error) || pause === undefined) return undefined;
    if (this.#hasAnother(error, host)) return 0;
    if (hasReason(error, 'read-only', 'untrusted')) return undefined;
    // A grid that has been away for a while gets one try a request: callers need their answer, not hope.
    if (performance.now() - (this.#troubleSince ?? 0) > patience) return undefined;
    return pause * (0.75 + Math.random() / 2);
  }

  /** True when another host may do what this one could not. */
  #hasAnother(error: GridError, host: string): boolean {
    const { hosts } = this.#options;
    if (hosts.hasAnother(host)) return true;
    // The one that accepts writes has failed a moment ago, but no other can do this.
    return hasReason(error, 'read-only') && hosts.writer !== undefined && hosts.writer !== host;
  }

  #served(host: string): void {
    const before = this.#serving;
    this.#serving = host;
    if (before !== undefined && before !== host) this.#options.onSwitch?.(before, host);
  }

  #ended(error: GridError | undefined, request: Request): void {
    // What was never sent tells nothing about the grid.
    if (hasReason(error, 'busy')) return;
    const trouble = isGridAway(error) || hasReason(error, 'credentials', 'wapi-version', 'licence') ? error : undefined;
    this.#troubleSince = trouble === undefined ? undefined : (this.#troubleSince ?? performance.now());
    this.#options.onOutcome?.(trouble, writes(request));
  }

  /** Has a slot, then logs in if need be: whoever waits for a slot must not decide on what it knew before. */
  async #ask(host: string, request: Request, signal: AbortSignal): Promise<unknown> {
    try {
      await this.#slots.acquire(signal);
    } catch (error) {
      throw new GridError('busy', `${describe(request)}: no time left, too many requests to the grid are waiting`, {
        hint: 'it is tried again; if this goes on, the grid answers too slowly for the containers of this host',
        cause: error,
      });
    }
    try {
      const answer = await this.#logins.exchange(host, (headers) => this.#send(host, request, headers, signal), signal);
      return readAnswer(answer, describe(request), host, writes(request));
    } finally {
      this.#slots.release();
    }
  }

  #send(
    host: string,
    request: Request,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<TransportAnswer> {
    const { transport, port, version, userAgent } = this.#options;
    return transport.exchange({
      method: request.method,
      url: `https://${host}:${port}/wapi/v${version}/${path(request)}`,
      headers: { ...headers, 'user-agent': userAgent },
      ...(request.body === undefined ? {} : { body: request.body }),
      // All that is read is read by searches.
      lists: request.method === 'GET',
      signal: AbortSignal.any([signal, AbortSignal.timeout(requestTimeout)]),
    });
  }
}

function searchRequest(
  type: string,
  query: Readonly<Record<string, string>>,
  fields: string,
  page: string | undefined,
): Request {
  const paging = { _paging: '1', _return_as_object: '1', _max_results: String(pageSize) };
  const search = { ...query, _return_fields: fields, ...paging, ...(page === undefined ? {} : { _page_id: page }) };
  return { method: 'GET', path: type, query: search };
}

function foundNothing(value: unknown): boolean {
  return value instanceof Object && 'result' in value && Array.isArray(value.result) && value.result.length === 0;
}

/** Functions that we call only look. */
function writes(request: Request): boolean {
  return request.method !== 'GET' && request.query?._function === undefined;
}

function describe({ method, path }: Request): string {
  return `${method} ${inWords(path)}`;
}

function path({ path, query }: Request): string {
  const search = new URLSearchParams(query).toString().replaceAll('+', '%20');
  return search === '' ? urlPath(path) : `${urlPath(path)}?${search}`;
}
