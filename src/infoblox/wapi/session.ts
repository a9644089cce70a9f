/**
 * One user's WAPI session: which host is asked, who is logged in there, how many requests are in flight, what is sent again.
 * Reads are repeated when the grid stumbles; a write is repeated only when it certainly did nothing.
 */
import { pause } from '../concurrency/backoff.ts';
import { withDeadline } from '../concurrency/deadline.ts';
import { Semaphore } from '../concurrency/semaphore.ts';
import { GridError, hasReason, isGridAway } from '../errors.ts';
import { readAnswer } from './answer.ts';
import { needsConfirmation, unconfirmed } from './confirmation.ts';
import type { GridHosts } from './connection/hosts.ts';
import type { Transport } from './connection/transport.ts';
import type { Credentials } from './credentials.ts';
import { Logins, type Send } from './login.ts';
import { describe, pathOf, type Request, writes } from './request.ts';
import { type FailedAttempt, retryDecision } from './retry.ts';

/** Requests in flight at most, and so connections: a grid master is a small machine with many guests. */
export const maxConnections = 8;
/** Milliseconds for one request when its caller has more time left: slow grids take 10 s (infoblox-client, issue 272). */
const requestTimeout = 15_000;

interface SessionOptions {
  readonly transport: Transport;
  readonly hosts: GridHosts;
  readonly credentials: Credentials;
  readonly port: number;
  /** WAPI version, `2.3`. */
  readonly version: string;
  readonly userAgent: string;
  /**
   * Told how each request ended: undefined when the grid answered as a grid should, be it with a refusal; `not-wapi` when it is
   * unclear who has refused it.
   */
  readonly onOutcome?: (trouble: GridError | undefined, request: { readonly writes: boolean }) => void;
  /** Told when another host of the grid serves than before. */
  readonly onSwitch?: (from: string, to: string) => void;
}

/** How one attempt ended: with an error or a value. */
interface Attempt {
  readonly value?: unknown;
  readonly error?: GridError;
}

type Failure = Omit<FailedAttempt, 'otherHost' | 'troubleFor'>;

/** All methods throw GridError: what `readAnswer`, `connectionError` and the login make of a failure, or `busy`. */
export class Session {
  readonly #options: SessionOptions;
  readonly #requestLimit = new Semaphore(maxConnections);
  readonly #logins: Logins;
  /** Monotonic, milliseconds. */
  #troubleSince: number | undefined;
  #serving: string | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#logins = new Logins(options.credentials);
  }

  /** The host that answered last; undefined before the first answer. */
  get serving(): string | undefined {
    return this.#serving;
  }

  /** Whether a host of the grid has let this one in, and has not refused it since. */
  isLoggedIn(host: string): boolean {
    return this.#logins.hosts.includes(host);
  }

  /** Requests that wait to be sent, as the limit is reached. */
  get waiting(): number {
    return this.#requestLimit.waiting;
  }

  /**
   * Sends a request and returns the value of its answer. A write is never repeated after it may have reached the grid.
   * @throws GridError `unconfirmed` if the host that accepts writes has to confirm the answer and cannot be asked
   */
  async request(request: Request, signal: AbortSignal): Promise<unknown> {
    const { hosts } = this.#options;
    for (let attempt = 0; ; attempt += 1) {
      const host = hosts.pick(request.confirm === 'answer' ? hosts.writer : undefined);
      const began = performance.now();
      const { value, error } = await this.#attempt(host, request, signal);
      if (error === undefined) this.#succeeded(host, request);
      if (needsConfirmation(request, { host, writer: hosts.writer }, error ?? value)) {
        return this.#confirm(request, host, signal);
      }
      if (error === undefined) return value;
      if (request.isOptional) throw error;
      const took = performance.now() - began;
      const wait = this.#failed(host, request, { error, attempt, took, callerLeft: signal.aborted });
      if (wait === undefined) throw error;
      await pause(wait, signal, error);
    }
  }

  /** Ends the session on the grid, so that it does not linger until its idle time-out, and closes the connections. */
  async close(signal: AbortSignal): Promise<void> {
    for (const host of this.#logins.hosts) {
      const logout = this.#sender(host, { method: 'POST', path: 'logout' }, signal);
      await this.#logins.exchange(host, logout, signal).catch(() => undefined);
    }
    await this.#options.transport.close();
  }

  /** Asks the host that accepts writes what another one has answered. */
  async #confirm(request: Request, host: string, signal: AbortSignal): Promise<unknown> {
    const { hosts } = this.#options;
    const { writer } = hosts;
    if (writer === undefined) throw unconfirmed(request, { host, writer }, undefined);
    const { value, error } = await this.#attempt(writer, request, signal);
    if (error === undefined) {
      hosts.succeeded(writer);
      return value;
    }
    if (isGridAway(error) && !signal.aborted && !request.isOptional) hosts.failed(writer);
    // Nothing to confirm: it is not there, or a write may have been carried out.
    if (error.outcome !== 'none' || hasReason(error, 'missing')) throw error;
    throw unconfirmed(request, { host, writer }, error);
  }

  #succeeded(host: string, request: Request): void {
    const { hosts, onSwitch } = this.#options;
    hosts.succeeded(host);
    if (writes(request)) hosts.acceptedWrite(host);
    this.#report(undefined, request);
    const before = this.#serving;
    this.#serving = host;
    if (before !== undefined && before !== host) onSwitch?.(before, host);
  }

  /** Notes what a failure says. @returns milliseconds until the request is sent again; undefined: it is not */
  #failed(host: string, request: Request, failed: Failure): number | undefined {
    const { hosts } = this.#options;
    const { error } = failed;
    const otherHost = hosts.hasAnother(host, { forWrite: hasReason(error, 'read-only') });
    const troubleFor = this.#troubleSince === undefined ? 0 : performance.now() - this.#troubleSince;
    const { hostFailed, grid, pause } = retryDecision({ ...failed, otherHost, troubleFor });
    if (hostFailed) hosts.failed(host);
    if (grid === 'unclear') this.#options.onOutcome?.(error, { writes: writes(request) });
    else if (grid !== undefined) this.#report(grid === 'well' ? undefined : error, request);
    return pause;
  }

  #noteWriter(host: string, request: Request, error: GridError): void {
    const { hosts } = this.#options;
    if (hasReason(error, 'read-only')) hosts.refusedWrite(host);
    // A host that does not accept writes refuses them before it looks what they collide with.
    if (hasReason(error, 'conflict') && writes(request)) hosts.acceptedWrite(host);
  }

  #report(trouble: GridError | undefined, request: Request): void {
    this.#troubleSince = trouble === undefined ? undefined : (this.#troubleSince ?? performance.now());
    this.#options.onOutcome?.(trouble, { writes: writes(request) });
  }

  /** Sends a request once. A request within the limit logs in if need be: one that waited must not act on what was known before. */
  async #attempt(host: string, request: Request, signal: AbortSignal): Promise<Attempt> {
    try {
      await this.#requestLimit.acquire(signal);
    } catch (cause) {
      return { error: busy(request, cause) };
    }
    try {
      const answer = await this.#logins.exchange(host, this.#sender(host, request, signal), signal);
      return { value: readAnswer(answer, host, request) };
    } catch (error) {
      if (!(error instanceof GridError)) throw error;
      this.#noteWriter(host, request, error);
      return { error };
    } finally {
      this.#requestLimit.release();
    }
  }

  #sender(host: string, request: Request, signal: AbortSignal): Send {
    const { transport, port, version, userAgent } = this.#options;
    const url = `https://${host}:${port}/wapi/v${version}/${pathOf(request)}`;
    const { method, body } = request;
    // All that is read is read by searches.
    const exchange = { method, url, lists: method === 'GET', ...(body === undefined ? {} : { body }) };
    return (headers) => {
      const all = { ...exchange, headers: { ...headers, 'user-agent': userAgent } };
      const deadline = { milliseconds: requestTimeout, signal };
      return withDeadline(deadline, (either) => transport.exchange({ ...all, signal: either }));
    };
  }
}

function busy(request: Request, cause: unknown): GridError {
  return new GridError('busy', `${describe(request)}: no time left, too many requests to the grid are waiting`, {
    hint: 'if this goes on, the grid answers too slowly for the containers of this host; the daemon tries again',
    cause,
  });
}
