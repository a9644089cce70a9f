/**
 * The file of the durable state: opened under a lock that the daemon keeps, set aside if it cannot be read or is another machine's.
 * Opening it writes nothing, so that a full disk is no reason not to start.
 */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  renameSync,
  writeSync,
} from 'node:fs';
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
import { blockTable, leaseTable, StoredBlock, StoredLease, type Table } from './stored-lease.ts';

/** Raised with each change of the tables that a release has made; before the first release they are changed in place. */
const schemaVersion = 1;

const schema = `
  CREATE TABLE lease (
    mark TEXT PRIMARY KEY,
    network TEXT NOT NULL,
    view TEXT NOT NULL,
    phase TEXT NOT NULL CHECK (phase IN ('pending', 'bound', 'releasing')),
    address TEXT,
    family INTEGER,
    sets INTEGER,
    netns TEXT,
    netnsId TEXT,
    processStart INTEGER,
    bootId TEXT,
    bootedAt INTEGER,
    uptime INTEGER,
    callers TEXT,
    workload TEXT,
    releasedBy TEXT,
    createdAt INTEGER NOT NULL,
    writtenAt INTEGER NOT NULL,
    releasedAt INTEGER,
    createInDoubtUntil INTEGER,
    deleteInDoubtUntil INTEGER,
    dueAt INTEGER,
    attempts INTEGER NOT NULL,
    cooldownMs INTEGER NOT NULL,
    owedSince INTEGER,
    restsUntil INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE block (
    mark TEXT PRIMARY KEY,
    network TEXT NOT NULL,
    view TEXT NOT NULL,
    cidr TEXT NOT NULL,
    first TEXT NOT NULL,
    size INTEGER NOT NULL,
    phase TEXT NOT NULL CHECK (phase IN ('taking', 'held', 'draining')),
    takenAt INTEGER,
    usedAt INTEGER NOT NULL,
    lastGiven TEXT,
    waitMs INTEGER NOT NULL,
    bootId TEXT,
    uptime INTEGER,
    createInDoubtUntil INTEGER,
    deleteInDoubtUntil INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE history (
    number INTEGER PRIMARY KEY,
    address TEXT NOT NULL,
    view TEXT NOT NULL,
    mark TEXT NOT NULL,
    workload TEXT,
    boundAt INTEGER,
    recordedAt INTEGER NOT NULL,
    releasedAt INTEGER,
    releasedBy TEXT,
    returnedAt INTEGER
  ) STRICT;
  CREATE INDEX history_address ON history (address);
  CREATE INDEX history_released ON history (releasedAt) WHERE releasedAt IS NOT NULL;
  CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;`;

/**
 * Locks the directory until the database that this returns is closed. The lock of `state.db` would go with that file, and
 * a second daemon would make itself another one.
 * @throws the error of SQLite: busy if another daemon has the directory
 */
function lockDirectory(directory: string): DatabaseSync {
  const lock = new DatabaseSync(join(directory, 'state.lock'), { timeout: 0 });
  try {
    // Nothing is ever written, so that a full disk is no reason not to start.
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    throw error;
  }
}

export class StatePlace {
  readonly file: string;
  readonly #id: string;
  readonly #lock: DatabaseSync;

  /** To be made when the file has been opened. */
  constructor(file: string, lock: DatabaseSync) {
    this.file = file;
    this.#id = fileIdentity(file);
    this.#lock = lock;
  }

  /** True if the path leads to another file by now, or to none: what is written is lost with this process. */
  isLost(): boolean {
    try {
      return fileIdentity(this.file) !== this.#id;
    } catch (error) {
      return isErrno(error, 'ENOENT', 'ENOTDIR');
    }
  }

  /** Lets another daemon have the directory. */
  release(): void {
    this.#lock.close();
  }
}

/** A file that could not be used: where it is now, and why. */
export interface SetAside {
  readonly file: string;
  readonly reason: string;
  /** True for a file that is in order, but belongs to another machine. */
  readonly foreign: boolean;
}

export interface StateFile {
  readonly database: DatabaseSync;
  readonly stored: Stored;
  readonly place: StatePlace;
  readonly setAside?: SetAside | undefined;
}

/** What a file has to be. */
export interface Expected {
  /** Whose; anybody's if absent. */
  readonly owner?: Owner | undefined;
  /** Tells by its epoch, if it has one, whether it is a copy; none is if absent. */
  readonly isCopy?: ((epoch: string | undefined) => boolean) | undefined;
}

/**
 * Opens `state.db` in the directory, made if absent.
 * @throws GridError `state` if the directory cannot be used or another daemon has it
 */
export function openStateFile(
  directory: string,
  { clock, ...expected }: Expected & { readonly clock: Pick<Clock, 'wall'> },
): StateFile {
  const file = join(directory, 'state.db');
  let lock: DatabaseSync | undefined;
  try {
    makeDirectory(directory, 0o700);
    // SQLite would call a read-only file system an input/output error.
    accessSync(existsSync(file) ? file : directory, constants.W_OK);
    lock = lockDirectory(directory);
    const opened = openOrSetAside(file, expected, clock.wall());
    return { ...opened, place: new StatePlace(file, lock) };
  } catch (error) {
    lock?.close();
    throw stateError(error, file);
  }
}

/** @param now milliseconds since 1970 */
function openOrSetAside(file: string, expected: Expected, now: number): Omit<StateFile, 'place'> {
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

function openDatabase(file: string, { owner, isCopy }: Expected): Pick<StateFile, 'database' | 'stored'> {
  const database = new DatabaseSync(file, { timeout: 0 });
  try {
    // The lock of the first read, exclusive with these two, is kept: two daemons never share a state directory.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    const version = Number(database.prepare('PRAGMA user_version').get()?.user_version);
    if (version > schemaVersion) throw new UnreadableState(`it is of a newer release (version ${version})`);
    if (version === 0) database.exec(`BEGIN IMMEDIATE; ${schema} PRAGMA user_version = ${schemaVersion}; COMMIT`);
    // Not `quick_check`, which does not find all that fails in use.
    const check = database.prepare('PRAGMA integrity_check(1)').get()?.integrity_check;
    if (check !== 'ok') throw new UnreadableState(`it is damaged: ${String(check)}`);
    const stored = read(database);
    if (owner !== undefined) claim(database, owner);
    if (isCopy?.(new Map(stored.facts).get('epoch'))) throw new CopiedState();
    reserveLog(`${file}-wal`);
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

/** Bytes of the write-ahead log between two checkpoints: SQLite's 1000 pages of 4096 bytes and their headers. */
const logSize = 1_100 * 4_120;

/**
 * Lets the log have its blocks in advance, where the disk has them: a commit that need not grow the file is synced in
 * half the time. SQLite ignores what lies behind the last valid frame.
 */
function reserveLog(file: string): void {
  let log: number | undefined;
  try {
    log = openSync(file, 'a');
    writeSync(log, Buffer.alloc(Math.max(logSize - fstatSync(log).size, 0)));
    fsyncSync(log);
  } catch {
    // A full disk: the log grows as far as it can.
  } finally {
    if (log !== undefined) closeSync(log);
  }
}

/** Refuses a file of another machine; one that nobody has claimed yet becomes the owner's. */
function claim(database: DatabaseSync, owner: Owner): void {
  const before = database.prepare("SELECT value FROM fact WHERE name = 'owner'").get()?.value;
  const recorded = typeof before === 'string' ? parseOwner(before) : undefined;
  const stranger = recorded && strangerOf(recorded, owner);
  if (stranger !== undefined) throw new ForeignState(stranger);
  const now = ownerText(recorded, owner);
  if (now !== before) database.prepare("INSERT OR REPLACE INTO fact VALUES ('owner', ?)").run(now);
}

class UnreadableState extends Error {
  /** As the name of the file says it that is set aside. */
  readonly kind: string = 'unreadable';
}
class ForeignState extends UnreadableState {
  override readonly kind = 'foreign';
}
class CopiedState extends UnreadableState {
  override readonly kind = 'copied';

  constructor() {
    super('it was put back from a backup, or copied: since the host was booted a daemon has served with another one');
  }
}

/** SQLITE_ERROR 1: a table that is not as it should be. */
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

/** Whatever the state failed with, as the one error that callers know. */
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
