/** The daemon's lease store: a SQLite file, locked by this process, read when opened and then only written. */
import { type Clock, hostClock } from '../../concurrency/clock.ts';
import type { Conditions } from '../../conditions.ts';
import { GridError } from '../../errors.ts';
import { type DoubtWindow, defaultDoubtWindow } from '../doubt.ts';
import { type Batch, BatchedLeaseStore } from './batched-store.ts';
import { type AddressHistory, HistoryTable } from './history-table.ts';
import { type Expected, openStateFile, type SetAside, type StateFile, type StatePlace } from './state-file.ts';
import { Statements } from './statements.ts';
import { blockTable, leaseTable, rowWrite } from './stored-lease.ts';

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
  readonly #place: StatePlace;
  readonly #statements: Statements;
  readonly #history: HistoryTable;
  readonly #aroundCommit: (commit: () => void) => void;

  private constructor(file: StateFile, conditions: Conditions, options: StoreOptions & { readonly clock: Clock }) {
    const { clock, window = defaultDoubtWindow, historyAgeMs = defaultHistoryAgeMs } = options;
    super(file.stored, { clock, window, conditions });
    this.#place = file.place;
    this.#statements = new Statements(file.database);
    this.#history = new HistoryTable(this.#statements, conditions, { age: historyAgeMs, now: clock.wall });
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
    this.#statements.guarded(() => this.#aroundCommit(() => this.#write(batch)));
  }

  /** Returns the history of an address in all views, for the queries of ../history.ts. */
  history(address: string): AddressHistory {
    this.commit();
    return this.#history.of(address);
  }

  /** Counts the entries of the history by reading them all. */
  get historyCount(): number {
    this.commit();
    return this.#history.count();
  }

  /** Says why writes are lost: the file was removed, replaced or damaged. Undefined if it is fine. */
  get loss(): GridError | undefined {
    if (this.#statements.corruption !== undefined) return this.#statements.corruption;
    if (!this.#place.isLost()) return undefined;
    return new GridError('state', `the state file ${this.#place.file} was removed or replaced while it was in use`, {
      hint: 'restart the daemon, which imports the reservations of this host from the grid; do not restore a copy of the file',
    });
  }

  close(): void {
    this.commit();
    this.#statements.close();
    this.#place.release();
  }

  #write({ leases, blocks, history, facts }: Batch): void {
    const { ended } = this.#history;
    try {
      this.#statements.transaction(() => {
        const writes = [
          ...leases.map((change) => rowWrite(leaseTable, change)),
          ...blocks.map((change) => rowWrite(blockTable, change)),
        ];
        for (const write of writes) if (write !== undefined) this.#statements.get(write.sql).run(write.values);
        this.#history.write(history);
        const setFact = this.#statements.get('INSERT OR REPLACE INTO fact VALUES (?, ?)');
        for (const fact of facts) setFact.run(...fact);
      });
    } catch (error) {
      this.#history.ended = ended;
      throw error;
    }
  }
}
