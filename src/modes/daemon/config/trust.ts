/** Which certificates of the grid are accepted: `--ssl-verify`. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { getCACertificates, rootCertificates } from 'node:tls';
import { messageOf } from '../../../errno.ts';
import { writeDurably } from '../../../files/durable-file.ts';
import { readRegularFile } from '../../../files/regular-file.ts';
import { makeDirectory, refuseUntrusted, UntrustedPath } from '../../../files/trusted-path.ts';
import { type Clock, repeat } from '../../../infoblox/concurrency/clock.ts';
import { GridError } from '../../../infoblox/errors.ts';
import type { Log } from '../../../infoblox/log.ts';
import type { TlsOptions } from '../../../infoblox/wapi/connection/agent.ts';
import { isPublicKey, type KeyJudge, peerName } from '../../../infoblox/wapi/connection/peer-key.ts';
import { day } from '../../quantity.ts';
import { serviceUid } from '../process.ts';
import { StartError } from '../start-error.ts';
import { UsageError } from './command-line.ts';
import { RenewedFiles, whyUnreadable } from './given-file.ts';

/** How the grid is known to be the grid. */
export const trusts = ['verified', 'pinned', 'unverified'] as const;
export type Trust = (typeof trusts)[number];

/** Says how the grid is known to be the grid with these settings. */
export function trustOf({ verify, keys }: TlsOptions): Trust {
  if (keys !== undefined) return 'pinned';
  return verify ? 'verified' : 'unverified';
}

/** Returns a clause for the details of STATUS and for `/health`; undefined if the grid's certificate or key is checked. */
export function unverifiedNotice(tls: TlsOptions): string | undefined {
  return trustOf(tls) !== 'unverified' ? undefined : "the grid's certificate is not verified (--ssl-verify=false)";
}

/** Warns now and every day, as a warning at the start is soon rotated away, until the signal fires. */
export function warnOfUnverified(clock: Clock, log: Log, signal: AbortSignal): Promise<void> {
  const warn = () =>
    log.warn("the grid's certificate is not checked: an attacker on the network path can read the password", {
      hint: 'set --ssl-verify to pin, to true, or to a file with the certificate of the grid or its CA',
    });
  warn();
  return repeat(clock, { intervalMs: day, signal }, warn);
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
 * public key. A file: its certificates; it is looked at again for new connections, so that a renewed certificate needs no restart.
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
  try {
    const files = new RenewedFiles([value], () => readCertificates(value));
    return { verify: true, trusted: () => [files.read().content], trustFile: value };
  } catch (error) {
    if (error instanceof UntrustedPath) {
      throw new StartError(`cannot trust --ssl-verify ${value}: ${error.message}`, `run ${error.hint}`);
    }
    const reason = whyUnreadable(value, error);
    const message = `--ssl-verify "${value}" is neither true, false nor pin, nor a file of certificates: ${reason}`;
    // A file may yet be put there, or be corrected.
    throw value.startsWith('/') ? new StartError(message) : new UsageError(message);
  }
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

/** Bytes of a file of keys: some hundred of them. */
const maxBytes = 16 * 1024;

/**
 * Trust on first use, `--ssl-verify=pin`: the public key that each grid host had when the daemon first started is remembered in a
 * file of its own, and another one is refused; so is a host that is seen later for the first time. Keys are written as curl's
 * `--pinnedpubkey` takes them. The file is read each time, so that a key which was accepted by hand counts without a restart.
 */
export class KnownKeys implements KeyJudge {
  readonly #directory: string;
  readonly #hosts: readonly string[];
  readonly #reader: 'daemon' | 'command';
  #meetings = 0;

  /**
   * @param directory holds a file for each grid host; made if absent
   * @param hosts those of the grid
   * @param reader a command remembers nothing, and reads as root what may belong to the user of the service
   */
  constructor(directory: string, hosts: readonly string[], reader: 'daemon' | 'command' = 'daemon') {
    this.#directory = directory;
    this.#hosts = hosts;
    this.#reader = reader;
  }

  /** The same keys for a command. */
  forCommand(): KnownKeys {
    return new KnownKeys(this.#directory, this.#hosts, 'command');
  }

  check(host: string, key: string): 'known' | 'first seen' {
    const known = this.#read(host);
    if (known === undefined) {
      // Which host is asked first by a fail-over, and when, may be the choice of whoever comes between.
      if (this.#meetings === 0 && this.#hosts.some((other) => this.#knows(other))) {
        throw this.#refusal(host, key, `was not seen when the daemon started, and shows the public key ${key}`);
      }
      if (this.#reader === 'daemon') this.#remember(host, key);
      return 'first seen';
    }
    if (known.includes(key)) return 'known';
    const was = known.length === 0 ? `${join(this.#directory, host)} names no key` : `known: ${known.join(', ')}`;
    throw this.#refusal(host, key, `has another public key than it had: ${key}; ${was}`);
  }

  async meet(greet: (host: string) => Promise<void>): Promise<readonly string[]> {
    if (this.#reader === 'command') return [];
    const isUnknown = (host: string) => !this.#knows(host);
    this.#meetings += 1;
    await Promise.allSettled(this.#hosts.filter(isUnknown).map(greet));
    this.#meetings -= 1;
    return this.#hosts.every(isUnknown) ? [] : this.#hosts.filter(isUnknown);
  }

  #refusal(host: string, key: string, what: string): GridError {
    const command = `echo ${key} >${join(this.#directory, host)}`;
    return new GridError('untrusted', `the grid at ${host} ${what}`, {
      hint: `if the grid says that this is its key, accept it with ${command}; if not, the connection is being intercepted`,
    });
  }

  /** Also where the file cannot be used: then nothing is trusted. */
  #knows(host: string): boolean {
    try {
      return this.#read(host) !== undefined;
    } catch {
      return true;
    }
  }

  /** One key a line; undefined if there is no file yet. Other lines are none: an error shows what is known. */
  #read(host: string): string[] | undefined {
    // Who may say which keys to trust, beside root and the user of this process.
    const user = this.#reader === 'daemon' ? undefined : serviceUid();
    try {
      refuseUntrusted(this.#directory, { user });
      const file = readRegularFile(join(this.#directory, host), { maxBytes, user });
      const lines = file?.bytes.toString().split('\n');
      return lines?.map((line) => line.trim()).filter(isPublicKey);
    } catch (error) {
      throw unusable(`cannot read the known public key of the grid at ${host}`, error);
    }
  }

  /** Durable before the key counts: one that is lost again would let anybody in. */
  #remember(host: string, key: string): void {
    const directory = this.#directory;
    try {
      makeDirectory(directory, 0o700);
      writeDurably({ directory, name: host, mode: 0o600 }, `${key}\n`);
    } catch (error) {
      throw unusable(`cannot remember the public key of the grid at ${host}`, error);
    }
  }
}

/** A key that cannot be compared or kept is not trusted: the next one would pass for the first. */
function unusable(what: string, error: unknown): GridError {
  return new GridError('untrusted', `${what}: ${messageOf(error)}`, {
    hint: 'look at --state-dir: disk full, read-only, permissions?',
    cause: error,
  });
}
