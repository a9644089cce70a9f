/**
 * Trust on first use, `--ssl-verify=pin`: the public key that each grid host had when the daemon first started is remembered in a
 * file of its own, and another one is refused; so is a host that is seen later for the first time. Keys are written as curl's
 * `--pinnedpubkey` takes them.
 */
import { join } from 'node:path';
import { GridError } from '../../../infoblox/errors.ts';
import { makeDirectory } from '../../../infoblox/host/directory.ts';
import { writeDurably } from '../../../infoblox/host/durable-file.ts';
import { messageOf } from '../../../infoblox/host/errno.ts';
import { readRegularFile } from '../../../infoblox/host/regular-file.ts';
import { refuseUntrusted } from '../../../infoblox/host/trusted-path.ts';
import { isPublicKey, type KeyJudge } from '../../../infoblox/wapi/connection/peer-key.ts';
import { serviceUid } from '../process/own-process.ts';

/** Bytes of a file of keys: some hundred of them. */
const maxBytes = 16 * 1024;

/** The file of each host is read each time, so that a key which was accepted by hand counts without a restart. */
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
        throw this.#refusal(
          `the grid at ${host} was not seen when the daemon started, and shows the public key ${key}`,
          host,
          key,
        );
      }
      if (this.#reader === 'daemon') remember(this.#directory, host, key);
      return 'first seen';
    }
    if (known.includes(key)) return 'known';
    const was = known.length === 0 ? `${join(this.#directory, host)} names no key` : `known: ${known.join(', ')}`;
    throw this.#refusal(`the grid at ${host} has another public key than it had: ${key}; ${was}`, host, key);
  }

  async meet(greet: (host: string) => Promise<void>): Promise<readonly string[]> {
    if (this.#reader === 'command') return [];
    const isUnknown = (host: string) => !this.#knows(host);
    this.#meetings += 1;
    await Promise.allSettled(this.#hosts.filter(isUnknown).map(greet));
    this.#meetings -= 1;
    return this.#hosts.every(isUnknown) ? [] : this.#hosts.filter(isUnknown);
  }

  #refusal(what: string, host: string, key: string): GridError {
    const command = `echo ${key} >${join(this.#directory, host)}`;
    return new GridError('untrusted', what, {
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

  #read(host: string): string[] | undefined {
    return readKeys(this.#directory, host, this.#reader === 'daemon' ? undefined : serviceUid());
  }
}

/**
 * Reads the keys of a file, one a line; undefined if there is no file yet. Other lines are none: an error shows what is known.
 * @param service who may say which keys to trust, beside root and the user of this process
 */
function readKeys(directory: string, host: string, service: number | undefined): string[] | undefined {
  try {
    refuseUntrusted(directory, { user: service });
    const file = readRegularFile(join(directory, host), { maxBytes, user: service });
    const lines = file?.bytes.toString().split('\n');
    return lines?.map((line) => line.trim()).filter(isPublicKey);
  } catch (error) {
    throw unusable(`cannot read the known public key of the grid at ${host}`, error);
  }
}

/** Durable before the key counts: one that is lost again would let anybody in. */
function remember(directory: string, host: string, key: string): void {
  try {
    makeDirectory(directory, 0o700);
    writeDurably({ directory, name: host, mode: 0o600 }, `${key}\n`);
  } catch (error) {
    throw unusable(`cannot remember the public key of the grid at ${host}`, error);
  }
}

/** A key that cannot be compared or kept is not trusted: the next one would pass for the first. */
function unusable(what: string, error: unknown): GridError {
  return new GridError('untrusted', `${what}: ${messageOf(error)}`, {
    hint: 'look at --state-dir: disk full, read-only, permissions?',
    cause: error,
  });
}
