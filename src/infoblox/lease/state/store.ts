/**
 * The leases of this host, durably. A change is a named transition, applied by read-change-write without an `await`, so that
 * nobody writes back a copy that has become stale; no other process has the file. Every method that writes is durable when
 * it returns; only to forget a lease may come to nothing in a power failure. Losing the file loses no address: the marks on the grid are enough to find them again.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Conditions } from '../../conditions.ts';
import { GridError } from '../../errors.ts';
import type { Owner } from '../../host/machine.ts';
import { historyChanges } from '../history/history.ts';
import type { Lease } from '../lease.ts';
import { type AddressHistory, HistoryTable } from './history.ts';
import { LeaseReader } from './lease-reader.ts';
import { openStateFile, type SetAside, type StateFile } from './state-file.ts';
import type { StatePlace } from './state-place.ts';
import { Statements } from './statements.ts';
import { leaseWrite } from './stored-lease.ts';

/** The fact that says that the state is whole. */
const wholeFact = 'imported';

/** A change of a lease. From and to undefined: there is none. */
export type Transition = (lease: Lease | undefined) => Lease | undefined;

export interface StoreOptions {
  /** Whose the file has to be, if that matters. */
  readonly owner?: Owner;
  /** Milliseconds that it is remembered who held an address; 0: not at all. */
  readonly historyAge?: number;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

const defaultHistoryAge = 30 * 86_400_000;

export class SqliteLeaseStore extends LeaseReader {
  readonly #database: DatabaseSync;
  readonly #place: StatePlace;
  readonly #conditions: Conditions;
  readonly #history: HistoryTable;
  readonly #listeners = new Set<(lease?: Lease) => void>();
  readonly #watchers = new Set<Set<string>>();

  private constructor(
    { database, place }: Pick<StateFile, 'database' | 'place'>,
    conditions: Conditions,
    { historyAge = defaultHistoryAge, now = Date.now }: StoreOptions,
  ) {
    const statements = new Statements(database, conditions);
    super(statements);
    this.#database = database;
    this.#place = place;
    this.#conditions = conditions;
    this.#history = new HistoryTable(statements, conditions, { age: historyAge, now });
  }

  /**
   * Opens `state.db` in the directory, made if absent. A file that is damaged, of a newer release or another machine's is set
   * aside.
   * @returns the store and, if a file was set aside, where it is now
   * @throws GridError `state` if the directory cannot be used or another daemon has it
   */
  static open(
    directory: string,
    conditions: Conditions,
    options: StoreOptions = {},
  ): { store: SqliteLeaseStore; setAside: SetAside | undefined } {
    const { setAside, ...file } = openStateFile(directory, options.owner);
    return { store: new SqliteLeaseStore(file, conditions, options), setAside };
  }

  /** @param listener told after each change that makes a lease due at some time, of the lease if it is a single one */
  subscribe(listener: (lease?: Lease) => void): void {
    this.#listeners.add(listener);
  }

  /** Applies a transition to the lease as it is now. @returns the lease as it is then. @throws GridError `state` */
  apply(mark: string, transition: Transition): Lease | undefined {
    const before = this.get(mark);
    const after = transition(before);
    if (after === before) return before;
    const changes = historyChanges(before, after);
    const write = () => {
      this.#write(mark, before, after);
      if (changes.length > 0) this.#history.write(changes);
    };
    this.changed(mark);
    if (after !== undefined) {
      // One statement is all or nothing by itself.
      if (changes.length === 0) this.#write(mark, before, after);
      else this.statements.together(write);
      this.remember(mark, after);
    } else {
      // A forgotten lease that comes back after a power failure is looked for on the grid once more.
      this.statements.unsynced(write);
      for (const watcher of this.#watchers) watcher.add(mark);
    }
    this.#conditions.clear('state-not-writable');
    if (after?.dueAt != null) this.#notify(after);
    return after;
  }

  /** Marks of the leases that are forgotten from now on, until `end`. */
  watchForgotten(): { readonly forgotten: ReadonlySet<string>; end(): void } {
    const forgotten = new Set<string>();
    this.#watchers.add(forgotten);
    return { forgotten, end: () => this.#watchers.delete(forgotten) };
  }

  /** False until what this host has on the grid has been imported into a new state. */
  get isWhole(): boolean {
    return this.fact(wholeFact) !== undefined;
  }

  /** @param at when the import has ended, milliseconds since 1970 */
  setWhole(at: number): void {
    this.setFact(wholeFact, new Date(at).toISOString());
  }

  /** Makes every lease due now whose last attempt has failed, as if it were the first. */
  hurryFailed(now: number): void {
    const sql = 'UPDATE lease SET dueAt = ?, attempts = 0 WHERE attempts > 0 AND dueAt IS NOT NULL';
    this.statements.run(sql, (statement) => statement.run(now));
    this.changed();
    this.#notify();
  }

  /** Makes bound leases that were written to the grid after `since` due, each at some time from `from` on within `spread` milliseconds. */
  recheckSince(since: number, from: number, spread: number): void {
    const sql = `UPDATE lease SET dueAt = ? + abs(random() % ?)
      WHERE phase = 'bound' AND dueAt IS NULL AND writtenAt > ?`;
    this.statements.run(sql, (statement) => statement.run(from, Math.max(spread, 1), since));
    this.changed();
    this.#notify();
  }

  /** Who held an address of this host, in whatever view; ../history/holders.ts answers questions from it. */
  history(address: string): AddressHistory {
    return this.#history.of(address);
  }

  /** Counts the entries of the history, by reading all of them. */
  get historyCount(): number {
    return this.#history.count();
  }

  /** A lasting fact about this file, such as that the host's reservations have been imported. */
  fact(name: string): string | undefined {
    const row = this.statements.run('SELECT value FROM fact WHERE name = ?', (statement) => statement.get(name));
    return typeof row?.value === 'string' ? row.value : undefined;
  }

  setFact(name: string, value: string): void {
    this.statements.run('INSERT OR REPLACE INTO fact VALUES (?, ?)', (statement) => statement.run(name, value));
  }

  /** That the file was removed or replaced, so that nothing that is written lasts; undefined if it is in its place. */
  get loss(): GridError | undefined {
    if (!this.#place.isLost()) return undefined;
    return new GridError('state', `the state file ${this.#place.file} was removed or replaced while it was in use`, {
      hint: 'restart the daemon: it imports what this host has from the grid; put back no copy of the file',
    });
  }

  close(): void {
    this.#database.close();
    this.#place.release();
  }

  #write(mark: string, before: Lease | undefined, after: Lease | undefined): void {
    const remove = { sql: 'DELETE FROM lease WHERE mark = $mark', values: { $mark: mark } };
    const write = after === undefined ? remove : leaseWrite(before, after);
    if (write !== undefined) this.statements.run(write.sql, (statement) => statement.run(write.values));
  }

  #notify(lease?: Lease): void {
    for (const listener of this.#listeners) listener(lease);
  }
}
