/**
 * The leases of this host, durably. A change is a named transition, applied by read-change-write without an `await`, so that
 * nobody writes back a copy that has become stale; no other process has the file. Every method that writes is durable when
 * it returns. Losing the file loses no address: the marks on the grid are enough to find them again.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import * as v from 'valibot';
import type { Conditions } from '../../conditions.ts';
import { GridError } from '../../errors.ts';
import type { Owner } from '../../host/machine.ts';
import { historyChanges } from '../history.ts';
import type { Lease, Phase } from '../lease.ts';
import { type AddressHistory, HistoryTable } from './history.ts';
import { openStateFile, type SetAside, type StateFile } from './state-file.ts';
import type { StatePlace } from './state-place.ts';
import { Statements } from './statements.ts';
import { columns, leaseWrite, StoredLease } from './stored-lease.ts';

/** Phases in which a lease can be due, the most urgent first. */
const dueOrder: readonly Phase[] = ['releasing', 'pending', 'bound'];

/** The fact that says that the state is whole. Earlier releases called the import adoption. */
const wholeFact = 'adopted';

/** Marks that are left out of an answer. */
export type Except = Pick<ReadonlySet<string>, 'has'>;
const noMarks: Except = new Set();

/** When the reconciler is to act on leases: times in milliseconds since 1970. */
export interface Due {
  readonly now: number;
  /** What is due later than this was dated by a clock that has been set back since, and is due too. */
  readonly horizon: number;
}

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

export class SqliteLeaseStore {
  readonly #database: DatabaseSync;
  readonly #place: StatePlace;
  readonly #conditions: Conditions;
  readonly #statements: Statements;
  readonly #history: HistoryTable;
  readonly #listeners = new Set<(lease?: Lease) => void>();
  readonly #watchers = new Set<Set<string>>();

  private constructor(
    { database, place }: Pick<StateFile, 'database' | 'place'>,
    conditions: Conditions,
    { historyAge = defaultHistoryAge, now = Date.now }: StoreOptions,
  ) {
    this.#database = database;
    this.#place = place;
    this.#conditions = conditions;
    this.#statements = new Statements(database, conditions);
    this.#history = new HistoryTable(this.#statements, conditions, { age: historyAge, now });
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
  ): { store: SqliteLeaseStore; setAside?: SetAside } {
    const { setAside, ...file } = openStateFile(directory, { columns, owner: options.owner });
    return { store: new SqliteLeaseStore(file, conditions, options), ...(setAside === undefined ? {} : { setAside }) };
  }

  /** @param listener told after each change that makes a lease due at some time, of the lease if it is a single one */
  subscribe(listener: (lease?: Lease) => void): void {
    this.#listeners.add(listener);
  }

  get(mark: string): Lease | undefined {
    const row = this.#run('SELECT * FROM lease WHERE mark = ?', (statement) => statement.get(mark));
    return row === undefined ? undefined : v.parse(StoredLease, row);
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
    if (after !== undefined) this.#statements.together(write);
    else {
      // A forgotten lease that comes back after a power failure is looked for on the grid once more.
      this.#statements.unsynced(write);
      for (const watcher of this.#watchers) watcher.add(mark);
    }
    this.#conditions.clear('state-not-writable');
    if (after?.dueAt != null) this.#notify(after);
    return after;
  }

  /** The bound lease of another mark at an address of a view. */
  boundAt(view: string, address: string, except: string): Lease | undefined {
    const sql = "SELECT * FROM lease WHERE phase = 'bound' AND view = ? AND address = ? AND mark <> ?";
    return this.#all(sql, view, address, except)[0];
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

  /** Whether there is a lease whose mark begins with `prefix`. */
  hasAny(prefix: string): boolean {
    const sql = 'SELECT 1 FROM lease WHERE mark >= ?1 AND mark < ?1 || char(1114111) LIMIT 1';
    return this.#run(sql, (statement) => statement.get(prefix)) !== undefined;
  }

  /**
   * Marks of the leases that the reconciler has to act on: what is to be released first, then by the time at which they were
   * due. Reads no more of them than it returns, but for those of `except`.
   */
  due({ now, horizon }: Due, limit: number, except = noMarks): string[] {
    const marks: string[] = [];
    for (const phase of dueOrder) {
      for (const [condition, time] of [['dueAt <= ?', now] as const, ['dueAt > ?', horizon] as const]) {
        if (marks.length >= limit) return marks;
        const sql = `SELECT mark FROM lease WHERE phase = ? AND dueAt IS NOT NULL AND ${condition} ORDER BY dueAt`;
        this.#run(sql, (statement) => {
          for (const row of statement.iterate(phase, time)) {
            const mark = String(row.mark);
            if (!except.has(mark)) marks.push(mark);
            if (marks.length >= limit) return;
          }
        });
      }
    }
    return marks;
  }

  /** When the reconciler has to act next, milliseconds since 1970; undefined: never. */
  nextDue(except = noMarks): number | undefined {
    const sql = 'SELECT mark, dueAt FROM lease WHERE phase = ? AND dueAt IS NOT NULL ORDER BY dueAt';
    const times = dueOrder.map((phase) =>
      this.#run(sql, (statement) => {
        for (const { mark, dueAt } of statement.iterate(phase)) if (!except.has(String(mark))) return Number(dueAt);
        return Number.POSITIVE_INFINITY;
      }),
    );
    const next = Math.min(...times);
    return Number.isFinite(next) ? next : undefined;
  }

  /** Makes every lease due now whose last attempt has failed, as if it were the first. */
  hurryFailed(now: number): void {
    const sql = 'UPDATE lease SET dueAt = ?, attempts = 0 WHERE attempts > 0 AND dueAt IS NOT NULL';
    this.#run(sql, (statement) => statement.run(now));
    this.#notify();
  }

  /** Makes bound leases that were written to the grid after `since` due, each at some time from `from` on within `spread` milliseconds. */
  recheckSince(since: number, from: number, spread: number): void {
    const sql = `UPDATE lease SET dueAt = ? + abs(random() % ?)
      WHERE phase = 'bound' AND dueAt IS NULL AND writtenAt > ?`;
    this.#run(sql, (statement) => statement.run(from, Math.max(spread, 1), since));
    this.#notify();
  }

  /** @param network name as it stands in marks */
  ofNetwork(network: string): Lease[] {
    return this.#all('SELECT * FROM lease WHERE network = ?', network);
  }

  /** Bound leases in a view, any of them. */
  boundIn(view: string, limit: number): Lease[] {
    return this.#all("SELECT * FROM lease WHERE phase = 'bound' AND view = ? LIMIT ?", view, limit);
  }

  /** Completes leases of this boot that an earlier release has written. @param bootedAt seconds since 1970 */
  dateBoot(bootId: string, bootedAt: number): void {
    const sql = 'UPDATE lease SET bootedAt = ? WHERE bootId = ? AND bootedAt IS NULL';
    this.#run(sql, (statement) => statement.run(bootedAt, bootId));
  }

  /** What is being given back in a view, the oldest first. */
  releasing(view: string): Lease[] {
    // One that is being released is always due at some time; saying so, SQLite can use the index of what is due.
    const sql = "SELECT * FROM lease WHERE phase = 'releasing' AND dueAt IS NOT NULL AND view = ? ORDER BY dueAt";
    return this.#all(sql, view);
  }

  /** All leases of a phase. Pending ones are what an ADD has begun and not ended. */
  inPhase(phase: Phase): Lease[] {
    return this.#all('SELECT * FROM lease WHERE phase = ?', phase);
  }

  /** Bound leases whose sandbox was seen. */
  withSandbox(): Lease[] {
    return this.#all("SELECT * FROM lease WHERE phase = 'bound' AND netnsId IS NOT NULL");
  }

  /** One address that this host has in each network of each view. */
  addressOfEach(limit: number): { readonly view: string; readonly address: string }[] {
    const sql = `SELECT view, min(address) AS address FROM lease
      WHERE phase = 'bound' AND address IS NOT NULL GROUP BY network, view LIMIT ?`;
    const rows = this.#run(sql, (statement) => statement.all(limit));
    return rows.map(({ view, address }) => ({ view: String(view), address: String(address) }));
  }

  /** When the oldest release began that is not carried out yet, milliseconds since 1970; undefined if there is none. */
  oldestRelease(): number | undefined {
    const sql = "SELECT min(releasedAt) AS at FROM lease WHERE phase = 'releasing' AND dueAt IS NOT NULL";
    const row = this.#run(sql, (statement) => statement.get());
    return typeof row?.at === 'number' ? row.at : undefined;
  }

  count(phase: Phase): number {
    const row = this.#run('SELECT count(*) AS n FROM lease WHERE phase = ?', (statement) => statement.get(phase));
    return Number(row?.n ?? 0);
  }

  /** Who held an address of this host, in whatever view; ../holders.ts answers questions from it. */
  history(address: string): AddressHistory {
    return this.#history.of(address);
  }

  /** Counts the entries of the history, by reading all of them. */
  get historyCount(): number {
    return this.#history.count();
  }

  /** A lasting fact about this file, such as that the host's reservations have been imported. */
  fact(name: string): string | undefined {
    const row = this.#run('SELECT value FROM fact WHERE name = ?', (statement) => statement.get(name));
    return typeof row?.value === 'string' ? row.value : undefined;
  }

  setFact(name: string, value: string): void {
    this.#run('INSERT OR REPLACE INTO fact VALUES (?, ?)', (statement) => statement.run(name, value));
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
    if (write !== undefined) this.#run(write.sql, (statement) => statement.run(write.values));
  }

  #notify(lease?: Lease): void {
    for (const listener of this.#listeners) listener(lease);
  }

  #all(sql: string, ...values: (string | number)[]): Lease[] {
    return this.#run(sql, (statement) => statement.all(...values)).map((row) => v.parse(StoredLease, row));
  }

  #run<T>(sql: string, use: (statement: StatementSync) => T): T {
    return this.#statements.run(sql, use);
  }
}
