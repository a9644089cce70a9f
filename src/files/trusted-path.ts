/**
 * Paths that root alone can change. A user who can write to a directory can replace its entries by symbolic links
 * between a check and the use that follows; root's process would then read or overwrite files of that user's choice.
 * Node has no openat(2), so every part of the path is checked, from / on: if root alone can change each of them, the
 * check stays valid.
 */
import { chmodSync, existsSync, lstatSync, mkdirSync, readlinkSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { isErrno } from '../errno.ts';

/** Users other than root and the user of this process can change what a path leads to. */
export class UntrustedPath extends Error {
  /** What to do about it. */
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** Symbolic links in one path: the kernel follows 40, path_resolution(7). */
const maxLinks = 40;
const sticky = 0o1000;
const writableByGroup = 0o020;
const writableByOthers = 0o022;

/**
 * Who may write to the last part of a path, besides root and the user of this process. `group`: members of the group of
 * a directory that root owns, since only root can have given it that group and mode. A user ID: the service's, for its
 * own files; its links are not followed.
 */
export type Writers = 'nobody' | 'group' | { readonly user: number | undefined };

/**
 * Refuses a path if other users can change any part of it. Symbolic links are checked and followed. Nobody else may
 * write at all to the last part, or to the last part that exists: so only root can create what is missing.
 * @throws UntrustedPath
 */
export function refuseUntrusted(path: string, writers: Writers = 'nobody'): void {
  const end = refuseUntrustedWay(path, writers);
  const entry = look(end);
  if (entry !== undefined && isOpen(entry, writers)) throw writable(end, entry);
}

/** Returns what `refuseUntrusted` would throw; undefined if the path can be trusted. */
export function distrust(path: string, writers: Writers = 'nobody'): UntrustedPath | undefined {
  try {
    refuseUntrusted(path, writers);
    return undefined;
  } catch (error) {
    if (error instanceof UntrustedPath) return error;
    throw error;
  }
}

/**
 * As `refuseUntrusted`, but accepts a directory that others can write to if its sticky bit is set, which protects
 * root's entries in it.
 * @returns the last part that exists, links resolved
 * @throws UntrustedPath
 */
function refuseUntrustedWay(path: string, writers: Writers = 'nobody'): string {
  const parts = (path.startsWith('/') ? path : `${process.cwd()}/${path}`).split('/');
  let links = 0;
  let at = '';
  judge('/');
  for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      at = at.slice(0, at.lastIndexOf('/'));
      continue;
    }
    const next = `${at}/${part}`;
    const entry = judge(next, writers === 'group' && parts.length > 0 ? 'nobody' : writers);
    // Absent or unreadable: the use of the path will report the error.
    if (entry === undefined) break;
    if (!entry.isSymbolicLink()) {
      at = next;
      continue;
    }
    links += 1;
    if (links > maxLinks) break;
    const target = readlinkSync(next);
    if (target.startsWith('/')) at = '';
    parts.unshift(...target.split('/'));
  }
  return at === '' ? '/' : at;
}

/**
 * Makes a directory and its missing parents; an existing one is left as it is. When this returns, only root and the
 * user of this process can change the path or the directory's entries. Makes nothing in an untrusted place.
 * @param mode permissions of a new directory, whatever the umask
 * @param writers who may write to an existing one
 * @throws UntrustedPath, or the error of the file system
 */
export function makeDirectory(path: string, mode: number, writers: Writers = 'nobody'): void {
  if (!existsSync(path)) makeMissing(path, mode);
  refuseUntrusted(path, writers);
  if (!statSync(path).isDirectory()) throw new Error(`${path} is not a directory`);
}

/**
 * Makes one directory after the other: Node's recursive mkdir never returns where the kernel refuses to create an entry
 * with ENOENT, for example below /proc.
 */
function makeMissing(path: string, mode: number): void {
  const parent = dirname(path);
  if (parent !== path && !existsSync(parent)) makeMissing(parent, 0o755);
  refuseUntrustedWay(parent);
  try {
    mkdirSync(path);
  } catch (error) {
    // Another process made it at the same time; the caller checks the owner next.
    if (isErrno(error, 'EEXIST')) return;
    throw error;
  }
  chmodSync(path, mode);
}

/** Formats permission bits for chmod(1): four octal digits. */
export function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}

/** Tells whether root or the user of this process owns a file. */
export function isOurs({ uid }: Stats): boolean {
  return uid === 0 || uid === process.geteuid?.();
}

function judge(path: string, writers: Writers = 'nobody'): Stats | undefined {
  const entry = look(path);
  if (entry === undefined) return undefined;
  // That user's files may be read, but his links not followed.
  const isTheirs = typeof writers === 'object' && entry.uid === writers.user && !entry.isSymbolicLink();
  if (!isOurs(entry) && !isTheirs) {
    const command = entry.isSymbolicLink() ? 'chown -h root' : 'chown root';
    throw new UntrustedPath(`${path} belongs to uid ${entry.uid}, not to root`, `${command} ${path}`);
  }
  // The mode of a link has no effect.
  const open = !entry.isSymbolicLink() && isOpen(entry, writers);
  if (open && !(entry.isDirectory() && (entry.mode & sticky) !== 0)) throw writable(path, entry);
  return entry;
}

function isOpen({ uid, mode }: Stats, writers: Writers): boolean {
  const allowed = writers === 'group' && uid === 0 ? writableByGroup : 0;
  return (mode & writableByOthers & ~allowed) !== 0;
}

function writable(path: string, { mode }: Stats): UntrustedPath {
  // A sticky bit means that it is shared on purpose, as /tmp is: closing it would be the wrong advice.
  const hint =
    (mode & sticky) === 0
      ? `chmod go-w ${path}`
      : `install -d -m 0700 ${path}/infoblox-cni and name that directory instead`;
  return new UntrustedPath(`${path} is writable by users other than root (mode ${octal(mode)})`, hint);
}

function look(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}
