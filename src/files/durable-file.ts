/**
 * Files that are complete and on disk when a function returns, or not there at all; one of that name is replaced in one step. On
 * their way they are drafts, called `.NAME.HEX`: a name that nobody can have put a link at, and that no reader takes for a file's.
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
  /** Permissions, whatever the umask; its group is that of the directory where that one says so (setgid). */
  readonly mode: number;
}

/** Writes a text to a file. @throws the error of the file system */
export function writeDurably({ mode, ...place }: DurableFile, text: string): void {
  putInPlace(place, (draft) => {
    finish(openSync(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600), mode, text);
  });
}

/** Copies a file. @param source its path @throws the error of the file system */
export function copyDurably({ mode, ...place }: DurableFile, source: string): void {
  putInPlace(place, (draft) => {
    copyFileSync(source, draft, COPYFILE_EXCL | COPYFILE_FICLONE);
    finish(openSync(draft, O_WRONLY | O_NOFOLLOW), mode);
  });
}

/** Makes a symbolic link. @param target what it says @throws the error of the file system */
export function linkDurably(place: Place, target: string): void {
  putInPlace(place, (draft) => symlinkSync(target, draft));
}

/**
 * Removes the drafts of a file that killed processes have left.
 * @param before milliseconds since 1970: what was written later may be of a process that is at work
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
      // Renamed or removed meanwhile, by whoever made it.
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

/** Gives a draft its mode and puts it on disk. A file system that is almost full takes a part of the text first, and refuses the rest. */
function finish(file: number, mode: number, text = ''): void {
  try {
    fchmodSync(file, mode);
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
