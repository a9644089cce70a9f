/** The statements of the state's database: each is prepared once, and what they fail with is the one error that callers know. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Conditions } from '../../conditions.ts';
import { stateError } from './state-file.ts';

/** Milliseconds that a failed write counts, since only the next one can show that the state can be written again. */
const failureLasts = 30_000;

export class Statements {
  readonly #database: DatabaseSync;
  readonly #conditions: Conditions;
  readonly #prepared = new Map<string, StatementSync>();

  constructor(database: DatabaseSync, conditions: Conditions) {
    this.#database = database;
    this.#conditions = conditions;
  }

  /** Runs a statement. @throws GridError `state`, which is a condition then */
  run<T>(sql: string, use: (statement: StatementSync) => T): T {
    return this.#guarded(() => use(this.get(sql)));
  }

  /**
   * Writes what belongs together: all or nothing, with one wait for the disk.
   * @throws GridError `state`, which is a condition then
   */
  together(write: () => void): void {
    this.#guarded(() => this.transaction(write));
  }

  /**
   * As `together`, but does not wait for the disk: the next write that does brings it there, and a power failure before that
   * undoes it.
   * @throws GridError `state`, which is a condition then
   */
  unsynced(write: () => void): void {
    this.#guarded(() => {
      this.#database.exec('PRAGMA synchronous = NORMAL');
      try {
        this.transaction(write);
      } finally {
        this.#database.exec('PRAGMA synchronous = FULL');
      }
    });
  }

  /** As `together`. @throws the error of SQLite, or of `write` */
  transaction(write: () => void): void {
    this.get('BEGIN').run();
    try {
      write();
      this.get('COMMIT').run();
    } catch (error) {
      if (this.isTransaction) this.get('ROLLBACK').run();
      throw error;
    }
  }

  /** False also if SQLite has undone the transaction by itself, as it may for a full disk. */
  get isTransaction(): boolean {
    return this.#database.isTransaction;
  }

  /** Prepares a statement, unless that has been done. @throws the error of SQLite */
  get(sql: string): StatementSync {
    let statement = this.#prepared.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#prepared.set(sql, statement);
    }
    return statement;
  }

  #guarded<T>(action: () => T): T {
    try {
      return action();
    } catch (cause) {
      const error = stateError(cause, 'state.db');
      this.#conditions.raise('state-not-writable', error, { lasts: failureLasts });
      throw error;
    }
  }
}
