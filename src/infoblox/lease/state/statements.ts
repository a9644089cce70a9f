/** The statements of the state's database, each prepared once. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';

export class Statements {
  readonly #database: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
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

  /** False also if SQLite has undone the transaction by itself, as for a full disk. */
  get isTransaction(): boolean {
    return this.#database.isTransaction;
  }

  /** Writes what belongs together: all or nothing, and one wait for the disk. @throws the error of SQLite, or of `write` */
  together(write: () => void): void {
    this.get('BEGIN').run();
    try {
      write();
      this.get('COMMIT').run();
    } catch (error) {
      if (this.isTransaction) this.get('ROLLBACK').run();
      throw error;
    }
  }
}
