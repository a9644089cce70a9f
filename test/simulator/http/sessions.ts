import { randomBytes, timingSafeEqual } from 'node:crypto';

interface Session {
  readonly createdAt: number;
  usedAt: number;
}

/** The outcome of authentication: whether it was a login, and the cookie for the answer. */
export interface Authenticated {
  readonly login: boolean;
  readonly cookie: string;
}

/**
 * Basic authentication and the `ibapauth` cookie (WAPI: authentication and sessions). A valid cookie replaces Basic and
 * does not count as a login; it expires after `idleSeconds` without use.
 */
export class Sessions {
  readonly #sessions = new Map<string, Session>();
  readonly #username: string;
  readonly #idleSeconds: number;
  readonly #passwordWith: boolean;
  password: string;
  logins = 0;
  /** Failed logins, which a grid that locks accounts counts. */
  wrongPasswords = 0;

  /** @param options `passwordWith`: a client certificate requires the password, too */
  constructor(
    username: string,
    password: string,
    { idleSeconds, passwordWith = false }: { readonly idleSeconds: number; readonly passwordWith?: boolean },
  ) {
    this.#passwordWith = passwordWith;
    this.#username = username;
    this.password = password;
    this.#idleSeconds = idleSeconds;
  }

  /**
   * Authenticates a request by its cookie, its Basic header or the client certificate.
   * @param certified the user in the client certificate
   * @returns undefined if none of them is valid
   */
  authenticate(
    headers: {
      cookie?: string | undefined;
      authorization?: string | undefined;
    },
    certified?: string,
  ): Authenticated | undefined {
    const now = Date.now();
    const signature = signatureIn(headers.cookie);
    const session = signature === undefined ? undefined : this.#sessions.get(signature);
    if (signature !== undefined && session) {
      if (now - session.usedAt < this.#idleSeconds * 1000) {
        session.usedAt = now;
        return { login: false, cookie: this.#cookie(signature, session) };
      }
      this.#sessions.delete(signature);
    }
    const isCertified = certified === this.#username && !this.#passwordWith;
    if (headers.authorization === undefined && !isCertified) return undefined;
    if (headers.authorization !== undefined && !this.#isBasicRight(headers.authorization)) {
      this.wrongPasswords++;
      return undefined;
    }
    this.logins++;
    const fresh = { createdAt: now, usedAt: now };
    const id = randomBytes(20).toString('hex');
    this.#sessions.set(id, fresh);
    return { login: true, cookie: this.#cookie(id, fresh) };
  }

  /** Invalidates the session of a cookie. */
  logout(cookie: string | undefined): void {
    this.#sessions.delete(signatureIn(cookie) ?? '');
  }

  expireAll(): void {
    this.#sessions.clear();
  }

  #isBasicRight(authorization: string): boolean {
    const given = Buffer.from(/^Basic (\S+)$/i.exec(authorization)?.[1] ?? '', 'base64');
    const right = Buffer.from(`${this.#username}:${this.password}`);
    return given.length === right.length && timingSafeEqual(given, right);
  }

  /**
   * Makes the cookie. Like a real grid's, its value is quoted and contains commas, which trips cookie parsers that
   * split on them.
   */
  #cookie(signature: string, { createdAt, usedAt }: Session): string {
    const seconds = (ms: number) => Math.floor(ms / 1000);
    const times = `ctime=${seconds(createdAt)},timeout=${this.#idleSeconds},mtime=${seconds(usedAt)}`;
    const user = `client=API,group=admin-group,${times},su=1,auth=LOCAL,user=${this.#username},ip=127.0.0.1`;
    return `ibapauth="${user},${signature}"; httponly; Path=/`;
  }
}

function signatureIn(header = ''): string | undefined {
  return /(?:^|;\s*)ibapauth="[^";]*,([0-9a-f]+)"/.exec(header)?.[1];
}
