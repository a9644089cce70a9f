/**
 * Who can change what a path leads to. Whoever can write to a directory can exchange the names in it for symbolic links,
 * between any look and the use that follows; then root's process reads and overwrites what that user chooses. Node has no
 * openat(2), so the whole way is judged, from / on: if root alone can change each part of it, a look stays true.
 */
import { chmodSync, existsSync, lstatSync, mkdirSync, readlinkSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { isErrno } from '../errno.ts';

/** Users other than root, or the user of this process, can change what a path leads to. */
export class UntrustedPath extends Error {
  /** What to do about it. */
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** Links on one way: the kernel follows 40, path_resolution(7). */
const maxLinks = 40;
const sticky = 0o1000;
const writableByGroup = 0o020;
const writableByOthers = 0o022;

/**
 * Who may write where a path ends, besides root and the user of this process. `group`: whoever is in the group of a directory that
 * is root's, since only root can have put it into that group and let it write. A user ID: the service's, which owns its own; its links are not followed.
 */
export type Writers = 'nobody' | 'group' | { readonly user: number | undefined };

/**
 * Refuses a path of which others could change any part. Symbolic links are judged and followed. Where the path ends, or
 * where the part of it that exists ends, nobody else may write at all; so what is absent can be made by root alone.
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
 * As `refuseUntrusted`, but a directory that others can write to will do if its sticky bit is set: what is root's in it stays so.
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
    // Absent, or not to be looked at: whoever uses the path gets that error.
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
 * Makes a directory and what is missing above it; one that exists is left as it is. When this returns, nobody but root
 * and the user of this process can change the way to it or what is in it. Nothing is made where that is not so.
 * @param mode permissions of a directory that is made, whatever the umask
 * @param writers who may write to one that exists
 * @throws UntrustedPath, or the error of the file system
 */
export function makeDirectory(path: string, mode: number, writers: Writers = 'nobody'): void {
  if (!existsSync(path)) makeMissing(path, mode);
  refuseUntrusted(path, writers);
  if (!statSync(path).isDirectory()) throw new Error(`${path} is not a directory`);
}

/** Step by step, for Node's recursive mkdir does not return where the kernel refuses an entry as absent, below /proc say. */
function makeMissing(path: string, mode: number): void {
  const parent = dirname(path);
  if (parent !== path && !existsSync(parent)) makeMissing(parent, 0o755);
  refuseUntrustedWay(parent);
  try {
    mkdirSync(path);
  } catch (error) {
    // Another process made it at the same time; who owns it is looked at next.
    if (isErrno(error, 'EEXIST')) return;
    throw error;
  }
  chmodSync(path, mode);
}

/** Writes permission bits as chmod(1) takes them: four octal digits. */
export function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}

/** True for what root, or the user of this process, owns. */
export function isOurs({ uid }: Stats): boolean {
  return uid === 0 || uid === process.geteuid?.();
}

function judge(path: string, writers: Writers = 'nobody'): Stats | undefined {
  const entry = look(path);
  if (entry === undefined) return undefined;
  // What that user owns may be read, but not where a link of his leads.
  const isTheirs = typeof writers === 'object' && entry.uid === writers.user && !entry.isSymbolicLink();
  if (!isOurs(entry) && !isTheirs) {
    const command = entry.isSymbolicLink() ? 'chown -h root' : 'chown root';
    throw new UntrustedPath(`${path} belongs to uid ${entry.uid}, not to root`, `${command} ${path}`);
  }
  // The mode of a link means nothing.
  const open = !entry.isSymbolicLink() && isOpen(entry, writers);
  if (open && !(entry.isDirectory() && (entry.mode & sticky) !== 0)) throw writable(path, entry);
  return entry;
}

function isOpen({ uid, mode }: Stats, writers: Writers): boolean {
  const allowed = writers === 'group' && uid === 0 ? writableByGroup : 0;
  return (mode & writableByOthers & ~allowed) !== 0;
}

function writable(path: string, { mode }: Stats): UntrustedPath {
  // With a sticky bit it is meant for everybody, as /tmp is: nobody may be told to close it.
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
