/**
 * Logs in to grid hosts. A request with Basic credentials, or over a connection with a client certificate, logs in and returns the cookie
 * `ibapauth`; a request with this cookie is no login (WAPI documentation, index page). After a pause, when the cookie may have expired, one
 * request carries both. All others carry only the cookie: if the password was changed on the grid, one request tries the old one, not all.
 */
import { abortable, type Clock } from '../concurrency/clock.ts';
import { GridError, hasReason, isGridAway } from '../errors.ts';
import type { TransportAnswer } from './connection/transport.ts';
import type { Credentials } from './credentials.ts';

/** Sends a request with these headers. */
export type Send = (headers: Readonly<Record<string, string>>) => Promise<TransportAnswer>;

/**
 * Milliseconds without a request after which the cookie may have expired: the shortest Session Timeout; 600 s are usual
 * (NIOS 9.0 documentation, "Managing Security Operations").
 */
const maxIdleMs = 60_000;

interface Login {
  /** Empty if the grid returned none. */
  cookie: string;
  /** As the clock's `now`. */
  usedAt: number;
}

export class Logins {
  readonly #credentials: Credentials;
  readonly #logins = new Map<string, Login>();
  readonly #clock: Pick<Clock, 'now'>;
  /** Logins in progress. */
  readonly #loggingIn = new Map<string, Promise<void>>();

  constructor(credentials: Credentials, clock: Pick<Clock, 'now'>) {
    this.#credentials = credentials;
    this.#clock = clock;
  }

  /** Lists the hosts with a login. */
  get hosts(): string[] {
    return [...this.#logins.keys()];
  }

  /**
   * Sends a request, after a login if needed. One request logs in while the others wait: a wrong password is tried once, not eight times,
   * and the grid's audit log shows one login.
   * @throws GridError `credentials` if the login is refused, or during the pause after a refusal; what `send` throws
   */
  async exchange(host: string, send: Send, signal: AbortSignal): Promise<TransportAnswer> {
    for (;;) {
      const login = this.#logins.get(host);
      if (login !== undefined && this.#isUsable(host, login)) {
        const answer = await this.#sendAs(login, send);
        // A 403 concerns the request or the cookie (Posh-IBWAPI, issue 68): one attempt without the cookie shows which.
        if (answer.status === 403 && login.cookie !== '') return this.#sendWithCredentials(host, send);
        if (answer.status !== 401) return answer;
        // The cookie has expired or was revoked; another request may have logged in again meanwhile.
        if (this.#logins.get(host) === login) this.#logins.delete(host);
        if (this.#logins.has(host)) continue;
      }
      const loggingIn = this.#loggingIn.get(host);
      if (loggingIn === undefined) return this.#logIn(host, send, signal);
      await abortable(loggingIn, signal, () => {
        const hint = 'if this goes on, find out why the grid answers slowly; the daemon tries again';
        return new GridError('busy', `cannot log in to the grid at ${host}: no time left to wait for its answer`, {
          hint,
        });
      });
    }
  }

  #isUsable(host: string, { cookie, usedAt }: Login): boolean {
    return cookie === '' || this.#clock.now() - usedAt < maxIdleMs || this.#loggingIn.has(host);
  }

  #logIn(host: string, send: Send, signal: AbortSignal): Promise<TransportAnswer> {
    const login = this.#sendWithCredentials(host, send, this.#logins.get(host)?.cookie);
    const shared = login.then(
      () => undefined,
      (error) => {
        // An unavailable grid or refused credentials concern all waiting requests; other failures only this one.
        const concernsAll = hasReason(error, 'credentials') || (isGridAway(error) && !signal.aborted);
        if (concernsAll) throw new GridError(error.reason, error.message, { hint: error.hint });
      },
    );
    shared.catch(() => undefined);
    this.#loggingIn.set(host, shared);
    return login.finally(() => this.#loggingIn.delete(host));
  }

  async #sendWithCredentials(host: string, send: Send, cookie?: string): Promise<TransportAnswer> {
    const { headers, secret } = this.#credentials.authorization();
    const answer = await send({ ...headers(), ...(cookie === undefined ? {} : { cookie }) });
    // The cookie may be the cause: try once more without it.
    if (cookie !== undefined && (answer.status === 401 || answer.status === 403)) {
      this.#logins.delete(host);
      return this.#sendWithCredentials(host, send);
    }
    if (answer.status === 401 || (answer.status === 403 && !this.#credentials.hasWorked(secret))) {
      throw this.#credentials.refused(secret, { host, status: answer.status });
    }
    if (isLetIn(answer)) {
      this.#credentials.accepted(secret);
      this.#logins.set(host, { cookie: cookieOf(answer) ?? cookie ?? '', usedAt: this.#clock.now() });
    }
    return answer;
  }

  async #sendAs(login: Login, send: Send): Promise<TransportAnswer> {
    const { headers } = this.#credentials.authorization();
    const { cookie } = login;
    const answer = await send(cookie === '' ? headers() : { cookie });
    login.cookie = cookieOf(answer) ?? cookie;
    login.usedAt = this.#clock.now();
    return answer;
  }
}

/** Returns the login cookie. Its value is quoted and contains commas (infoblox-client, connector.py); it is sent back unchanged. */
function cookieOf(answer: TransportAnswer): string | undefined {
  return answer.setCookie.map((line) => /^\s*(ibapauth=(?:"[^"]*"|[^;]*))/.exec(line)?.[1]).find(Boolean);
}

/** Tells whether an answer proves a successful login: it comes from WAPI, not from a proxy, and is no server error. */
function isLetIn(answer: TransportAnswer): boolean {
  return answer.status < 500 && answer.status !== 403 && /^\s*["[{]/.test(answer.body.slice(0, 100));
}
