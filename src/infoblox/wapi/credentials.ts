import { GridError } from '../errors.ts';

/** Milliseconds before a refused password is tried again: once a minute at first, to stay clear of account lock-out. */
const firstWait = 60_000;
const longestWait = 900_000;

/**
 * User name and password for the grid, and the memory of their refusal: a wrong password is not hammered, since grids
 * lock accounts after a few attempts (WAPI: 5 in 5 minutes), and block other users of the same client too.
 */
export class Credentials {
  readonly username: string;
  readonly #readPassword: () => string;
  readonly #now: () => number;
  #accepted: string | undefined;
  #refused: { password: string; error: GridError; retryAt: number; wait: number } | undefined;

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
   * The value of the `Authorization` header.
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
    const wait = this.#refused?.password === password ? Math.min(this.#refused.wait * 2, longestWait) : firstWait;
    this.#refused = { password, error, wait, retryAt: this.#now() + wait };
    this.#accepted = undefined;
  }

  /** The grid let us in with this password. */
  accepted(password: string): void {
    this.#accepted = password;
    this.#refused = undefined;
  }

  /** True if the last login was with this password, and the grid let us in. */
  hasWorked(password: string): boolean {
    return password === this.#accepted;
  }
}
