/** Reads the daemon's credentials for the grid: the password, and the certificate of `--wapi-client-cert` and `--wapi-client-key`. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { messageOf } from '../../../errno.ts';
import { refuseUntrusted, UntrustedPath } from '../../../files/trusted-path.ts';
import { GridError } from '../../../infoblox/errors.ts';
import type { ClientPair } from '../../../infoblox/wapi/connection/agent.ts';
import { orStartError } from '../start-error.ts';
import { UsageError } from './command-line.ts';
import { type Exposure, exposureOf, RenewedFiles, whyUnreadable } from './given-file.ts';

interface Password {
  /** Reads the password, for each request. @throws GridError `credentials` if there is none */
  readonly read: () => string;
  /** Says who besides root can read it; undefined if none can, or it does not exist. */
  readonly exposure: () => Exposure | undefined;
  /** Describes a probable mistake in it; undefined if there is none, or it is unreadable. */
  readonly remark: () => string | undefined;
}

/** systemd copies the file when the service starts; operators change the original. */
const credentialHint =
  'put the password, alone on a line, into /etc/infoblox-cni/wapi-password, then: systemctl restart infoblox-cni-daemon';
const noSourceHint =
  'put it, alone on a line, into /etc/infoblox-cni/wapi-password (mode 0600), into the file of --wapi-password-file, into WAPI_PASSWORD, or into the systemd credential wapi-password';

/** Returns the source of the password: the first that is set of flag, file, environment variable, systemd credential. */
export function passwordSource(flag: string, file: string, env: NodeJS.ProcessEnv): Password {
  const credential = env.CREDENTIALS_DIRECTORY === undefined ? '' : `${env.CREDENTIALS_DIRECTORY}/wapi-password`;
  const path = flag === '' ? file || (env.WAPI_PASSWORD ? '' : credential) : '';
  const isCredential = path !== '' && path === credential;
  const read = () => {
    const hint = isCredential ? credentialHint : `put it into ${path}, readable by the daemon only`;
    const password =
      path === '' ? flag || env.WAPI_PASSWORD || '' : readSecret('WAPI password', path, hint).replace(/\r?\n$/, '');
    if (password !== '') return password;
    if (path === '') throw new GridError('credentials', 'no WAPI password given', { hint: noSourceHint });
    const emptyHint = isCredential ? credentialHint : `put it, alone on a line, into ${path}`;
    throw new GridError('credentials', `no WAPI password given: ${path} is empty`, { hint: emptyHint });
  };
  const remark = () => {
    try {
      const password = read();
      if (password === password.trim()) return undefined;
    } catch {
      return undefined;
    }
    const where = flag === '' ? path || 'WAPI_PASSWORD' : '--wapi-password';
    return `the password of ${where} begins or ends with a blank, which is sent to the grid, too`;
  };
  return { read, exposure: () => exposureOf(path), remark };
}

/** Reads a file with credentials. Refuses it if others can write to it: they could change the password, or the daemon's identity. */
function readSecret(what: string, file: string, hint: string): string {
  try {
    refuseUntrusted(file);
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new GridError('credentials', `cannot read the ${what}: ${whyUnreadable(file, error)}`, {
      hint: error instanceof UntrustedPath ? `run ${error.hint}, or put it where only root can write` : hint,
      cause: error,
    });
  }
}

/** A valid certificate with its key. */
interface UsablePair extends ClientPair {
  /** SHA-256 of the certificate; a different one needs a new login. */
  readonly fingerprint: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** The client certificate with its chain and key, read again when the files change. */
export class ClientCertificate {
  /** Path of the certificate. */
  readonly file: string;
  readonly #keyFile: string;
  readonly #files: RenewedFiles<UsablePair>;

  /** @throws GridError `credentials` if the files cannot be used */
  constructor(certFile: string, keyFile: string) {
    this.file = certFile;
    this.#keyFile = keyFile;
    this.#files = new RenewedFiles([certFile, keyFile], () => readPair(certFile, keyFile));
  }

  /** Returns the certificate and key in use; `trouble` says what is wrong with the files. */
  read(): { readonly pair: UsablePair; readonly trouble: GridError | undefined } {
    const { content: pair, failure } = this.#files.read();
    if (failure === undefined) return { pair, trouble: expiry(this.file, pair.expiresAt) };
    if (!(failure instanceof GridError)) throw failure;
    const hint = `${failure.hint}; until then the previous certificate stays in use`;
    return { pair, trouble: new GridError(failure.reason, failure.message, { hint, cause: failure }) };
  }

  /** Says who besides root can read the key; undefined if none can. */
  exposure(): Exposure | undefined {
    return exposureOf(this.#keyFile);
  }
}

/**
 * Reads `--wapi-client-cert` and `--wapi-client-key`; without the latter, the key is in the certificate's file.
 * @returns undefined if neither is set
 * @throws StartError if the files are unusable; UsageError for a key without a certificate
 */
export function readClientCertificate(certFile: string, keyFile: string): ClientCertificate | undefined {
  if (certFile === '') {
    if (keyFile === '') return undefined;
    throw new UsageError('--wapi-client-key is set without --wapi-client-cert: name the file of its certificate, too');
  }
  return orStartError(() => new ClientCertificate(certFile, keyFile || certFile));
}

function readPair(certFile: string, keyFile: string): UsablePair {
  const hint = 'put a PEM file of root there that the daemon may read, or correct the flag';
  const cert = readSecret('client certificate', certFile, hint);
  const key = readSecret('key of the client certificate', keyFile, hint);
  const { fingerprint256: fingerprint, validFromDate, validToDate } = judgePair({ cert, key }, certFile, keyFile);
  const expired = expiry(certFile, validToDate.getTime());
  if (expired !== undefined) throw expired;
  if (validFromDate.getTime() > Date.now()) {
    const why = `it is valid only from ${validFromDate.toISOString()} on`;
    throw unusable(`the client certificate ${certFile}`, why, 'check the clock of this host');
  }
  return { cert, key, fingerprint, expiresAt: validToDate.getTime() };
}

/** Checks certificate, chain and key with OpenSSL. @throws GridError `credentials` */
function judgePair(pair: ClientPair, certFile: string, keyFile: string): X509Certificate {
  try {
    const certificate = new X509Certificate(pair.cert);
    // createSecureContext accepts an empty key.
    createPrivateKey(pair.key);
    createSecureContext(pair);
    return certificate;
  } catch (error) {
    const why = messageOf(error).replace(/^error:.*::/, '');
    const hint =
      "both have to be PEM: the daemon's own certificate before those of its CA, and the key that belongs to it, not encrypted, both strong enough for OpenSSL";
    throw unusable(`the client certificate ${certFile} with the key in ${keyFile}`, why, hint);
  }
}

function expiry(file: string, expiresAt: number): GridError | undefined {
  if (expiresAt > Date.now()) return undefined;
  const why = `it expired on ${new Date(expiresAt).toISOString()}`;
  return unusable(`the client certificate ${file}`, why, 'renew it, or set the clock of this host');
}

function unusable(what: string, why: string, hint: string): GridError {
  return new GridError('credentials', `cannot use ${what}: ${why}`, { hint });
}
