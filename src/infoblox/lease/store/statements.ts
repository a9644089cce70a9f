/** Prepares each statement of the state's database once, and converts its errors to GridError `state`. */
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

  /** The error that showed damage of the file; undefined: none. */
  get corruption(): GridError | undefined {
    return this.#corruption;
  }

  /** Runs a statement. @throws GridError `state` */
  run<T>(sql: string, use: (statement: StatementSync) => T): T {
    return this.guarded(() => use(this.get(sql)));
  }

  /** Runs `write` in a transaction. @throws the error of SQLite, or of `write` */
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

  /** Whether a transaction is open. SQLite may undo it by itself, as for a full disk. */
  get isTransaction(): boolean {
    return this.#database.isTransaction;
  }

  /** Returns a prepared statement. @throws the error of SQLite */
  get(sql: string): StatementSync {
    let statement = this.#prepared.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#prepared.set(sql, statement);
    }
    return statement;
  }

  /** Runs an operation on the database. @throws GridError `state` */
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
