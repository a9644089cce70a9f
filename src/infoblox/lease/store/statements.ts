/** The statements of the state's database: each is prepared once, and what they fail with is the one error that callers know. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { GridError } from '../../errors.ts';
import { isCorruption, stateError } from './state-file.ts';

export class Statements {
  readonly #database: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();
  #corruption: GridError | undefined;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** What says that the file is damaged, if something has. */
  get corruption(): GridError | undefined {
    return this.#corruption;
  }

  /** Runs a statement. @throws GridError `state` */
  run<T>(sql: string, use: (statement: StatementSync) => T): T {
    return this.guarded(() => use(this.get(sql)));
  }

  /** Writes what belongs together: all or nothing, with one wait for the disk. @throws the error of SQLite, or of `write` */
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

  /** Does something with the database. @throws GridError `state` */
  guarded<T>(action: () => T): T {
    try {
      return action();
    } catch (cause) {
      const error = stateError(cause, 'state.db');
      if (isCorruption(cause)) {
        this.#corruption = new GridError('state', `the state file is damaged: ${error.message}`, {
          hint: 'restart the daemon: it sets the file aside and imports what this host has from the grid',
          cause,
        });
      }
      throw error;
    }
  }

  close(): void {
    this.#database.close();
  }
}
