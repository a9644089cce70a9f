/**
 * The daemon's environment file, as systemd reads it (systemd.exec(5), "EnvironmentFile="): so that a command finds the daemon,
 * and the grid, without being told what the service was told; and so that a daemon without systemd can be given the same file.
 */
import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { isErrno, messageOf } from '../../../infoblox/host/errno.ts';
import { distrust } from '../../../infoblox/host/trusted-path.ts';
import { StartError } from '../start-error.ts';

export const defaultEnvironmentFile = '/etc/infoblox-cni/daemon.env';

interface EnvironmentFile {
  readonly variables: NodeJS.ProcessEnv;
  /** DAEMON_FLAGS, in words. */
  readonly daemonFlags: readonly string[];
}

/**
 * Reads the file.
 * @param need `optional`: a file that is absent, or that this user may not read, is an empty one
 * @throws StartError
 */
export function readEnvironmentFile(path: string, need: 'optional' | 'required'): EnvironmentFile {
  let text = '';
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (need === 'required' || !isErrno(error, 'ENOENT', 'EACCES', 'ENOTDIR')) {
      throw new StartError(`cannot read ${path}: ${messageOf(error)}`, 'check --environment-file');
    }
  }
  const variables = parseEnv(text);
  return { variables, daemonFlags: wordsOf(variables.DAEMON_FLAGS ?? '') };
}

/**
 * Reads the file for the daemon itself, which sends the password to the grid that it names.
 * @throws StartError, also for a file that users other than root can change
 */
export function readTrustedEnvironmentFile(path: string): EnvironmentFile {
  const untrusted = distrust(path);
  if (untrusted !== undefined) {
    throw new StartError(`cannot use --environment-file ${path}: ${untrusted.message}`, `run ${untrusted.hint}`);
  }
  return readEnvironmentFile(path, 'required');
}

/** Splits as systemd does an unbraced `$DAEMON_FLAGS`: at white space, but not within quotes, which are removed. */
function wordsOf(text: string): string[] {
  const words = text.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? [];
  return words.map((word) => word.replaceAll(/"([^"]*)"|'([^']*)'/g, '$1$2'));
}
