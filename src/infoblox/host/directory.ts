import { chmodSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { isErrno } from './errno.ts';
import { refuseUntrusted, refuseUntrustedWay, type Writers } from './trusted-path.ts';

/**
 * Makes a directory and what is missing above it; one that exists is left as it is. When this returns, nobody but root
 * and the user of this process can change the way to it or what is in it. Nothing is made where that is not so.
 * @param mode permissions of a directory that is made, whatever the umask
 * @param writers who may write to one that exists
 * @throws UntrustedPath, or the error of the file system
 */
export function makeDirectory(path: string, mode: number, writers: Writers = 'nobody'): void {
  if (!existsSync(path)) makeMissing(path, mode);
  refuseUntrusted(path, writers);
  if (!statSync(path).isDirectory()) throw new Error(`${path} is not a directory`);
}

/** Step by step, for Node's recursive mkdir does not return where the kernel refuses an entry as absent, below /proc say. */
function makeMissing(path: string, mode: number): void {
  const parent = dirname(path);
  if (parent !== path && !existsSync(parent)) makeMissing(parent, 0o755);
  refuseUntrustedWay(parent);
  try {
    mkdirSync(path);
  } catch (error) {
    // Another process made it at the same time; who owns it is looked at next.
    if (isErrno(error, 'EEXIST')) return;
    throw error;
  }
  chmodSync(path, mode);
}
