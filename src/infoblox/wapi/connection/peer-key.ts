/** The public key of a grid host, checked after the TLS handshake and before the first request. */
import { createHash, type X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { buildConnector } from 'undici';
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

/** Hands a connection on only if the public key of its peer passes: no request has been written to it by then. */
export function checkingKeys(
  connector: buildConnector.connector,
  checkKey: KeyCheck | undefined,
  onFirstKey: OnFirstKey,
): buildConnector.connector {
  if (checkKey === undefined) return connector;
  return (options, callback) =>
    connector(options, (...[error, socket]) => {
      if (error !== null) return callback(error, null);
      try {
        const host = `${options.hostname}:${options.port || 443}`;
        const key = publicKeyOf(certificateOf(socket, host));
        if (checkKey(host, key) === 'first seen') onFirstKey(host, key);
      } catch (reason) {
        socket.destroy();
        return callback(reason instanceof Error ? reason : new Error(String(reason)), null);
      }
      callback(null, socket);
    });
}

function certificateOf(socket: Socket, host: string): X509Certificate {
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  if (certificate !== undefined) return certificate;
  const hint = 'check --grid-host and --wapi-port, and what answers there';
  throw new GridError('untrusted', `the grid at ${host} shows no certificate`, { hint });
}

/** Writes the public key of a certificate as `KeyCheck` takes it. */
export function publicKeyOf({ publicKey }: X509Certificate): string {
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return `sha256//${createHash('sha256').update(spki).digest('base64')}`;
}
