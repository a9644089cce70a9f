/**
 * Stores the history of addresses, in the transactions of their leases. It is for people: a failure to write it is a condition, and does
 * not prevent the change of a lease. Age and number of entries are limited; the oldest are dropped first.
 */
import type { DatabaseSync } from 'node:sqlite';
import * as v from 'valibot';
import { messageOf } from '../../../errno.ts';
import type { Conditions } from '../../conditions.ts';
import { GridError } from '../../errors.ts';
import { workloadText } from '../../workload.ts';
import type { HistoryEntry } from '../history.ts';
import type { Batch } from './batched-store.ts';
import { inTransaction } from './state-file.ts';
import { StoredEntry } from './stored-lease.ts';

/** Maximum entries of released leases, of about half a kilobyte each. */
const maxEntriesEnded = 100_000;
/** Share of them by which there may be more. */
const maxSurplus = 1 / 100;
/** Milliseconds before the condition lapses: only the next change can show that the history is writable. */
const failureLapsesAfterMs = 3_600_000;

/** Columns written when a lease is bound. */
const bindingColumns = 'address, view, mark, workload, boundAt, recordedAt';

/** The fact that records since when the history is kept, in milliseconds since 1970. */
const sinceFact = 'historySince';

/** The history of an address. */
export interface AddressHistory {
  /** In the order in which they were made. */
  readonly entries: readonly HistoryEntry[];
  /** Since when it is complete, milliseconds since 1970; null if no history is kept. */
  readonly since: number | null;
}

interface HistoryOptions {
  /** Milliseconds for which an entry is kept after its release; 0: no history. */
  readonly maxAgeMs: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Maximum entries of released leases. */
  readonly maxEnded?: number;
}

export class HistoryTable {
  readonly #database: DatabaseSync;
  readonly #conditions: Conditions;
  readonly #options: Required<HistoryOptions>;
  /** Releases of this run. */
  #releases = 0;

  /** Updates the table to the leases, which may have changed without it. */
  constructor(database: DatabaseSync, conditions: Conditions, options: HistoryOptions) {
    this.#database = database;
    this.#conditions = conditions;
    this.#options = { maxEnded: maxEntriesEnded, ...options };
    try {
      inTransaction(database, () => (options.maxAgeMs === 0 ? this.#empty() : this.#catchUp()));
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Writes changes in the transaction of their leases. @throws the error of SQLite if it also undid that transaction */
  write(changes: Batch['history']): void {
    if (this.#options.maxAgeMs === 0 || changes.length === 0) return;
    try {
      for (const change of changes) this.#write(change);
      this.#conditions.clear('history-not-written');
    } catch (error) {
      if (!this.#database.isTransaction) throw error;
      this.#failed(error);
    }
  }

  /** @throws the error of SQLite */
  of(address: string): AddressHistory {
    const { maxAgeMs, now } = this.#options;
    if (maxAgeMs === 0) return { entries: [], since: null };
    const oldest = now() - maxAgeMs;
    const sql = 'SELECT * FROM history WHERE address = ? AND coalesce(releasedAt, ?2) >= ?2 ORDER BY number';
    const entries = this.#database.prepare(sql).all(address, oldest);
    const fact = this.#database.prepare('SELECT value FROM fact WHERE name = ?').get(sinceFact);
    const began = Number(fact?.value ?? now());
    return {
      entries: entries.map((row) => v.parse(StoredEntry, row)),
      since: Math.max(oldest, began, this.#lastKept() ?? began),
    };
  }

  #write({ at, change }: Batch['history'][number]): void {
    switch (change.kind) {
      case 'bound': {
        const { address, view, mark, workload, createdAt } = change.lease;
        const boundAt = createdAt === 0 ? null : at;
        const sql = `INSERT INTO history (${bindingColumns}) VALUES (?, ?, ?, ?, ?, ?)`;
        this.#database.prepare(sql).run(address, view, mark, workloadText(workload), boundAt, at);
        return;
      }
      case 'released': {
        const { address, mark, by } = change;
        const sql = `UPDATE history SET releasedAt = ?, releasedBy = ? WHERE address = ? AND mark = ? AND releasedAt IS NULL`;
        this.#database.prepare(sql).run(change.at ?? at, by, address, mark);
        this.#releases += 1;
        this.#drop();
        return;
      }
      case 'returned': {
        const sql = 'UPDATE history SET returnedAt = ? WHERE address = ? AND mark = ? AND returnedAt IS NULL';
        this.#database.prepare(sql).run(at, change.address, change.mark);
      }
    }
  }

  /** Drops entries that are too old or too many, those first that were released first. */
  #drop(): void {
    const { maxAgeMs, maxEnded, now } = this.#options;
    let oldest = now() - maxAgeMs;
    // Not each time: it reads the whole index.
    if (this.#releases % Math.ceil(maxEnded * maxSurplus) === 0) oldest = Math.max(oldest, this.#lastKept() ?? oldest);
    this.#database.prepare('DELETE FROM history WHERE releasedAt < ?').run(oldest);
  }

  /** Returns the release of the last entry to be kept if there are too many, in milliseconds since 1970. */
  #lastKept(): number | undefined {
    const sql = 'SELECT releasedAt FROM history WHERE releasedAt IS NOT NULL ORDER BY releasedAt DESC LIMIT 1 OFFSET ?';
    const last = this.#database.prepare(sql).get(this.#options.maxEnded - 1);
    return last && Number(last.releasedAt);
  }

  /** Adds what happened at unknown times, while no history was kept or it was not writable. */
  #catchUp(): void {
    const now = this.#options.now();
    this.#database.prepare('INSERT OR IGNORE INTO fact VALUES (?, ?)').run(sinceFact, String(now));
    this.#database
      .prepare(`INSERT INTO history (${bindingColumns}) SELECT address, view, mark, workload, nullif(createdAt, 0), ?
        FROM lease WHERE phase = 'bound' AND address IS NOT NULL AND NOT EXISTS (SELECT 1 FROM history
          WHERE history.address = lease.address AND history.mark = lease.mark AND history.releasedAt IS NULL)`)
      .run(now);
    this.#database
      .prepare(`UPDATE history SET releasedAt = ?, releasedBy = 'unknown'
        WHERE releasedAt IS NULL AND NOT EXISTS (SELECT 1 FROM lease
          WHERE lease.mark = history.mark AND lease.address = history.address AND lease.phase = 'bound')`)
      .run(now);
    this.#drop();
  }

  #empty(): void {
    const { changes } = this.#database.prepare('DELETE FROM fact WHERE name = ?').run(sinceFact);
    if (changes > 0) this.#database.exec('DELETE FROM history');
  }

  #failed(cause: unknown): void {
    const error = new GridError('state', `the history of addresses cannot be written: ${messageOf(cause)}`, {
      hint: 'restart the daemon, which checks the state file and sets a damaged one aside',
      cause,
    });
    this.#conditions.raise('history-not-written', error, { lapsesAfterMs: failureLapsesAfterMs });
  }
}
