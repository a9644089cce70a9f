/** Which certificates of the grid are accepted: `--ssl-verify`. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { getCACertificates, rootCertificates } from 'node:tls';
import { refuseUntrusted, UntrustedPath } from '../../../infoblox/host/trusted-path.ts';
import type { TlsOptions } from '../../../infoblox/wapi/connection/agent.ts';
import { peerName } from '../../../infoblox/wapi/connection/peer-key.ts';
import { StartError } from '../start-error.ts';
import { UsageError } from './command-line.ts';
import { whyUnreadable } from './given-file.ts';
import { KnownKeys } from './known-keys.ts';

/** How the grid is known to be the grid. */
export const trusts = ['verified', 'pinned', 'unverified'] as const;
export type Trust = (typeof trusts)[number];

/** Says how the grid is known to be the grid with these settings. */
export function trustOf({ verify, keys }: TlsOptions): Trust {
  if (keys !== undefined) return 'pinned';
  return verify ? 'verified' : 'unverified';
}

/** The same trust for a command, which remembers no key. */
export function rememberingNothing(tls: TlsOptions): TlsOptions {
  return tls.keys instanceof KnownKeys ? { ...tls, keys: tls.keys.forCommand() } : tls;
}

/** Flags that say whose public keys are pinned, and where. */
interface PinnedHosts {
  readonly 'grid-host': readonly string[];
  readonly 'wapi-port': number;
  readonly 'state-dir': string;
}

const beginning = '-----BEGIN CERTIFICATE-----';

/**
 * Reads `--ssl-verify`. `false`: any certificate. `true`: what the host trusts. `pin`: any at first, then only those with its
 * public key. A file: its certificates; it is read again for new connections, so that a renewed certificate needs no restart,
 * and while it cannot be used its last good content counts.
 * @throws StartError if the file cannot be used at start: never less checking than asked for; UsageError if it is no path
 */
export function readTrust(value: string, pinned: PinnedHosts): TlsOptions {
  if (value === 'false') return { verify: false };
  if (value === 'pin') {
    const hosts = pinned['grid-host'].map((host) => peerName(host, pinned['wapi-port']));
    return { verify: false, keys: new KnownKeys(join(pinned['state-dir'], 'grid-keys'), hosts) };
  }
  if (value === 'true') {
    const known = [...new Set([...rootCertificates, ...getCACertificates('system')])];
    return { verify: true, trusted: () => known };
  }
  let last: string;
  try {
    last = readCertificates(value);
  } catch (error) {
    if (error instanceof UntrustedPath) {
      throw new StartError(`cannot trust --ssl-verify ${value}: ${error.message}`, `run ${error.hint}`);
    }
    const reason = whyUnreadable(value, error);
    const message = `--ssl-verify "${value}" is neither true, false nor pin, nor a file of certificates: ${reason}`;
    // A file may yet be put there, or be corrected.
    throw value.startsWith('/') ? new StartError(message) : new UsageError(message);
  }
  return {
    verify: true,
    trusted: () => {
      try {
        last = readCertificates(value);
      } catch {
        // Kept: being replaced at this moment, most likely.
      }
      return [last];
    },
  };
}

/** First byte of a certificate in binary form. */
const derSequence = 0x30;

function readCertificates(file: string): string {
  refuseUntrusted(file);
  const content = readFileSync(file);
  if (content[0] === derSequence) {
    throw new Error(`it is DER: convert it with openssl x509 -inform der -in ${file} -out FILE.pem`);
  }
  const pem = content.toString('utf8');
  const [, ...certificates] = pem.split(beginning);
  if (certificates.length === 0) throw new Error('it holds no PEM certificate');
  // A TLS context ignores a certificate that it cannot read.
  for (const certificate of certificates) new X509Certificate(`${beginning}${certificate}`);
  return pem;
}
