/** The state directory: whose it is, and whether there is room in it. Nothing is written to find out. */
import { accessSync, constants, type Stats, statfsSync, statSync } from 'node:fs';
import { isErrno } from '../../../../infoblox/host/errno.ts';
import { refuseUntrusted, UntrustedPath, type Writers } from '../../../../infoblox/host/trusted-path.ts';
import { serviceUid } from '../../../daemon/process/service-user.ts';
import { failure, ok, type Verdict, warning } from '../finding.ts';

const mebibyte = 2 ** 20;
/** Bytes: the state of 10,000 leases takes a few MiB, and SQLite needs as much again for a moment. */
const plenty = 64 * mebibyte;
/** Bytes below which a write of the state may fail. */
const enough = mebibyte;

export interface DirectoryFacts {
  /** What is wrong with its owner or mode, or that of a directory above it, and the command that repairs it. */
  readonly untrusted?: { readonly why: string; readonly command: string };
  readonly isDirectory: boolean;
  /** Permission bits. */
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
  const stats = statIfThere(path);
  if (stats === undefined) return undefined;
  const { bavail, bsize, files, ffree } = statfsSync(path);
  return {
    ...(untrusted === undefined ? {} : { untrusted }),
    isDirectory: stats.isDirectory(),
    mode: stats.mode & 0o7777,
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
  if (untrusted !== undefined) return [failure(untrusted.why, `run ${untrusted.command}`)];
  if (!isDirectory) return [failure(`${path} is not a directory`, 'remove it, or name another --state-dir')];
  if (facts.isReadOnly) {
    const fix = 'mount it writable; see dmesg whether the kernel has made it read-only after an error of the disk';
    return [failure(`${path} is on a file system that is mounted read-only`, fix)];
  }
  if (!facts.takesFiles) return [failure(`no inode is left on the file system of ${path}`, 'remove files there')];
  const room = `${path}: ${Math.floor(free / mebibyte)} MiB free`;
  if (free < enough)
    return [failure(`${room}: ADDs fail with error 5`, 'free space there, or name another --state-dir')];
  if (free < plenty) return [warning(room, 'free space there: without it no container starts')];
  return [ok(`${path}, mode ${mode.toString(8).padStart(4, '0')}, ${Math.floor(free / mebibyte)} MiB free`)];
}

/** What is wrong with the way to a file; undefined if only root and who is allowed to can change it. */
export function distrust(path: string, writers: Writers = 'nobody'): DirectoryFacts['untrusted'] {
  try {
    refuseUntrusted(path, writers);
    return undefined;
  } catch (error) {
    if (error instanceof UntrustedPath) return { why: error.message, command: error.hint };
    throw error;
  }
}

/** Looks at what a path leads to; undefined if nothing is there. @throws any other error of the file system */
export function statIfThere(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
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
