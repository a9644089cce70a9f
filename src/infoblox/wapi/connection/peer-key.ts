/** The public key of a grid host. */
import { createHash, type X509Certificate } from 'node:crypto';
import { GridError } from '../../errors.ts';

/**
 * Judges the key of a host.
 * @param host `name:port`
 * @param key SHA-256 of the public key (SPKI), `sha256//BASE64`
 * @throws GridError `untrusted`
 */
export type KeyCheck = (host: string, key: string) => 'known' | 'first seen';

/** Told of each key that `checkKey` saw for the first time. */
export type OnFirstKey = (host: string, key: string) => void;

/** Who judges the keys of hosts. */
interface KeyJudge {
  /** Undefined: any key will do. */
  readonly checkKey?: KeyCheck | undefined;
  readonly onFirstKey?: OnFirstKey | undefined;
}

/**
 * Judges the peer of a connection by its public key.
 * @param certificate undefined if it has shown none
 * @throws GridError `untrusted`, and what `checkKey` throws
 */
export function checkPeer(
  host: string,
  certificate: X509Certificate | undefined,
  { checkKey, onFirstKey }: KeyJudge,
): void {
  if (checkKey === undefined) return;
  if (certificate === undefined) {
    const hint = 'check --grid-host and --wapi-port, and what answers there';
    throw new GridError('untrusted', `the grid at ${host} shows no certificate`, { hint });
  }
  const key = publicKeyOf(certificate);
  if (checkKey(host, key) === 'first seen') onFirstKey?.(host, key);
}

/** Writes the public key of a certificate as `KeyCheck` takes it. */
export function publicKeyOf({ publicKey }: X509Certificate): string {
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return `sha256//${createHash('sha256').update(spki).digest('base64')}`;
}

/** Tells whether a text is a public key as `publicKeyOf` writes it. */
export function isPublicKey(text: string): boolean {
  return /^sha256\/\/[A-Za-z0-9+/]{43}=$/.test(text);
}
