/** The certificate by which the grid knows this daemon: `--wapi-client-cert`, `--wapi-client-key`. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { messageOf } from '../../../errno.ts';
import { refuseUntrusted, UntrustedPath } from '../../../files/trusted-path.ts';
import { GridError } from '../../../infoblox/errors.ts';
import type { ClientPair } from '../../../infoblox/wapi/connection/agent.ts';
import { orStartError } from '../start-error.ts';
import { UsageError } from './command-line.ts';
import { type Exposure, exposureOf, whyUnreadable } from './given-file.ts';

/** The pair to show to the grid, and what is known of it. */
interface UsablePair extends ClientPair {
  /** SHA-256 of the certificate: another one is another login. */
  readonly fingerprint: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** The files as they are now. */
interface ClientCertificateState {
  /** The last good content of the files. */
  readonly pair: UsablePair;
  /** Why something has to be done about them; undefined if all is well. */
  readonly trouble: GridError | undefined;
}

/**
 * Reads a certificate, with its chain, and its key from their files, and reads them again when they change. While they cannot be
 * used, as in the middle of a renewal, their last good content counts.
 */
export class ClientCertificate {
  /** Of the certificate. */
  readonly file: string;
  readonly #keyFile: string;
  #pair: UsablePair;
  #trouble: GridError | undefined;
  #seen: string;

  /** @throws GridError `credentials` if the files cannot be used */
  constructor(certFile: string, keyFile: string) {
    this.file = certFile;
    this.#keyFile = keyFile;
    this.#seen = this.#look();
    this.#pair = this.#load();
  }

  /** Tells how the files are now; reads them only if they have changed. */
  read(): ClientCertificateState {
    const now = this.#look();
    if (now !== this.#seen) {
      this.#seen = now;
      try {
        this.#pair = this.#load();
        this.#trouble = undefined;
      } catch (error) {
        if (!(error instanceof GridError)) throw error;
        const hint = `${error.hint}; until then the previous certificate stays in use`;
        this.#trouble = new GridError(error.reason, error.message, { hint, cause: error });
      }
    }
    return { pair: this.#pair, trouble: this.#trouble ?? expiry(this.file, this.#pair.expiresAt) };
  }

  /** Says who else than root can read the key; undefined if nobody can. */
  exposure(): Exposure | undefined {
    return exposureOf(this.#keyFile);
  }

  /** Everything that a change of content, owner or mode changes. */
  #look(): string {
    const identities = [this.file, this.#keyFile].map((file) => {
      const stats = statSync(file, { bigint: true, throwIfNoEntry: false });
      return stats && [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join();
    });
    return identities.join(' ');
  }

  #load(): UsablePair {
    const cert = readGiven('client certificate', this.file);
    const key = readGiven('key of the client certificate', this.#keyFile);
    const certificate = firstCertificate(cert, this.file);
    if (!certificate.checkPrivateKey(privateKey(key, this.#keyFile))) {
      throw unusable(
        `the client certificate ${this.file}`,
        `it does not belong to the key in ${this.#keyFile}`,
        "put the daemon's own certificate first in its file, before those of its CA, and its key into --wapi-client-key",
      );
    }
    const { fingerprint256: fingerprint, validFromDate, validToDate } = certificate;
    const expired = expiry(this.file, validToDate.getTime());
    if (expired !== undefined) throw expired;
    if (validFromDate.getTime() > Date.now()) {
      const why = `it is valid only from ${validFromDate.toISOString()} on`;
      throw unusable(`the client certificate ${this.file}`, why, 'check the clock of this host');
    }
    refuseWeak({ cert, key }, this.file);
    return { cert, key, fingerprint, expiresAt: validToDate.getTime() };
  }
}

/**
 * Reads `--wapi-client-cert` and `--wapi-client-key`; without the latter the key is in the file of the certificate.
 * @returns undefined without the flags
 * @throws StartError if the files cannot be used; UsageError for a key without a certificate
 */
export function readClientCertificate(certFile: string, keyFile: string): ClientCertificate | undefined {
  if (certFile === '') {
    if (keyFile === '') return undefined;
    throw new UsageError('--wapi-client-key is set without --wapi-client-cert: name the file of its certificate, too');
  }
  return orStartError(() => new ClientCertificate(certFile, keyFile || certFile));
}

/** Others who can write to the file would choose as whom the daemon logs in. */
function readGiven(what: string, file: string): string {
  try {
    refuseUntrusted(file);
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof UntrustedPath) throw unusable(`the ${what} ${file}`, error.message, `run ${error.hint}`);
    const hint = 'put a PEM file of root there that the daemon may read, or correct the flag';
    throw new GridError('credentials', `cannot read the ${what}: ${whyUnreadable(file, error)}`, { hint });
  }
}

function firstCertificate(pem: string, file: string): X509Certificate {
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  const pemHint = `convert it with openssl x509 -inform der -in ${file} -out FILE.pem`;
  if (certificates.length === 0)
    throw unusable(`the client certificate ${file}`, 'it holds no PEM certificate', pemHint);
  try {
    // Those of the chain, too: the grid would see fewer than the operator.
    const [first] = certificates.map((certificate) => new X509Certificate(certificate));
    if (first !== undefined) return first;
  } catch {
    // Said below.
  }
  throw unusable(`the client certificate ${file}`, 'it holds a broken certificate', 'copy the file again from its CA');
}

function privateKey(pem: string, file: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    const what = `the key of the client certificate ${file}`;
    if (/^(-----BEGIN ENCRYPTED |Proc-Type: 4,ENCRYPTED)/m.test(pem)) {
      throw unusable(what, 'it is encrypted', `decrypt it with openssl pkey -in ${file} -out FILE.pem`);
    }
    throw unusable(what, 'it holds no PEM private key', 'name the file with the key in --wapi-client-key');
  }
}

/** OpenSSL takes no key that is too small, nor every signature. */
function refuseWeak(pair: ClientPair, file: string): void {
  try {
    createSecureContext(pair);
  } catch (error) {
    const hint = 'have it reissued with an RSA key of 2048 bits or an EC key, signed with SHA-256';
    throw unusable(`the client certificate ${file}`, messageOf(error), hint);
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
