/** A release note as a file: read only if it is one, and never waited for. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { isErrno } from '../../../infoblox/host/errno.ts';
import { isOurs } from '../../../infoblox/host/trusted-path.ts';
import { largestFrame } from '../../protocol.ts';

/** What bears a note's name is no note that a plugin of root's has left. */
export class NoNote extends Error {}

/**
 * Reads a note: a regular file of root's, with one name, no longer than a request may be. Links are not followed, and a
 * pipe is not waited for.
 * @returns its text, and when it was written, in milliseconds since 1970; undefined if there is none
 * @throws NoNote saying what it is instead; the error of the file system
 */
export function readNote(file: string): { readonly text: string; readonly writtenAt: number } | undefined {
  const descriptor = open(file);
  if (descriptor === undefined) return undefined;
  try {
    const entry = fstatSync(descriptor);
    if (!entry.isFile()) throw new NoNote('it is no regular file');
    if (!isOurs(entry)) throw new NoNote(`it belongs to uid ${entry.uid}, not to root`);
    if (entry.nlink !== 1) throw new NoNote(`it has ${entry.nlink} names`);
    if ((entry.mode & 0o022) !== 0) throw new NoNote('it is writable by users other than root');
    if (entry.size > largestFrame)
      throw new NoNote(`it has ${entry.size} bytes, and a request at most ${largestFrame}`);
    const bytes = Buffer.alloc(entry.size);
    return { text: bytes.toString('utf8', 0, readSync(descriptor, bytes)), writtenAt: Math.floor(entry.mtimeMs) };
  } finally {
    closeSync(descriptor);
  }
}

function open(file: string): number | undefined {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  try {
    return openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    if (isErrno(error, 'ELOOP')) throw new NoNote('it is a symbolic link');
    if (isErrno(error, 'ENXIO')) throw new NoNote('it is a socket');
    throw error;
  }
}
