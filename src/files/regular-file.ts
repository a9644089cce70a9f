/**
 * Regular files in directories that other users can write to. There a name may lead to a link to a secret, a pipe
 * without a writer, or an endless device. The file is checked after it is open, so it cannot be exchanged after the
 * check.
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

/** The file must not be used: it is not a regular file, or others own or can write to it. */
export class IrregularFile extends Error {}

interface Owners {
  /** A user who may own it besides root and the user of this process: the service's, for example. */
  readonly user?: number | undefined;
  /** The only user who may own it. */
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
 * Reads a regular file that has one name and an accepted owner, and that no other user can write to. Never follows a
 * link or waits for a pipe.
 * @returns undefined if it does not exist
 * @throws IrregularFile with the reason; the error of the file system
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
 * Writes a text to a regular file, in place. A new file is readable by its owner only; an existing one keeps its mode.
 * @throws IrregularFile with the reason; the error of the file system
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
  if (!entry.isFile()) throw new IrregularFile('it is not a regular file');
  if (owner === undefined ? !isOurs(entry) && entry.uid !== user : entry.uid !== owner)
    throw new IrregularFile(`it belongs to uid ${entry.uid}, not to root`);
  if (entry.nlink !== 1) throw new IrregularFile(`it has ${entry.nlink} names`);
}

/** Opens a file without following a link or waiting for a pipe. @returns undefined if it does not exist */
function open(file: string, flags: number): number | undefined {
  try {
    return openSync(file, flags | O_NOFOLLOW | O_NONBLOCK, 0o600);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    if (isErrno(error, 'ELOOP')) throw new IrregularFile('it is a symbolic link');
    // A pipe without a reader gives this error, too.
    if (isErrno(error, 'ENXIO')) throw new IrregularFile('it is not a regular file');
    throw error;
  }
}

/**
 * Identifies a file by device and inode, as `DEVICE:INODE`, whatever path leads to it.
 * @throws the error of the file system
 */
export function fileIdentity(path: string): string {
  return identityOf(statSync(path, { bigint: true }));
}

/** As `fileIdentity`, from the stat of a file. */
export function identityOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}
