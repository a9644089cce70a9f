/**
 * The daemon's durable state: one row an attachment that holds, is being given or owes an address. Every method that
 * writes is durable when it returns. Losing the file loses no address: the identity on the grid's objects is enough to
 * find them again.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import * as v from 'valibot';
import { GridError } from './errors.ts';
import { shortNetworkName } from './identity.ts';
import type { Owner } from './machine.ts';
import { openStateFile, type SetAside, type StateFile, stateError } from './state-file.ts';
import type { StatePlace } from './state-place.ts';

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
  /** Device and inode of the namespace and of where it was seen, if the daemon could see it: see namespaces.ts. */
  netnsId: v.nullable(v.string()),
  /** Start of the process whose namespace it is, clock ticks since the boot. */
  processStart: v.nullable(v.number()),
  bootId: v.nullable(v.string()),
  /** Seconds since 1970; the boot ID alone proves no reboot: see liveness.ts. */
  bootedAt: v.nullable(v.number()),
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
  /** Which ADDs may have been answered with what is held: see callers.ts. */
  callers: v.nullable(v.string()),
});
export type Row = v.InferOutput<typeof Row>;

/** `createdAt` of what was read from the grid: older than whatever this daemon is asked. */
export const importedAt = 0;

/** Milliseconds that a failure stands against promising service. */
const failureCountsFor = 30_000;

/** States in which a row can be due, the most urgent first. */
const dueStates: readonly Row['state'][] = ['owed', 'held'];

const columns = Object.keys(Row.entries);

/** Names of rows that are left out of an answer. */
type Names = Pick<ReadonlySet<string>, 'has'>;
const none: Names = new Set();

/**
 * A row for an attachment that this state knows nothing of: an intent that nothing is known of yet.
 * @param network name of the network, as configured or as it stands in comments
 * @param now milliseconds since 1970
 */
export function newRow(identity: string, network: string, view: string, now: number): Row {
  return {
    identity,
    network: shortNetworkName(network),
    view,
    state: 'intent',
    address: null,
    netns: null,
    netnsId: null,
    processStart: null,
    bootId: null,
    bootedAt: null,
    createdAt: now,
    attempts: 0,
    dueAt: null,
    suspectUntil: null,
    doomedUntil: null,
    callers: null,
  };
}

export class Store {
  readonly #database: DatabaseSync;
  readonly #place: StatePlace;
  readonly #statements = new Map<string, StatementSync>();
  /** Rows that could not be removed, though what they stand for is gone. */
  readonly #left = new Set<string>();
  readonly #watchers = new Set<Set<string>>();
  #failure: { readonly error: GridError; readonly at: number } | undefined;

  private constructor({ database, place }: Pick<StateFile, 'database' | 'place'>) {
    this.#database = database;
    this.#place = place;
  }

  /**
   * Opens `state.db` in the directory, made if absent. A file that is damaged, of a newer release or another machine's is set
   * aside.
   * @param owner whose it has to be, if that matters
   * @returns the store and, if a file was set aside, where it is now
   * @throws GridError `state` if the directory cannot be used or another daemon has it
   */
  static open(directory: string, owner?: Owner): { store: Store; setAside?: SetAside } {
    const { setAside, ...file } = openStateFile(directory, { columns, owner });
    return { store: new Store(file), ...(setAside === undefined ? {} : { setAside }) };
  }

  get(identity: string): Row | undefined {
    const row = this.#run('SELECT * FROM attachment WHERE identity = ?', (statement) => statement.get(identity));
    return row === undefined ? undefined : v.parse(Row, row);
  }

  /** Whether there is a row of an identity that begins with `prefix`. */
  hasAny(prefix: string): boolean {
    const sql = 'SELECT 1 FROM attachment WHERE identity >= ?1 AND identity < ?1 || char(1114111) LIMIT 1';
    return this.#run(sql, (statement) => statement.get(prefix)) !== undefined;
  }

  /** Writes a row, in place of one of the same identity. */
  put(row: Row): void {
    const places = columns.map((column) => `$${column}`).join(', ');
    this.#run(`INSERT OR REPLACE INTO attachment (${columns.join(', ')}) VALUES (${places})`, (statement) =>
      statement.run(Object.fromEntries(columns.map((column) => [`$${column}`, row[column as keyof Row]]))),
    );
    this.#failure = undefined;
    this.#left.delete(row.identity);
    try {
      this.#removeLeft();
    } catch {
      // This row stands; those are tried again with the next.
    }
  }

  #removeLeft(): void {
    for (const identity of this.#left) this.remove(identity);
  }

  /** Removes a row. What cannot be removed now holds nothing any more, and is removed when the state can be written. */
  remove(identity: string): void {
    for (const removed of this.#watchers) removed.add(identity);
    this.#left.add(identity);
    this.#run('DELETE FROM attachment WHERE identity = ?', (statement) => statement.run(identity));
    this.#left.delete(identity);
  }

  /** Collects the identities of rows that are removed from now on until `end`: for who reads what was true before that. */
  watchRemovals(): { readonly removed: ReadonlySet<string>; readonly end: () => void } {
    const removed = new Set<string>();
    this.#watchers.add(removed);
    return { removed, end: () => this.#watchers.delete(removed) };
  }

  /** Which other attachment holds an address of a view, as far as this host knows. */
  holder(view: string, address: string, except: string): string | undefined {
    const sql = "SELECT identity FROM attachment WHERE state = 'held' AND view = ? AND address = ?";
    const holders = this.#run(sql, (statement) => statement.all(view, address)).map((row) => String(row.identity));
    return holders.find((identity) => identity !== except && !this.#left.has(identity));
  }

  /**
   * Rows that upkeep has to act on: what is owed before what is only looked at, the longest due first. What is due after
   * `horizon` was dated by a clock that has been set back since, and is due too. Reads no more rows than it returns, but
   * for those of `except`.
   */
  due(now: number, horizon: number, limit: number, except = none): Row[] {
    const rows: Row[] = [];
    for (const state of dueStates) {
      for (const [condition, time] of [['dueAt <= ?', now] as const, ['dueAt > ?', horizon] as const]) {
        const sql = `SELECT * FROM attachment WHERE state = ? AND dueAt IS NOT NULL AND ${condition} ORDER BY dueAt`;
        this.#run(sql, (statement) => {
          if (rows.length >= limit) return;
          for (const row of statement.iterate(state, time)) {
            if (!except.has(String(row.identity))) rows.push(v.parse(Row, row));
            if (rows.length >= limit) return;
          }
        });
      }
    }
    return rows;
  }

  /** When upkeep has to act next on a row other than those, milliseconds since 1970. */
  nextDue(except = none): number | undefined {
    const sql = 'SELECT identity, dueAt FROM attachment WHERE state = ? AND dueAt IS NOT NULL ORDER BY dueAt';
    const times = dueStates.map((state) =>
      this.#run(sql, (statement) => {
        for (const { identity, dueAt } of statement.iterate(state)) {
          if (!except.has(String(identity))) return Number(dueAt);
        }
        return Number.POSITIVE_INFINITY;
      }),
    );
    const next = Math.min(...times);
    return Number.isFinite(next) ? next : undefined;
  }

  /** Lets upkeep act at once on every row whose last attempt has failed, as if it were the first. */
  hurryFailed(now: number): void {
    const sql = 'UPDATE attachment SET dueAt = ?, attempts = 0 WHERE attempts > 0 AND dueAt IS NOT NULL';
    this.#run(sql, (statement) => statement.run(now));
  }

  /** Lets upkeep look at the reservations that were given after `since`, at some time between now and `last` each. */
  lookAgain(since: number, now: number, last: number): void {
    this.#removeLeft();
    const sql = `UPDATE attachment SET dueAt = ? + abs(random() % ?)
      WHERE state = 'held' AND address IS NOT NULL AND dueAt IS NULL AND createdAt > ?`;
    this.#run(sql, (statement) => statement.run(now, Math.max(last - now, 1), since));
  }

  /** Some of the held rows of a view. */
  heldIn(view: string, limit: number): Row[] {
    const sql = "SELECT * FROM attachment WHERE state = 'held' AND view = ? AND address IS NOT NULL LIMIT ?";
    return this.#rows(sql, view, limit);
  }

  ofNetwork(network: string): Row[] {
    return this.#rows('SELECT * FROM attachment WHERE network = ?', network);
  }

  /** Held rows whose network namespace was seen. */
  withNamespace(): Row[] {
    return this.#rows("SELECT * FROM attachment WHERE state = 'held' AND netnsId IS NOT NULL");
  }

  /** Completes rows of this boot that an earlier release has written, with the time of the boot. */
  dateBoot(bootId: string, bootedAt: number): void {
    const sql = 'UPDATE attachment SET bootedAt = ? WHERE bootId = ? AND bootedAt IS NULL';
    this.#run(sql, (statement) => statement.run(bootedAt, bootId));
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

  /** What kept the state from being written a moment ago. It is forgotten after a while, since only an ADD can tell. */
  get obstacle(): GridError | undefined {
    const failure = this.#failure;
    return failure !== undefined && performance.now() - failure.at < failureCountsFor ? failure.error : undefined;
  }

  /** That the file was removed or replaced, so that nothing that is written lasts; undefined if it is in its place. */
  get loss(): GridError | undefined {
    if (!this.#place.isLost()) return undefined;
    return new GridError('state', `the state file ${this.#place.file} was removed or replaced while it was in use`, {
      cure: 'start the daemon again, as its service does: it reads back from the grid what this host holds',
    });
  }

  close(): void {
    this.#database.close();
    this.#place.release();
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
      this.#failure = { error: stateError(error, 'state.db'), at: performance.now() };
      throw this.#failure.error;
    }
  }
}
