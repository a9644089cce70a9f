/** The state directory: whose it is, and whether there is room in it. Nothing is written to find out. */
import { accessSync, constants, statfsSync, statSync } from 'node:fs';
import { isErrno } from '../../../../infoblox/host/errno.ts';
import { distrust, octal, type UntrustedPath } from '../../../../infoblox/host/trusted-path.ts';
import { serviceUid } from '../../../daemon/process/service-user.ts';
import { failure, ok, type Verdict, warning } from '../finding.ts';

const mebibyte = 2 ** 20;
/** Bytes: the state of 10,000 leases takes a few MiB, and SQLite needs as much again for a moment. */
const plenty = 64 * mebibyte;
/** Bytes below which a write of the state may fail. */
const enough = mebibyte;

interface DirectoryFacts {
  /** What is wrong with its owner or mode, or that of a directory above it. */
  readonly untrusted?: UntrustedPath | undefined;
  readonly isDirectory: boolean;
  /** Its permission bits are among them. */
  readonly mode: number;
  readonly isReadOnly: boolean;
  /** Bytes that a process without privileges may still use. */
  readonly free: number;
  /** False if the file system has no inode left. */
  readonly takesFiles: boolean;
}

/** Looks at a directory of the service; undefined if it is absent. @throws the error of the file system */
export function lookAtDirectory(path: string): DirectoryFacts | undefined {
  const untrusted = distrust(path, { user: serviceUid() });
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  const { bavail, bsize, files, ffree } = statfsSync(path);
  return {
    untrusted,
    isDirectory: stats.isDirectory(),
    mode: stats.mode,
    isReadOnly: isReadOnly(path),
    free: bavail * bsize,
    // Some file systems count no inodes.
    takesFiles: files === 0 || ffree > 0,
  };
}

/** Says whether the daemon can keep its state in a directory. @param facts undefined if it is absent */
export function judgeStateDirectory(path: string, facts: DirectoryFacts | undefined): Verdict[] {
  if (facts === undefined) return [ok(`${path} is not there yet: the daemon makes it`)];
  const { untrusted, isDirectory, mode, free } = facts;
  if (untrusted !== undefined) return [failure(untrusted.message, `run ${untrusted.hint}`)];
  if (!isDirectory) return [failure(`${path} is not a directory`, 'remove it, or name another --state-dir')];
  if (facts.isReadOnly) {
    const fix = 'mount it writable; check dmesg for a disk error after which the kernel made it read-only';
    return [failure(`${path} is on a file system that is mounted read-only`, fix)];
  }
  if (!facts.takesFiles) return [failure(`no inode is left on the file system of ${path}`, 'remove files there')];
  const room = `${path}: ${Math.floor(free / mebibyte)} MiB free`;
  if (free < enough)
    return [failure(`${room}: ADDs fail with error 5, or soon will`, 'free space there, or name another --state-dir')];
  if (free < plenty) return [warning(room, 'free space there: without it no container starts')];
  return [ok(`${path}, mode ${octal(mode)}, ${Math.floor(free / mebibyte)} MiB free`)];
}

/** access(2) says so to root, too. */
function isReadOnly(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return false;
  } catch (error) {
    return isErrno(error, 'EROFS');
  }
}
