import { randomBytes } from 'node:crypto';
import { closeSync, constants, fchmodSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;

export interface DurableFile {
  readonly directory: string;
  readonly name: string;
  /** Permissions, whatever the umask; its group is that of the directory where that one says so (setgid). */
  readonly mode: number;
}

/**
 * Writes a file that is complete and on disk when this returns, or not there at all; one of that name is replaced. On its
 * way it is called `.NAME.HEX`, a name that nobody can have put a link at.
 * @throws the error of the file system
 */
export function writeDurably({ directory, name, mode }: DurableFile, text: string): void {
  const draft = join(directory, `.${name}.${randomBytes(8).toString('hex')}`);
  const file = openSync(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    fchmodSync(file, mode);
    writeWhole(file, text);
    renameSync(draft, join(directory, name));
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
  const parent = openSync(directory, 'r');
  try {
    fsyncSync(parent);
  } finally {
    closeSync(parent);
  }
}

/** A file system that is almost full takes a part of it first, and refuses the rest. */
function writeWhole(file: number, text: string): void {
  try {
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
