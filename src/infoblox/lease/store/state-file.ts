/**
 * Opens the file of the durable state under a lock that the daemon keeps. Sets it aside if it is unreadable or belongs to another machine.
 * Opening writes nothing, so the daemon starts even if the disk is full.
 */
import { accessSync, constants, existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import * as v from 'valibot';
import { isErrno, messageOf } from '../../../errno.ts';
import { fileIdentity } from '../../../files/regular-file.ts';
import { makeDirectory, UntrustedPath } from '../../../files/trusted-path.ts';
import type { Clock } from '../../concurrency/clock.ts';
import { GridError } from '../../errors.ts';
import type { Stored } from './batched-store.ts';
import { type Owner, ownerText, parseOwner, strangerOf } from './owner.ts';
import { blockTable, leaseTable, StoredBlock, StoredEntry, StoredLease, schemaOf, type Table } from './stored-lease.ts';

/** Increased with each change of the tables by a release; before the first release, tables change without this. */
const schemaVersion = 1;

const schema = `
  ${schemaOf(leaseTable)}
  ${schemaOf(blockTable)}
  CREATE TABLE history (number INTEGER PRIMARY KEY, ${Object.keys(StoredEntry.entries).join(', ')});
  CREATE INDEX history_address ON history (address);
  CREATE INDEX history_released ON history (releasedAt) WHERE releasedAt IS NOT NULL;
  CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;`;

/**
 * Locks the directory until the returned database is closed. A lock on `state.db` would be lost if that file is removed, and a second
 * daemon would create another one.
 * @throws the error of SQLite: busy if another daemon uses the directory
 */
function lockDirectory(directory: string): DatabaseSync {
  const lock = new DatabaseSync(join(directory, 'state.lock'), { timeout: 0 });
  try {
    // Writes nothing, so it works even if the disk is full.
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    throw error;
  }
}

/** A file that was set aside: its new path, and the reason. */
export interface SetAside {
  readonly file: string;
  readonly reason: string;
  /** Whether the file is fine, but belongs to another machine. */
  readonly foreign: boolean;
}

export interface StateFile {
  readonly path: string;
  readonly database: DatabaseSync;
  readonly stored: Stored;
  readonly setAside?: SetAside | undefined;
  /** Tells whether the path names another file or none, so that writes are lost when this process ends. */
  readonly isLost: () => boolean;
  /** Closes the file and unlocks its directory. */
  readonly close: () => void;
}

/** Requirements for a file. */
export interface Expected {
  /** Its owner; absent: any. */
  readonly owner?: Owner | undefined;
  /** Tells by its epoch whether it is a copy; absent: no check. */
  readonly isCopy?: ((epoch: string | undefined) => boolean) | undefined;
}

/**
 * Opens `state.db` in a directory, created if missing.
 * @throws GridError `state` if the directory is unusable or another daemon uses it
 */
export function openStateFile(
  directory: string,
  { clock, ...expected }: Expected & { readonly clock: Pick<Clock, 'wall'> },
): StateFile {
  const path = join(directory, 'state.db');
  let lock: DatabaseSync | undefined;
  try {
    makeDirectory(directory, 0o700);
    // For a read-only file system, SQLite would report an input/output error.
    accessSync(existsSync(path) ? path : directory, constants.W_OK);
    lock = lockDirectory(directory);
    const opened = openOrSetAside(path, expected, clock.wall());
    const identity = fileIdentity(path);
    const close = () => {
      opened.database.close();
      lock?.close();
    };
    return { path, ...opened, isLost: () => !isFileAt(path, identity), close };
  } catch (error) {
    lock?.close();
    throw stateError(error, path);
  }
}

/** Tells whether a path still names a file; true if that is unclear. */
function isFileAt(path: string, identity: string): boolean {
  try {
    return fileIdentity(path) === identity;
  } catch (error) {
    return !isErrno(error, 'ENOENT', 'ENOTDIR');
  }
}

type Opened = Pick<StateFile, 'database' | 'stored' | 'setAside'>;

/** Opens the file, or sets it aside and creates another. @param now milliseconds since 1970 */
function openOrSetAside(file: string, expected: Expected, now: number): Opened {
  try {
    return openDatabase(file, expected);
  } catch (error) {
    if (!isUnreadable(error) || !existsSync(file)) throw error;
    const kind = error instanceof UnreadableState ? error.kind : 'unreadable';
    const setAside = `${file}.${kind}-${now}`;
    renameSync(file, setAside);
    for (const suffix of ['-wal', '-shm']) {
      if (existsSync(file + suffix)) renameSync(file + suffix, setAside + suffix);
    }
    const reason = messageOf(error);
    return { ...openDatabase(file, expected), setAside: { file: setAside, reason, foreign: kind === 'foreign' } };
  }
}

function openDatabase(file: string, { owner, isCopy }: Expected): Opened {
  const database = new DatabaseSync(file, { timeout: 0 });
  try {
    // With these two, the exclusive lock of the first read is kept: two daemons never share a state directory.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    const version = Number(database.prepare('PRAGMA user_version').get()?.user_version);
    if (version > schemaVersion) throw new UnreadableState(`it is of a newer release (version ${version})`);
    if (version === 0) database.exec(`BEGIN IMMEDIATE; ${schema} PRAGMA user_version = ${schemaVersion}; COMMIT`);
    // `quick_check` would not find all damage.
    const check = database.prepare('PRAGMA integrity_check(1)').get()?.integrity_check;
    if (check !== 'ok') throw new UnreadableState(`it is damaged: ${String(check)}`);
    const stored = read(database);
    if (owner !== undefined) claim(database, owner);
    if (isCopy?.(new Map(stored.facts).get('epoch'))) {
      const reason = 'it was restored from a backup, or copied: since the last boot a daemon has used another one';
      throw new UnreadableState(reason, 'copied');
    }
    return { database, stored };
  } catch (error) {
    database.close();
    throw error;
  }
}

function read(database: DatabaseSync): Stored {
  const leases = rows(database, leaseTable, StoredLease);
  const blocks = rows(database, blockTable, StoredBlock);
  const facts = database.prepare('SELECT name, value FROM fact').all();
  return { leases, blocks, facts: facts.map(({ name, value }) => [String(name), String(value)]) };
}

function rows<T>(database: DatabaseSync, { name, columns }: Table<T>, Row: v.GenericSchema<unknown, T>): T[] {
  const all: T[] = [];
  // One by one: there may be thousands.
  for (const row of database.prepare(`SELECT ${columns.join(', ')} FROM ${name}`).iterate()) {
    const one = v.safeParse(Row, row);
    if (!one.success) throw new UnreadableState(`it is damaged: ${one.issues[0].message}`);
    all.push(one.output);
  }
  return all;
}

/** Does some work in a transaction. @throws the error of SQLite, or of the work */
export function inTransaction(database: DatabaseSync, work: () => void): void {
  database.exec('BEGIN');
  try {
    work();
    database.exec('COMMIT');
  } catch (error) {
    // SQLite may have undone it by itself, as for a full disk.
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

/** Refuses a file of another machine, and records the owner in a file without one. */
function claim(database: DatabaseSync, owner: Owner): void {
  const before = database.prepare("SELECT value FROM fact WHERE name = 'owner'").get()?.value;
  const recorded = typeof before === 'string' ? parseOwner(before) : undefined;
  const stranger = recorded && strangerOf(recorded, owner);
  if (stranger !== undefined) throw new UnreadableState(stranger, 'foreign');
  const now = ownerText(recorded, owner);
  if (now !== before) database.prepare("INSERT OR REPLACE INTO fact VALUES ('owner', ?)").run(now);
}

class UnreadableState extends Error {
  /** Part of the new name of the file. */
  readonly kind: 'unreadable' | 'foreign' | 'copied';

  constructor(reason: string, kind: UnreadableState['kind'] = 'unreadable') {
    super(reason);
    this.kind = kind;
  }
}

/** Tells whether a file must be set aside. SQLITE_ERROR 1: a table has another schema. */
function isUnreadable(error: unknown): boolean {
  return error instanceof UnreadableState || isCorruption(error) || sqliteCode(error) === 1;
}

/** Tells whether SQLite has found the file damaged. */
export function isCorruption(error: unknown): boolean {
  // SQLITE_CORRUPT 11, SQLITE_NOTADB 26.
  return [11, 26].includes(sqliteCode(error));
}

function sqliteCode(error: unknown): number {
  return error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
}

/** Converts any error of the state to a GridError `state`. */
export function stateError(error: unknown, file: string): GridError {
  if (error instanceof GridError) return error;
  // SQLITE_BUSY 5, SQLITE_LOCKED 6.
  const busy = [5, 6].includes(sqliteCode(error));
  const text = busy ? 'another daemon is using it' : messageOf(error);
  let hint = 'check that --state-dir is writable and its disk not full';
  if (busy) hint = 'stop the other daemon, or give this one a --state-dir of its own';
  if (isErrno(error, 'EROFS'))
    hint = 'the daemon cannot run on a read-only file system: mount it writable, or set another --state-dir';
  if (error instanceof UntrustedPath)
    hint = `run ${error.hint}, or set --state-dir to a directory that only root can change`;
  return new GridError('state', `cannot use the state file ${file}: ${text}`, { hint, cause: error });
}
