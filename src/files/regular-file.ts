/**
 * Files in directories where another user can put what he likes: a link to a secret, a pipe that nobody writes to, a device without
 * end. The file is judged once it is open, so nothing can be exchanged after the look.
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { isErrno } from '../errno.ts';
import { isOurs } from './trusted-path.ts';

const { O_RDONLY, O_WRONLY, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;

/** What has the name of a file must not be used as one. */
export class IrregularFile extends Error {}

interface Owners {
  /** Who may own it beside root and the user of this process: the service's user, say. */
  readonly user?: number | undefined;
  /** Who alone may own it. */
  readonly owner?: number | undefined;
}

interface Accepted extends Owners {
  readonly maxBytes: number;
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
  const descriptor = open(file, O_RDONLY);
  if (descriptor === undefined) return undefined;
  try {
    const entry = fstatSync(descriptor);
    refuseIrregular(entry, accepted);
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

/**
 * Writes a text to a regular file, in place: a new one is for its owner alone, and one that is there stays as readable as it was.
 * @throws IrregularFile saying what it is instead; the error of the file system
 */
export function writeRegularFile(file: string, text: string): void {
  const descriptor = open(file, O_WRONLY | O_CREAT);
  if (descriptor === undefined) throw new Error('there is no such directory');
  try {
    refuseIrregular(fstatSync(descriptor), {});
    ftruncateSync(descriptor);
    writeFileSync(descriptor, text);
  } finally {
    closeSync(descriptor);
  }
}

function refuseIrregular(entry: Stats, { owner, user }: Owners): void {
  if (!entry.isFile()) throw new IrregularFile('it is no regular file');
  if (owner === undefined ? !isOurs(entry) && entry.uid !== user : entry.uid !== owner)
    throw new IrregularFile(`it belongs to uid ${entry.uid}, not to root`);
  if (entry.nlink !== 1) throw new IrregularFile(`it has ${entry.nlink} names`);
}

/** @returns undefined if there is none */
function open(file: string, flags: number): number | undefined {
  try {
    return openSync(file, flags | O_NOFOLLOW | O_NONBLOCK, 0o600);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    if (isErrno(error, 'ELOOP')) throw new IrregularFile('it is a symbolic link');
    // Of a pipe that nobody reads, too.
    if (isErrno(error, 'ENXIO')) throw new IrregularFile('it is no regular file');
    throw error;
  }
}

/**
 * Tells one file from another, whatever path leads to it: the device and the inode, as `DEVICE:INODE`.
 * @throws the error of the file system
 */
export function fileIdentity(path: string): string {
  return identityOf(statSync(path, { bigint: true }));
}

/** As `fileIdentity`, of a file that has been looked at. */
export function identityOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}
