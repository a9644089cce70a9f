import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a directory and what is missing above it; one that exists is left as it is. Step by step, for Node's recursive
 * mkdir does not return where the kernel refuses an entry as absent, below /proc say.
 * @param mode permissions of a directory that is made, whatever the umask
 * @throws the error of the file system
 */
export function makeDirectory(path: string, mode: number): void {
  if (existsSync(path)) return;
  const parent = dirname(path);
  if (parent !== path) makeDirectory(parent, 0o755);
  mkdirSync(path);
  chmodSync(path, mode);
}
