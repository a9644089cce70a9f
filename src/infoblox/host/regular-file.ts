/**
 * Files in directories where another user than the reader can put what he likes: a link to a secret, a pipe that nobody writes to, a
 * device without end. The file is judged once it is open, so nothing can be exchanged after the look.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { isErrno } from './errno.ts';
import { isOurs } from './trusted-path.ts';

/** What has the name of a file must not be read. */
export class IrregularFile extends Error {}

interface Accepted {
  readonly maxBytes: number;
  /** Who may own it beside root and the user of this process: the service's user, say. */
  readonly user?: number | undefined;
  /** Who alone may own it. */
  readonly owner?: number | undefined;
}

interface RegularFile {
  readonly bytes: Buffer;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
}

/**
 * Reads a regular file that has one name, an owner who is accepted, and nobody else who can write to it. No link is followed, and no
 * pipe waited for.
 * @returns undefined if there is none
 * @throws IrregularFile saying what it is instead; the error of the file system
 */
export function readRegularFile(file: string, accepted: Accepted): RegularFile | undefined {
  const descriptor = open(file);
  if (descriptor === undefined) return undefined;
  try {
    const entry = fstatSync(descriptor);
    if (!entry.isFile()) throw new IrregularFile('it is no regular file');
    const { owner, user } = accepted;
    if (owner === undefined ? !isOurs(entry) && entry.uid !== user : entry.uid !== owner)
      throw new IrregularFile(`it belongs to uid ${entry.uid}, not to root`);
    if (entry.nlink !== 1) throw new IrregularFile(`it has ${entry.nlink} names`);
    if ((entry.mode & 0o022) !== 0) throw new IrregularFile('it is writable by users other than root');
    if (entry.size > accepted.maxBytes) {
      throw new IrregularFile(`it has ${entry.size} bytes, more than ${accepted.maxBytes}`);
    }
    const bytes = Buffer.alloc(entry.size);
    return { bytes: bytes.subarray(0, readSync(descriptor, bytes)), modifiedAt: Math.floor(entry.mtimeMs) };
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
    if (isErrno(error, 'ELOOP')) throw new IrregularFile('it is a symbolic link');
    if (isErrno(error, 'ENXIO')) throw new IrregularFile('it is a socket');
    throw error;
  }
}
