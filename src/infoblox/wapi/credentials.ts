/** Provides the credentials for the grid - a user with a password, a client certificate, or both - and remembers their refusal. */
import { type Clock, pauseBefore } from '../concurrency/clock.ts';
import { GridError } from '../errors.ts';

/**
 * Pause before refused credentials are tried again. Without spread, so never shorter: an account is locked after 5 attempts in 5 minutes
 * (NIOS 9.0 documentation, "Configuring Account Lockout for Admin Groups").
 */
const refusalPause = { firstMs: 60_000, maxMs: 900_000, spread: 0 };

interface CredentialsOptions {
  /** Empty to log in with the client certificate alone, without a password. */
  readonly username: string;
  /**
   * Called before each request, so that a changed password is used at the next login: at once after a refusal, otherwise when the session
   * has ended.
   */
  readonly readPassword: () => string;
  /** Identifies the client certificate; absent without one. */
  readonly fingerprint?: (() => string) | undefined;
  readonly clock: Pick<Clock, 'now'>;
  /** Returns a number from 0 up to 1, to spread pauses. */
  readonly random: () => number;
}

/** Credentials of one login. */
interface Authorization {
  /** Makes the header `authorization`; none with a client certificate alone. */
  readonly headers: () => Readonly<Record<string, string>>;
  /** Identifies these credentials. Contains the password. */
  readonly secret: string;
}

/** Does not repeat wrong credentials quickly: grids then also block other users of the same client (scoulomb/myDNS, notes on errors). */
export class Credentials {
  readonly #options: CredentialsOptions;
  #accepted: string | undefined;
  #refused: { secret: string; error: GridError; retryAt: number; refusals: number } | undefined;

  constructor(options: CredentialsOptions) {
    this.#options = options;
  }

  /** The user name; empty with a client certificate alone. */
  get user(): string {
    return this.#options.username;
  }

  /** Whether logins use a user name and password. */
  get #isNamed(): boolean {
    return this.#options.username !== '' || this.#options.fingerprint === undefined;
  }

  /**
   * Returns the credentials for a login.
   * @throws GridError `credentials` during the pause after their refusal, or if the password is unreadable
   */
  authorization(): Authorization {
    const { username, readPassword, fingerprint, clock } = this.#options;
    const certificate = fingerprint?.();
    const password = this.#isNamed ? readPassword() : '';
    const secret = certificate === undefined ? password : `${certificate} ${password}`;
    const refused = this.#refused;
    if (refused !== undefined && refused.secret === secret && clock.now() < refused.retryAt) {
      const seconds = Math.ceil((refused.retryAt - clock.now()) / 1000);
      const what = [
        ...(this.#isNamed ? ['the password'] : []),
        ...(certificate === undefined ? [] : ['the certificate']),
      ];
      throw new GridError(refused.error.reason, refused.error.message, {
        hint: `${refused.error.hint}; next attempt in ${seconds} s, or as soon as ${what.join(' or ')} changes`,
      });
    }
    const basic = () => `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    return { headers: () => (this.#isNamed ? { authorization: basic() } : {}), secret };
  }

  /**
   * Records that a grid host refused these credentials. 401 and 403 are HTML pages of the web server (scoulomb/myDNS, notes on errors and
   * content types).
   * @returns the error for it
   */
  refused(secret: string, { host, status }: { readonly host: string; readonly status: number }): GridError {
    const error = this.#refusal(host, status);
    const before = this.#refused?.secret === secret ? this.#refused.refusals : 0;
    const { clock, random } = this.#options;
    const retryAt = clock.now() + pauseBefore(before, refusalPause, random);
    this.#refused = { secret, error, retryAt, refusals: before + 1 };
    this.#accepted = undefined;
    return error;
  }

  #refusal(host: string, status: number): GridError {
    const user = JSON.stringify(this.#options.username);
    const login = {
      what: status === 401 ? `the user name or password of ${user}` : `the user ${user}`,
      hint:
        status === 401
          ? 'check --wapi-username and the password; the daemon tries again by itself'
          : 'the user needs API access in the grid; after several wrong passwords the grid also blocks valid users for a while',
    };
    const orPassword = this.#isNamed ? '' : ', or set --wapi-username if it asks for a password, too';
    const certificate = {
      what: 'the client certificate',
      hint: `let the certificate authentication service of the grid accept its CA and match its user${orPassword}`,
    };
    const shown = [
      ...(this.#isNamed ? [login] : []),
      ...(this.#options.fingerprint === undefined ? [] : [certificate]),
    ];
    const what = shown.map((one) => one.what).join(', or ');
    return new GridError('credentials', `the grid at ${host} refused ${what} (${status})`, {
      hint: shown.map(({ hint }) => hint).join('; '),
    });
  }

  /** Records that the grid accepted these credentials. */
  accepted(secret: string): void {
    this.#accepted = secret;
    this.#refused = undefined;
  }

  /** Tells whether the last successful login was with these credentials. */
  hasWorked(secret: string): boolean {
    return secret === this.#accepted;
  }
}
