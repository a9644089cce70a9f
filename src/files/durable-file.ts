/**
 * Durable files: complete and on disk when a function returns, or absent. An existing file is replaced in one step.
 * Until then the text is in a draft `.NAME.HEX`, whose name cannot be guessed, so no link can wait there, and which
 * readers ignore.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../errno.ts';

const { COPYFILE_EXCL, COPYFILE_FICLONE, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;

export interface Place {
  readonly directory: string;
  readonly name: string;
}

interface DurableFile extends Place {
  /** Permissions, whatever the umask. The group is the directory's if it has setgid. */
  readonly mode: number;
}

/**
 * Writes a text to a file.
 * @throws the error of the file system
 */
export function writeDurably({ mode, ...place }: DurableFile, text: string): void {
  putInPlace(place, (draft) => {
    finish(openSync(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600), mode, text);
  });
}

/**
 * Copies a file.
 * @param source its path
 * @throws the error of the file system
 */
export function copyDurably({ mode, ...place }: DurableFile, source: string): void {
  putInPlace(place, (draft) => {
    copyFileSync(source, draft, COPYFILE_EXCL | COPYFILE_FICLONE);
    finish(openSync(draft, O_WRONLY | O_NOFOLLOW), mode);
  });
}

/**
 * Makes a symbolic link.
 * @param target its text
 * @throws the error of the file system
 */
export function linkDurably(place: Place, target: string): void {
  putInPlace(place, (draft) => symlinkSync(target, draft));
}

/**
 * Removes the drafts that killed processes have left.
 * @param before milliseconds since 1970; newer drafts may belong to a running process
 * @throws the error of the file system
 */
export function removeDrafts({ directory, name }: Place, before: number): void {
  const prefix = `.${name}.`;
  for (const entry of readdirSync(directory)) {
    if (!entry.startsWith(prefix) || !/^[0-9a-f]{16}$/.test(entry.slice(prefix.length))) continue;
    const draft = join(directory, entry);
    try {
      if (lstatSync(draft).mtimeMs <= before) rmSync(draft);
    } catch (error) {
      // Its writer has renamed or removed it meanwhile.
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }
}

function putInPlace({ directory, name }: Place, make: (draft: string) => void): void {
  const draft = join(directory, `.${name}.${randomBytes(8).toString('hex')}`);
  try {
    make(draft);
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

/**
 * Sets a draft's mode and syncs it to disk. An almost full file system accepts a part of the text before it refuses the
 * rest.
 */
function finish(file: number, mode: number, text = ''): void {
  try {
    fchmodSync(file, mode);
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
