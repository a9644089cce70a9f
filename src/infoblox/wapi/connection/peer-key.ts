/** Checks the public keys of grid hosts. */
import { createHash, type X509Certificate } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { GridError } from '../../errors.ts';

/** Judges public keys of grid hosts. Hosts are named as by `peerName`, keys written as by `publicKeyOf`. */
export interface KeyJudge {
  /**
   * Judges the key of a host.
   * @throws GridError `untrusted`
   */
  check(host: string, key: string): 'known' | 'first seen';
  /**
   * Connects to each host without a known key, and trusts first keys meanwhile.
   * @param greet connects to a host, whose key is judged; failures are ignored
   * @returns hosts that are refused from now on
   */
  meet(greet: (host: string) => Promise<void>): Promise<readonly string[]>;
}

/** Called for each key that is new. */
export type OnFirstKey = (host: string, key: string) => void;

interface Judgement {
  /** Undefined: accept any key. */
  readonly keys?: KeyJudge | undefined;
  readonly onFirstKey?: OnFirstKey | undefined;
}

/**
 * Judges the peer of a connection by its public key.
 * @param certificate undefined if the peer showed none
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

/** Names a peer for `KeyJudge`. @param hostname as in URLs; an IPv6 address with or without brackets */
export function peerName(hostname: string, port: number | string): string {
  return `${isIPv6(hostname) ? `[${hostname}]` : hostname}:${port || 443}`;
}

/** Returns the public key of a certificate: SHA-256 of its SPKI as `sha256//BASE64`. */
export function publicKeyOf({ publicKey }: X509Certificate): string {
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return `sha256//${createHash('sha256').update(spki).digest('base64')}`;
}

/** Tells whether a text is a public key in the form of `publicKeyOf`. */
export function isPublicKey(text: string): boolean {
  return /^sha256\/\/[A-Za-z0-9+/]{43}=$/.test(text);
}
