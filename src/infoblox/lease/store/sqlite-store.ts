/** The lease store of the daemon: a file that no other process has. It is read when it is opened, and written from then on. */
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
  /** Milliseconds that it is remembered who held an address; 0: not at all. */
  readonly historyAgeMs?: number;
  readonly clock?: Clock;
  /** How long a write whose answer was lost counts as in doubt. */
  readonly window?: DoubtWindow;
  /** Makes each commit; other than the default only in tests, which count, delay and fail them. */
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
   * Opens `state.db` in the directory, made if absent. A file that is damaged, of a newer release, another machine's or
   * a copy is set aside.
   * @returns the store and, if a file was set aside, where it is now
   * @throws GridError `state` if the directory cannot be used or another daemon has it
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

  /** Who held an address of this host, in whatever view; ../history.ts answers questions from it. */
  history(address: string): AddressHistory {
    this.commit();
    return this.#history.of(address);
  }

  /** Counts the entries of the history, by reading all of them. */
  get historyCount(): number {
    this.commit();
    return this.#history.count();
  }

  /** Why nothing that is written lasts: the file was removed, replaced or damaged. Undefined if it is in order. */
  get loss(): GridError | undefined {
    if (this.#statements.corruption !== undefined) return this.#statements.corruption;
    if (!this.#place.isLost()) return undefined;
    return new GridError('state', `the state file ${this.#place.file} was removed or replaced while it was in use`, {
      hint: 'restart the daemon: it imports what this host has from the grid; put back no copy of the file',
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
