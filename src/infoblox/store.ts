/**
 * The daemon's durable state: one row an attachment that holds, is being given or owes an address. Every method that
 * writes is durable when it returns. Losing the file loses no address: the identity on the grid's objects is enough to
 * find them again.
 */
import { closeSync, existsSync, fstatSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import * as v from 'valibot';
import { makeDirectory } from './directory.ts';
import { GridError } from './errors.ts';

/** Bumped with every change of the tables; `migrations[n]` leads from version n to n + 1. */
const migrations = [
  `CREATE TABLE attachment (
     identity TEXT PRIMARY KEY,
     network TEXT NOT NULL,
     view TEXT NOT NULL,
     state TEXT NOT NULL CHECK (state IN ('intent', 'held', 'owed')),
     address TEXT,
     netns TEXT,
     netnsId TEXT,
     bootId TEXT,
     createdAt INTEGER NOT NULL,
     attempts INTEGER NOT NULL DEFAULT 0,
     dueAt INTEGER,
     suspectUntil INTEGER
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX attachment_due ON attachment (dueAt) WHERE dueAt IS NOT NULL;
   CREATE INDEX attachment_network ON attachment (network);
   CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;`,
  'ALTER TABLE attachment ADD COLUMN doomedUntil INTEGER;',
];

const Row = v.object({
  /** The attachment's comment on the grid. */
  identity: v.string(),
  /** Network name as it stands in comments. */
  network: v.string(),
  view: v.string(),
  /** `intent`: an address may be on its way. `held`: given. `owed`: to be given back. */
  state: v.picklist(['intent', 'held', 'owed']),
  address: v.nullable(v.string()),
  /** Path of the container's network namespace as the runtime named it. */
  netns: v.nullable(v.string()),
  /** Device and inode of the namespace, if the daemon could see it. */
  netnsId: v.nullable(v.string()),
  bootId: v.nullable(v.string()),
  /** Milliseconds since 1970. */
  createdAt: v.number(),
  /** Failed attempts to give it back. */
  attempts: v.number(),
  /** Milliseconds since 1970 at which upkeep has to act: release if owed, look for surplus objects if held. */
  dueAt: v.nullable(v.number()),
  /** Milliseconds since 1970 until which a create whose answer was lost may still land on the grid. */
  suspectUntil: v.nullable(v.number()),
  /**
   * Milliseconds since 1970 until which a delete whose answer was lost may still be carried out: what the grid holds for
   * this attachment beside `address` may vanish, and is neither given again nor deleted again.
   */
  doomedUntil: v.nullable(v.number()),
});
export type Row = v.InferOutput<typeof Row>;

const columns = Object.keys(Row.entries);

export class Store {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /**
   * Opens `state.db` in the directory, made if absent. A file that is damaged or of a newer release is set aside.
   * @returns the store and, if a file was set aside, where it is now
   * @throws GridError `state` if the directory cannot be used or another daemon has it
   */
  static open(directory: string): { store: Store; setAside?: string } {
    const file = join(directory, 'state.db');
    try {
      makeDirectory(directory, 0o700);
      try {
        return { store: new Store(openDatabase(file)) };
      } catch (error) {
        if (!isUnreadable(error) || !existsSync(file)) throw error;
        const setAside = `${file}.unreadable-${Date.now()}`;
        renameSync(file, setAside);
        for (const suffix of ['-wal', '-shm']) {
          if (existsSync(file + suffix)) renameSync(file + suffix, setAside + suffix);
        }
        return { store: new Store(openDatabase(file)), setAside };
      }
    } catch (error) {
      throw stateError(error, file);
    }
  }

  get(identity: string): Row | undefined {
    const row = this.#run('SELECT * FROM attachment WHERE identity = ?', (statement) => statement.get(identity));
    return row === undefined ? undefined : v.parse(Row, row);
  }

  /** Writes a row, in place of one of the same identity. */
  put(row: Row): void {
    const places = columns.map((column) => `$${column}`).join(', ');
    this.#run(`INSERT OR REPLACE INTO attachment (${columns.join(', ')}) VALUES (${places})`, (statement) =>
      statement.run(Object.fromEntries(columns.map((column) => [`$${column}`, row[column as keyof Row]]))),
    );
  }

  remove(identity: string): void {
    this.#run('DELETE FROM attachment WHERE identity = ?', (statement) => statement.run(identity));
  }

  /**
   * Rows that upkeep has to act on, the longest due first. What is due after `horizon` was dated by a clock that has been
   * set back since, and is due too.
   */
  due(now: number, horizon: number, limit: number): Row[] {
    const sql = 'SELECT * FROM attachment WHERE dueAt <= ? OR dueAt > ? ORDER BY dueAt LIMIT ?';
    return this.#rows(sql, now, horizon, limit);
  }

  /** When upkeep has to act next on a row other than those, milliseconds since 1970. */
  nextDue(except: ReadonlySet<string>): number | undefined {
    const sql = 'SELECT identity, dueAt FROM attachment WHERE dueAt IS NOT NULL ORDER BY dueAt LIMIT ?';
    const rows = this.#run(sql, (statement) => statement.all(except.size + 1));
    const next = rows.find(({ identity }) => !except.has(String(identity)));
    return typeof next?.dueAt === 'number' ? next.dueAt : undefined;
  }

  ofNetwork(network: string): Row[] {
    return this.#rows('SELECT * FROM attachment WHERE network = ?', network);
  }

  /** Held rows whose network namespace was seen. */
  withNamespace(): Row[] {
    return this.#rows("SELECT * FROM attachment WHERE state = 'held' AND netnsId IS NOT NULL");
  }

  count(state: Row['state']): number {
    const row = this.#run('SELECT count(*) AS n FROM attachment WHERE state = ?', (statement) => statement.get(state));
    return Number(row?.n ?? 0);
  }

  /**
   * Turns intents of a daemon that died into owed releases; their creates may still be on their way to the grid.
   * @param suspectUntil when they must have been carried out or dropped, milliseconds since 1970
   * @returns the number of intents
   */
  oweIntents(now: number, suspectUntil: number): number {
    const sql = "UPDATE attachment SET state = 'owed', dueAt = ?, suspectUntil = ? WHERE state = 'intent'";
    return Number(this.#run(sql, (statement) => statement.run(now, suspectUntil)).changes);
  }

  /** A lasting fact about this file, such as that the host's reservations have been read from the grid. */
  fact(name: string): string | undefined {
    const row = this.#run('SELECT value FROM fact WHERE name = ?', (statement) => statement.get(name));
    return typeof row?.value === 'string' ? row.value : undefined;
  }

  setFact(name: string, value: string): void {
    this.#run('INSERT OR REPLACE INTO fact VALUES (?, ?)', (statement) => statement.run(name, value));
  }

  close(): void {
    this.#database.close();
  }

  #rows(sql: string, ...values: (string | number)[]): Row[] {
    return this.#run(sql, (statement) => statement.all(...values)).map((row) => v.parse(Row, row));
  }

  #run<T>(sql: string, use: (statement: StatementSync) => T): T {
    try {
      let statement = this.#statements.get(sql);
      if (statement === undefined) {
        statement = this.#database.prepare(sql);
        this.#statements.set(sql, statement);
      }
      return use(statement);
    } catch (error) {
      throw stateError(error, 'state.db');
    }
  }
}

function openDatabase(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: 0 });
  try {
    // The lock of the first write is kept, so two daemons never share a state directory.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    const version = Number(database.prepare('PRAGMA user_version').get()?.user_version);
    if (version > migrations.length) throw new UnreadableState(`it is of a newer release (version ${version})`);
    database.exec('BEGIN IMMEDIATE');
    for (const [index, migration] of migrations.entries()) if (index >= version) database.exec(migration);
    database.exec(`PRAGMA user_version = ${migrations.length}; COMMIT`);
    const check = database.prepare('PRAGMA quick_check(1)').get()?.quick_check;
    if (check !== 'ok') throw new UnreadableState(`it is damaged: ${String(check)}`);
    database.prepare(`SELECT ${columns.join(', ')} FROM attachment`);
    reserveLog(`${file}-wal`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Bytes of the write-ahead log between two checkpoints: SQLite's 1000 pages of 4096 bytes and their headers. */
const logSize = 1_100 * 4_120;

/**
 * Lets the log have its blocks in advance, where the disk has them: a commit that need not grow the file is synced in
 * half the time. SQLite ignores what lies behind the last valid frame.
 */
function reserveLog(file: string): void {
  const log = openSync(file, 'a');
  try {
    writeSync(log, Buffer.alloc(Math.max(logSize - fstatSync(log).size, 0)));
    fsyncSync(log);
  } catch {
    // A full disk: the log grows as far as it can.
  } finally {
    closeSync(log);
  }
}

class UnreadableState extends Error {}

/** SQLITE_CORRUPT 11, SQLITE_NOTADB 26, SQLITE_ERROR 1 (a table that is not as it should be). */
function isUnreadable(error: unknown): boolean {
  return error instanceof UnreadableState || [1, 11, 26].includes(sqliteCode(error));
}

function sqliteCode(error: unknown): number {
  return error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
}

/** SQLITE_BUSY 5, SQLITE_LOCKED 6. */
function stateError(error: unknown, file: string): GridError {
  if (error instanceof GridError) return error;
  const busy = [5, 6].includes(sqliteCode(error));
  const text = busy ? 'another daemon is using it' : error instanceof Error ? error.message : String(error);
  return new GridError('state', `cannot use the state file ${file}: ${text}`, {
    cure: busy
      ? 'stop the other daemon, or give this one a --state-dir of its own'
      : 'check that --state-dir is writable and its disk not full',
    cause: error,
  });
}
