/** The public key of a grid host. */
import { createHash, type X509Certificate } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { GridError } from '../../errors.ts';

/** Who judges the public keys of grid hosts. A host is named as by `peerName`, a key is as `publicKeyOf` writes it. */
export interface KeyJudge {
  /**
   * Judges the key that a host shows.
   * @throws GridError `untrusted`
   */
  check(host: string, key: string): 'known' | 'first seen';
  /**
   * Connects to each host of which no key is known; the first key of any is trusted meanwhile.
   * @param greet connects to a host, which is judged by that; its failures do not matter
   * @returns those that are refused from now on
   */
  meet(greet: (host: string) => Promise<void>): Promise<readonly string[]>;
}

/** Told of each key that was seen for the first time. */
export type OnFirstKey = (host: string, key: string) => void;

interface Judgement {
  /** Undefined: any key will do. */
  readonly keys?: KeyJudge | undefined;
  readonly onFirstKey?: OnFirstKey | undefined;
}

/**
 * Judges the peer of a connection by its public key.
 * @param certificate undefined if it has shown none
 * @throws GridError `untrusted`
 */
export function checkPeer(
  host: string,
  certificate: X509Certificate | undefined,
  { keys, onFirstKey }: Judgement,
): void {
  if (keys === undefined) return;
  if (certificate === undefined) {
    const hint = 'check --grid-host and --wapi-port, and what answers there';
    throw new GridError('untrusted', `the grid at ${host} shows no certificate`, { hint });
  }
  const key = publicKeyOf(certificate);
  if (keys.check(host, key) === 'first seen') onFirstKey?.(host, key);
}

/** Names a peer as `KeyJudge` takes it. @param hostname as URLs have it, an IPv6 address with or without brackets */
export function peerName(hostname: string, port: number | string): string {
  return `${isIPv6(hostname) ? `[${hostname}]` : hostname}:${port || 443}`;
}

/** Writes the public key of a certificate: SHA-256 of its SPKI, `sha256//BASE64`. */
export function publicKeyOf({ publicKey }: X509Certificate): string {
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return `sha256//${createHash('sha256').update(spki).digest('base64')}`;
}

/** Tells whether a text is a public key as `publicKeyOf` writes it. */
export function isPublicKey(text: string): boolean {
  return /^sha256\/\/[A-Za-z0-9+/]{43}=$/.test(text);
}
