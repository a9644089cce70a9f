/**
 * Sends requests to the grid: chooses the host, logs in, limits requests in flight, and repeats failed ones. Reads are repeated after any
 * failure that may pass; a create only if it certainly changed nothing. A write by reference carries the look that showed its object; it is
 * sent once, soon after that look and to the same host, or not at all.
 */
import { isDeepStrictEqual } from 'node:util';
import { type Clock, withDeadline } from '../concurrency/clock.ts';
import { forAnotherLook, GridError, hasReason, isGridAway } from '../errors.ts';
import { maxSightingAgeMs, type Sighting } from '../grid.ts';
import { readAnswer } from './answer.ts';
import type { GridHosts } from './connection/hosts.ts';
import type { Transport } from './connection/transport.ts';
import type { Credentials } from './credentials.ts';
import { Logins, type Send } from './login.ts';
import { aboutOf, describe, type Fields, pathOf, type Question, type Request, writes } from './request.ts';
import { RequestLimit } from './request-limit.ts';
import {
  evidenceWindowMs,
  type FailedAttempt,
  needsConfirmation,
  type RetryDecision,
  retryDecision,
  unconfirmed,
} from './retry.ts';
import { refusedRight } from './rights.ts';

/** Maximum milliseconds of one request: slow grids take 10 s (infoblox-client, issue 272). */
const requestTimeoutMs = 15_000;

interface SessionOptions {
  readonly transport: Transport;
  readonly hosts: GridHosts;
  readonly credentials: Credentials;
  readonly clock: Clock;
  readonly port: number;
  /** WAPI version, `2.3`. */
  readonly version: string;
  readonly userAgent: string;
  /** Returns a number from 0 up to 1, to spread pauses. */
  readonly random: () => number;
  /**
   * Called at the end of each request. `trouble`: undefined if WAPI answered, even with a refusal; `not-wapi` if it is unclear who refused.
   */
  readonly onOutcome?: (trouble: GridError | undefined, request: { readonly writes: boolean }) => void;
  /** Called when another grid host takes over. */
  readonly onSwitch?: (from: string, to: string) => void;
}

/** An answer of the grid, with the host and the time for a sighting. */
export interface Answer extends Pick<Sighting, 'host' | 'answeredAt'> {
  readonly value: unknown;
}

/** The end of one attempt: an answer or an error, and the milliseconds that it took. */
type Attempt = { readonly tookMs: number } & (
  | { readonly answer: Answer; readonly error?: never }
  | { readonly answer?: never; readonly error: GridError }
);

/** A change to one object. */
interface Change {
  readonly method: 'PUT' | 'DELETE';
  readonly body?: Fields;
}

/** A request to one host; `seen`: the look that a write depends on. */
interface Sending {
  readonly host: string;
  readonly request: Request;
  readonly seen?: Sighting | undefined;
}

type Failure = Omit<FailedAttempt, 'otherHost' | 'troubleMs' | 'usualMs' | 'random'>;

/** The part of a session that `WapiGrid` uses. */
export type Requests = Pick<Session, 'ask' | 'write' | 'clock' | 'spare'>;

/** All methods throw GridError, as `readAnswer`, `connectionError` and the login do, or `busy`. */
export class Session {
  /** The clock of its requests. */
  readonly clock: Clock;
  readonly #options: SessionOptions;
  readonly #requestLimit: RequestLimit;
  readonly #logins: Logins;
  /** As the clock's `now`. */
  #troubleSince: number | undefined;
  /** Milliseconds of the slowest recent answer; each newer answer reduces it by a tenth. */
  #usualMs = 0;
  #serving: string | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.clock = options.clock;
    this.#logins = new Logins(options.credentials, options.clock);
    this.#requestLimit = new RequestLimit(options);
  }

  /** The host that answered last; undefined before the first answer. */
  get serving(): string | undefined {
    return this.#serving;
  }

  /** Tells whether there is a login at a grid host. */
  isLoggedIn(host: string): boolean {
    return this.#logins.hosts.includes(host);
  }

  /** Number of requests that wait because of the limit. */
  get waiting(): number {
    return this.#requestLimit.waiting;
  }

  /** Number of background requests that may be sent now. */
  get spare(): number {
    return this.#requestLimit.spare;
  }

  /**
   * Sends a read or a create. A create is never repeated after it may have reached the grid.
   * @throws GridError `unconfirmed` if the answer needs confirmation and the host that accepts writes cannot be asked; if that host is
   * unknown, unless all hosts give the same answer
   */
  async ask(request: Question, signal: AbortSignal): Promise<Answer> {
    const { hosts } = this.#options;
    for (let attempt = 0; ; attempt += 1) {
      const host = hosts.pick(request.confirm ? hosts.writer : undefined);
      const attempted = await this.#attempt({ host, request }, signal);
      const { answer, error, tookMs } = attempted;
      if (error === undefined) this.#succeeded(host, request);
      if (needsConfirmation(request, { host, writer: hosts.writer }, error)) {
        return this.#confirmed(request, { host, attempted }, signal);
      }
      if (error === undefined) return answer;
      const decision = this.#failed(host, request, { error, attempt, tookMs, callerLeft: signal.aborted });
      if (decision.pauseMs === undefined) throw error;
      await this.clock.sleep(decision.pauseMs, signal, error);
    }
  }

  /**
   * Changes or deletes an object that a look has shown. References are natural keys, so the write goes only to the host that showed the
   * object, within a second of its answer, and once, except after a 401 or 403 for the cookie.
   * @throws GridError with `mayLookAgain` if it was not carried out and another look may help: `busy` if it was not sent, `missing` if the
   * object is gone, `unconfirmed` if only a lagging host says so
   */
  async write(seen: Sighting, change: Change, signal: AbortSignal): Promise<unknown> {
    const { hosts } = this.#options;
    const { host, object } = seen;
    const request = { ...change, path: object };
    const { answer, error, tookMs } = await this.#attempt({ host, request, seen }, signal);
    if (error === undefined) {
      this.#succeeded(host, request);
      return answer.value;
    }
    const isUnconfirmed = hasReason(error, 'missing') && host !== hosts.writer;
    const why = isUnconfirmed ? unconfirmed(request, { host, writer: hosts.writer }, error) : error;
    const decision = this.#failed(host, request, { error: why, attempt: 0, tookMs, callerLeft: signal.aborted });
    throw decision.mayLookAgain ? forAnotherLook(why) : why;
  }

  /** Logs out, so that sessions do not stay until their idle timeout, and closes the connections. */
  async close(signal: AbortSignal): Promise<void> {
    for (const host of this.#logins.hosts) {
      const logout = this.#sender({ host, request: { method: 'POST', path: 'logout' } }, signal);
      await this.#logins.exchange(host, logout, signal).catch(() => undefined);
    }
    await this.#options.transport.close();
  }

  /**
   * Returns what the host that accepts writes answers in place of another host. If that one is unknown, all other hosts have to confirm the
   * answer: it is among them. Without this, a driver without creates could never confirm that a release is complete. A single configured
   * host confirms nothing: it may be a candidate.
   */
  async #confirmed(
    request: Request,
    { host, attempted }: { readonly host: string; readonly attempted: Attempt },
    signal: AbortSignal,
  ): Promise<Answer> {
    const { hosts } = this.#options;
    const { writer } = hosts;
    let last: Attempt | undefined;
    for (const one of writer === undefined ? hosts.all.filter((other) => other !== host) : [writer]) {
      last = await this.#attempt({ host: one, request }, signal);
      const { error } = last;
      // Without a writer, a host that is avoided since it refused a write stays so, though it answers reads.
      if (one === writer && error === undefined) hosts.succeeded(one);
      if (one === writer && isGridAway(error) && !signal.aborted) hosts.failed(one);
      const isProof =
        writer === undefined ? areEqual(last, attempted) : error === undefined || error.reason === 'missing';
      if (!isProof) throw unconfirmed(request, { host, writer }, error);
    }
    if (last === undefined) throw unconfirmed(request, { host, writer }, attempted.error);
    const { answer, error } = writer === undefined ? attempted : last;
    if (error !== undefined) throw error;
    return answer;
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

  /** Records a failure. @returns what follows from it */
  #failed(host: string, request: Request, failed: Failure): RetryDecision {
    const { hosts, random } = this.#options;
    const { error } = failed;
    const otherHost = hosts.hasAnother(host, { forWrite: hasReason(error, 'read-only') });
    const troubleMs = this.#troubleSince === undefined ? 0 : this.clock.now() - this.#troubleSince;
    const decision = retryDecision({ ...failed, otherHost, troubleMs, usualMs: this.#usualMs, random });
    const { hostFailed, grid } = decision;
    if (hostFailed) hosts.failed(host);
    if (grid === 'unclear') this.#options.onOutcome?.(error, { writes: writes(request) });
    else if (grid !== undefined) this.#report(grid === 'well' ? undefined : error, request);
    return decision;
  }

  #noteWriter(host: string, request: Request, error: GridError): void {
    const { hosts } = this.#options;
    if (hasReason(error, 'read-only')) hosts.refusedWrite(host);
    // A read-only host refuses writes before it checks for conflicts.
    if (hasReason(error, 'conflict') && writes(request)) hosts.acceptedWrite(host);
  }

  #report(trouble: GridError | undefined, request: Request): void {
    this.#troubleSince = trouble === undefined ? undefined : (this.#troubleSince ?? this.clock.now());
    this.#options.onOutcome?.(trouble, { writes: writes(request) });
  }

  /** Sends a request once. Logs in only after waiting for its turn, when the login may have changed. */
  async #attempt(sending: Sending, signal: AbortSignal): Promise<Attempt> {
    const { request, seen } = sending;
    const limit = this.#requestLimit;
    const cameAt = this.clock.now();
    try {
      // Writes must not wait until their look is too old.
      await limit.acquire(signal, seen && 'urgent');
    } catch (cause) {
      return { error: busy(request, cause), tookMs: 0 };
    }
    try {
      if (this.#comesTooLate(request, cameAt)) return { error: busy(request), tookMs: 0 };
      const attempt = await this.#exchanged(sending, signal);
      const { error, tookMs } = attempt;
      // A caller who leaves early proves nothing about the grid.
      if (!signal.aborted || tookMs > evidenceWindowMs) {
        limit.learn({ tookMs, hasFailed: hasReason(error, 'timeout', 'grid-fault') });
      }
      return attempt;
    } finally {
      limit.release();
    }
  }

  /** Tells whether a request has waited so long that its answer would be too late for the caller. */
  #comesTooLate({ neededBy = Number.POSITIVE_INFINITY }: Request, cameAt: number): boolean {
    const now = this.clock.now();
    return now > cameAt && now + this.#usualMs > neededBy;
  }

  async #exchanged({ host, request, seen }: Sending, signal: AbortSignal): Promise<Attempt> {
    const sentAt = this.clock.now();
    try {
      const answer = await this.#logins.exchange(host, this.#sender({ host, request, seen }, signal), signal);
      const answeredAt = this.clock.now();
      const tookMs = answeredAt - sentAt;
      this.#usualMs = Math.max(tookMs, 0.9 * this.#usualMs);
      return { answer: { value: readAnswer(answer, host, request), host, answeredAt }, tookMs };
    } catch (error) {
      if (!(error instanceof GridError)) throw error;
      this.#noteWriter(host, request, error);
      const { user } = this.#options.credentials;
      const told = error.reason === 'permission' ? refusedRight(error, request, user) : error;
      return { error: told, tookMs: this.clock.now() - sentAt };
    }
  }

  #sender({ host, request, seen }: Sending, signal: AbortSignal): Send {
    const { transport, port, version, userAgent } = this.#options;
    const url = `https://${host}:${port}/wapi/v${version}/${pathOf(request)}`;
    const { method, body } = request;
    const exchange = {
      method,
      url,
      about: aboutOf(request),
      writes: writes(request),
      ...(body && { body }),
      ...(seen && { leaveBy: seen.answeredAt + maxSightingAgeMs }),
    };
    return (headers) => {
      const all = { ...exchange, headers: { ...headers, 'user-agent': userAgent } };
      const deadline = { milliseconds: requestTimeoutMs, signal };
      return withDeadline(this.clock, deadline, (either) => transport.exchange({ ...all, signal: either }));
    };
  }
}

function areEqual(one: Attempt, other: Attempt): boolean {
  return one.error?.reason === other.error?.reason && isDeepStrictEqual(one.answer?.value, other.answer?.value);
}

function busy(request: Request, cause?: unknown): GridError {
  return new GridError('busy', `${describe(request)}: no time left, too many requests to the grid are waiting`, {
    hint: 'if this goes on, the grid answers too slowly for the containers of this host; the daemon tries again',
    cause,
  });
}
