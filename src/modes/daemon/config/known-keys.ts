/**
 * Trust on first use, `--ssl-verify=pin`: the public key that each grid host had when it was first seen is remembered in a
 * file of its own, and another one is refused. Keys are written as curl's `--pinnedpubkey` takes them.
 */
import { join } from 'node:path';
import { GridError } from '../../../infoblox/errors.ts';
import { makeDirectory } from '../../../infoblox/host/directory.ts';
import { writeDurably } from '../../../infoblox/host/durable-file.ts';
import { messageOf } from '../../../infoblox/host/errno.ts';
import { readRegularFile } from '../../../infoblox/host/regular-file.ts';
import { refuseUntrusted } from '../../../infoblox/host/trusted-path.ts';
import { isPublicKey, type KeyCheck } from '../../../infoblox/wapi/connection/peer-key.ts';
import { serviceUid } from '../process/service-user.ts';

/** Bytes of a file of keys: some hundred of them. */
const maxBytes = 16 * 1024;

/**
 * Makes the check of public keys.
 * @param directory holds a file for each grid host; made if absent
 * @param reader a command remembers nothing, and reads as root what may belong to the user of the service
 * @returns a check that is done before anything is sent to the grid. It reads the file each time, so that a key which was
 * accepted by hand counts without a restart.
 */
export function knownKeys(directory: string, reader: 'daemon' | 'command' = 'daemon'): KeyCheck {
  return (host, key) => {
    const file = join(directory, host);
    const known = readKeys(directory, host, reader === 'daemon' ? undefined : serviceUid());
    if (known === undefined) {
      if (reader === 'daemon') remember(directory, host, key);
      return 'first seen';
    }
    if (known.includes(key)) return 'known';
    const was = known.length === 0 ? `${file} names no key` : `known: ${known.join(', ')}`;
    throw new GridError('untrusted', `the grid at ${host} has another public key than it had: ${key}; ${was}`, {
      hint: `if its certificate was renewed, remove ${file}, and the next key that it shows is trusted; if not, the connection is being intercepted`,
    });
  };
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
