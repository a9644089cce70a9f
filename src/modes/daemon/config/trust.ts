/** Reads `--ssl-verify`: which certificates of the grid are accepted. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { getCACertificates, rootCertificates } from 'node:tls';
import { messageOf } from '../../../errno.ts';
import { writeDurably } from '../../../files/durable-file.ts';
import { readRegularFile } from '../../../files/regular-file.ts';
import { makeDirectory, refuseUntrusted, UntrustedPath } from '../../../files/trusted-path.ts';
import { GridError } from '../../../infoblox/errors.ts';
import type { Log } from '../../../infoblox/log.ts';
import type { TlsOptions } from '../../../infoblox/wapi/connection/agent.ts';
import { isPublicKey, type KeyJudge, peerName } from '../../../infoblox/wapi/connection/peer-key.ts';
import { serviceUid } from '../process.ts';
import { StartError } from '../start-error.ts';
import { nearest, UsageError } from './command-line.ts';
import { RenewedFiles, whyUnreadable } from './given-file.ts';

/** How the grid's identity is checked. */
export const trusts = ['verified', 'pinned', 'unverified'] as const;
export type Trust = (typeof trusts)[number];

/** Says how these settings check the grid's identity. */
export function trustOf({ verify, keys }: TlsOptions): Trust {
  if (keys !== undefined) return 'pinned';
  return verify ? 'verified' : 'unverified';
}

/** Returns a clause for the details of STATUS and for `/health`; undefined if the grid's certificate or key is checked. */
export function unverifiedNotice(tls: TlsOptions): string | undefined {
  return trustOf(tls) !== 'unverified' ? undefined : "the grid's certificate is not verified (--ssl-verify=false)";
}

/** Warns if any certificate is accepted. */
export function warnOfUnverified(tls: TlsOptions, log: Log): void {
  if (trustOf(tls) !== 'unverified') return;
  log.warn("the grid's certificate is not checked: an attacker on the network path can read the password", {
    hint: 'set --ssl-verify to pin, to true, or to a file with the certificate of the grid or its CA',
  });
}

/** Returns the same settings for a command, which stores no keys. */
export function storingNothing(tls: TlsOptions): TlsOptions {
  return tls.keys instanceof KnownKeys ? { ...tls, keys: tls.keys.forCommand() } : tls;
}

/** Flags that name the hosts with pinned keys, and the directory of the keys. */
interface PinnedHosts {
  readonly 'grid-host': readonly string[];
  readonly 'wapi-port': number;
  readonly 'state-dir': string;
}

const beginning = '-----BEGIN CERTIFICATE-----';

/**
 * Reads `--ssl-verify`. `false` accepts any certificate; `true` those that this host trusts; `pin` any at first, then only those with the
 * same public key. A file names trusted certificates; it is read again when it changes, so a renewed certificate needs no restart.
 * @throws StartError if the file is unusable at start; UsageError if the value is not a path
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
    // The file may be added or corrected later, so this is not a UsageError.
    if (value.startsWith('/')) throw new StartError(message);
    const meant = nearest(value, ['true', 'false', 'pin']);
    throw new UsageError(meant === undefined ? message : `${message}; did you mean ${meant}?`);
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

/** Bytes of a key file: some hundred keys. */
const maxBytes = 16 * 1024;

/**
 * Trust on first use, for `--ssl-verify=pin`. At its first start the daemon stores the public key of each grid host in a file per host. It
 * refuses other keys, and hosts that it first sees later. Commands store nothing: the service could not read what root has written. Keys have
 * the format of curl's `--pinnedpubkey`. The files are read each time, so a key that was accepted by hand needs no restart.
 */
class KnownKeys implements KeyJudge {
  readonly #directory: string;
  readonly #hosts: readonly string[];
  readonly #reader: 'daemon' | 'command';
  #meetings = 0;

  /**
   * @param directory has a file for each grid host; created if missing
   * @param hosts all grid hosts
   */
  constructor(directory: string, hosts: readonly string[], reader: 'daemon' | 'command' = 'daemon') {
    this.#directory = directory;
    this.#hosts = hosts;
    this.#reader = reader;
  }

  /** Returns these keys for a command. */
  forCommand(): KnownKeys {
    return new KnownKeys(this.#directory, this.#hosts, 'command');
  }

  check(host: string, key: string): 'known' | 'first seen' {
    const known = this.#read(host);
    if (known === undefined) {
      // An attacker may cause the failover that leads to a new host.
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
    // Root runs it in the service's directory: it replaces a link, where a redirection would follow it.
    const command = `echo ${key} | install -T -m 644 /dev/stdin ${join(this.#directory, host)}`;
    return new GridError('untrusted', `the grid at ${host} ${what}`, {
      hint: `if the grid says that this is its key, accept it with ${command}; if not, the connection is being intercepted`,
    });
  }

  /** Tells whether a host has a key file. True if it is unreadable: then no key is trusted. */
  #knows(host: string): boolean {
    try {
      return this.#read(host) !== undefined;
    } catch {
      return true;
    }
  }

  /** Reads the keys of a host, one a line, ignoring other lines; undefined if there is no file. */
  #read(host: string): string[] | undefined {
    // Commands of root read what the service has stored.
    const user = serviceUid();
    try {
      refuseUntrusted(this.#directory, { user });
      const file = readRegularFile(join(this.#directory, host), { maxBytes, user });
      const lines = file?.bytes.toString().split('\n');
      return lines?.map((line) => line.trim()).filter(isPublicKey);
    } catch (error) {
      throw unusable(`cannot read the known public key of the grid at ${host}`, error);
    }
  }

  /** Stores a key durably before it counts: if it were lost, any other key would be accepted next. */
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

/** Makes the error for a key that cannot be read or stored, so is not trusted. */
function unusable(what: string, error: unknown): GridError {
  return new GridError('untrusted', `${what}: ${messageOf(error)}`, {
    hint: 'look at --state-dir: disk full, read-only, permissions?',
    cause: error,
  });
}
