/** User name and password for the grid, and what is remembered of their refusal. */
import { pauseBefore } from '../concurrency/backoff.ts';
import { GridError } from '../errors.ts';

/**
 * Before a refused password is tried again. Never sooner, so without spread: an account is locked after 5 attempts in 5
 * minutes (NIOS 9.0 documentation, "Configuring Account Lockout for Admin Groups").
 */
const refusalPause = { first: 60_000, longest: 900_000, spread: 0 };

/** A wrong password is not hammered: grids also block other users of the same client then (scoulomb/myDNS, notes on errors). */
export class Credentials {
  readonly username: string;
  readonly #readPassword: () => string;
  readonly #now: () => number;
  #accepted: string | undefined;
  #refused: { password: string; error: GridError; retryAt: number; refusals: number } | undefined;

  /**
   * @param readPassword called before each request, so that a changed password is sent with the next one. The grid looks
   * at it when it wants a login: at once after a refusal, else when the session has ended
   * @param now milliseconds, monotonic
   */
  constructor(username: string, readPassword: () => string, now: () => number = () => performance.now()) {
    this.username = username;
    this.#readPassword = readPassword;
    this.#now = now;
  }

  /**
   * Returns the value of the `Authorization` header, and the password in it.
   * @throws GridError `credentials` while this very password is known to be refused, or when it cannot be read
   */
  authorization(): { header: string; password: string } {
    const password = this.#readPassword();
    const refused = this.#refused;
    if (refused !== undefined && refused.password === password && this.#now() < refused.retryAt) {
      const seconds = Math.ceil((refused.retryAt - this.#now()) / 1000);
      throw new GridError(refused.error.reason, refused.error.message, {
        hint: `${refused.error.hint}; next attempt in ${seconds} s, or as soon as the password changes`,
      });
    }
    return { header: `Basic ${Buffer.from(`${this.username}:${password}`).toString('base64')}`, password };
  }

  /** The grid refused a login with this password. */
  refused(password: string, error: GridError): void {
    const before = this.#refused?.password === password ? this.#refused.refusals : 0;
    const retryAt = this.#now() + pauseBefore(before, refusalPause);
    this.#refused = { password, error, retryAt, refusals: before + 1 };
    this.#accepted = undefined;
  }

  /** The grid let us in with this password. */
  accepted(password: string): void {
    this.#accepted = password;
    this.#refused = undefined;
  }

  /** Tells whether the last login was with this password, and the grid let us in. */
  hasWorked(password: string): boolean {
    return password === this.#accepted;
  }
}
