/** The daemon's lease store: a SQLite file, locked by this process, read when opened and then only written. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { type Clock, hostClock } from '../../concurrency/clock.ts';
import type { Conditions } from '../../conditions.ts';
import { GridError } from '../../errors.ts';
import { type DoubtWindow, defaultDoubtWindow } from '../doubt.ts';
import { type Batch, BatchedLeaseStore } from './batched-store.ts';
import { type AddressHistory, HistoryTable } from './history-table.ts';
import {
  type Expected,
  inTransaction,
  isCorruption,
  openStateFile,
  type SetAside,
  type StateFile,
  stateError,
} from './state-file.ts';
import { blockTable, leaseTable, rowWriter } from './stored-lease.ts';

export interface StoreOptions extends Expected {
  /** Milliseconds for which the history is kept; 0: no history. */
  readonly historyAgeMs?: number;
  readonly clock?: Clock;
  /** How long a write with a lost answer stays in doubt. */
  readonly window?: DoubtWindow;
  /** Runs each commit. Tests use it to count, delay and fail commits. */
  readonly aroundCommit?: ((commit: () => void) => void) | undefined;
}

const defaultHistoryAgeMs = 30 * 86_400_000;

export class SqliteLeaseStore extends BatchedLeaseStore {
  readonly #file: StateFile;
  readonly #database: DatabaseSync;
  readonly #writeLeases: (changes: Batch['leases']) => void;
  readonly #writeBlocks: (changes: Batch['blocks']) => void;
  readonly #setFact: StatementSync;
  readonly #history: HistoryTable;
  readonly #aroundCommit: (commit: () => void) => void;
  /** The error that showed damage of the file. */
  #corruption: GridError | undefined;

  private constructor(file: StateFile, conditions: Conditions, options: StoreOptions & { readonly clock: Clock }) {
    const { clock, window = defaultDoubtWindow, historyAgeMs = defaultHistoryAgeMs } = options;
    super(file.stored, { clock, window, conditions });
    this.#file = file;
    this.#database = file.database;
    this.#writeLeases = rowWriter(this.#database, leaseTable);
    this.#writeBlocks = rowWriter(this.#database, blockTable);
    this.#setFact = this.#database.prepare('INSERT OR REPLACE INTO fact VALUES (?, ?)');
    this.#history = new HistoryTable(this.#database, conditions, { maxAgeMs: historyAgeMs, now: clock.wall });
    this.#aroundCommit = options.aroundCommit ?? ((commit) => commit());
  }

  /**
   * Opens `state.db` in a directory, created if missing. Sets aside a file that is damaged, of a newer release, of another machine, or a
   * copy.
   * @returns the store and, if a file was set aside, its new path
   * @throws GridError `state` if the directory is unusable or another daemon uses it
   */
  static open(
    directory: string,
    conditions: Conditions,
    options: StoreOptions = {},
  ): { store: SqliteLeaseStore; setAside: SetAside | undefined } {
    const { clock = hostClock(), owner, isCopy } = options;
    const file = openStateFile(directory, { owner, isCopy, clock });
    return { store: new SqliteLeaseStore(file, conditions, { ...options, clock }), setAside: file.setAside };
  }

  protected override write(batch: Batch): void {
    this.#guarded(() => this.#aroundCommit(() => this.#write(batch)));
  }

  /** Returns the history of an address in all views, for the queries of ../history.ts. */
  history(address: string): AddressHistory {
    this.commit();
    return this.#guarded(() => this.#history.of(address));
  }

  /** Says why writes are lost: the file was removed, replaced or damaged. Undefined if it is fine. */
  get loss(): GridError | undefined {
    if (this.#corruption !== undefined) return this.#corruption;
    if (!this.#file.isLost()) return undefined;
    return new GridError('state', `the state file ${this.#file.path} was removed or replaced while it was in use`, {
      hint: 'restart the daemon, which imports the reservations of this host from the grid; do not restore a copy of the file',
    });
  }

  close(): void {
    this.commit();
    this.#file.close();
  }

  #write({ leases, blocks, history, facts }: Batch): void {
    inTransaction(this.#database, () => {
      this.#writeLeases(leases);
      this.#writeBlocks(blocks);
      this.#history.write(history);
      for (const [name, value = ''] of facts) this.#setFact.run(name, value);
    });
  }

  /** Uses the database. @throws GridError `state` */
  #guarded<T>(use: () => T): T {
    try {
      return use();
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
}
