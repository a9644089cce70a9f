/** What can be asked of the leases in the state: by mark, by place, by phase, by what is to be done next. Changes nothing. */
import * as v from 'valibot';
import { type Cidr, contains } from '../../address.ts';
import type { Lease, Phase } from '../lease.ts';
import type { Statements } from './statements.ts';
import { StoredLease } from './stored-lease.ts';

/** Phases in which a lease can be due, the most urgent first. */
const dueOrder: readonly Phase[] = ['releasing', 'pending', 'bound'];

const dueUntil =
  'SELECT mark FROM lease WHERE phase = ?1 AND dueAt IS NOT NULL AND dueAt <= ?2 AND (?3 IS NULL OR view = ?3) ORDER BY dueAt';
const dueAfter =
  'SELECT mark FROM lease WHERE phase = ?1 AND dueAt IS NOT NULL AND dueAt > ?2 AND (?3 IS NULL OR view = ?3) ORDER BY dueAt';

/** Leases that are kept in memory: those of a few workers, and those that are looked at together. */
const mostRecent = 64;

/** Marks that are left out of an answer. */
type Except = Pick<ReadonlySet<string>, 'has'>;
const noMarks: Except = new Set();

/** When the reconciler is to act on leases: times in milliseconds since 1970. */
interface Due {
  readonly now: number;
  /** What is due later than this was dated by a clock that has been set back since, and is due too. */
  readonly horizon: number;
  /** Only leases in this view. */
  readonly view?: string | undefined;
}

/** All methods throw GridError `state` if the state cannot be read. */
export class LeaseReader {
  protected readonly statements: Statements;
  /** As they are in the file, which no other process has: who works on a lease reads it at each step. */
  readonly #recent = new Map<string, Lease>();

  constructor(statements: Statements) {
    this.statements = statements;
  }

  /** Returns the same object only while the lease has not been written; a different object does not prove that it has. */
  get(mark: string): Lease | undefined {
    const known = this.#recent.get(mark);
    if (known !== undefined) return known;
    const row = this.statements.run('SELECT * FROM lease WHERE mark = ?', (statement) => statement.get(mark));
    if (row === undefined) return undefined;
    const lease = v.parse(StoredLease, row);
    this.remember(mark, lease);
    return lease;
  }

  /** To be called before a lease is changed, or all of them after that. */
  protected changed(mark?: string): void {
    if (mark === undefined) this.#recent.clear();
    else this.#recent.delete(mark);
  }

  /** Keeps a lease in memory. To be called only when exactly this lease was read from the file, or written to it. */
  protected remember(mark: string, lease: Lease): void {
    if (this.#recent.size >= mostRecent) this.#recent.clear();
    this.#recent.set(mark, lease);
  }

  /** The bound lease of another mark at an address of a view. */
  boundAt(view: string, address: string, except: string): Lease | undefined {
    const sql = "SELECT * FROM lease WHERE phase = 'bound' AND view = ? AND address = ? AND mark <> ?";
    return this.#all(sql, view, address, except)[0];
  }

  /** Whether there is a lease whose mark begins with `prefix`. */
  hasAny(prefix: string): boolean {
    const sql = 'SELECT 1 FROM lease WHERE mark >= ?1 AND mark < ?1 || char(1114111) LIMIT 1';
    return this.statements.run(sql, (statement) => statement.get(prefix)) !== undefined;
  }

  /**
   * Marks of the leases that the reconciler has to act on: what is to be released first, then by the time at which they were
   * due. Reads no more of them than it returns, but for those of `except` and of
   * other views.
   */
  due({ now, horizon, view }: Due, limit: number, except = noMarks): string[] {
    const marks: string[] = [];
    for (const phase of dueOrder) {
      for (const [sql, time] of [[dueUntil, now] as const, [dueAfter, horizon] as const]) {
        if (marks.length >= limit) return marks;
        this.statements.run(sql, (statement) => {
          for (const row of statement.iterate(phase, time, view ?? null)) {
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
      this.statements.run(sql, (statement) => {
        for (const { mark, dueAt } of statement.iterate(phase)) if (!except.has(String(mark))) return Number(dueAt);
        return Number.POSITIVE_INFINITY;
      }),
    );
    const next = Math.min(...times);
    return Number.isFinite(next) ? next : undefined;
  }

  /** @param network name as it stands in marks */
  ofNetwork(network: string): Lease[] {
    return this.#all('SELECT * FROM lease WHERE network = ?', network);
  }

  /** Bound leases in a view, any of them. */
  boundIn(view: string, limit: number): Lease[] {
    return this.#all("SELECT * FROM lease WHERE phase = 'bound' AND view = ? LIMIT ?", view, limit);
  }

  /** Whether a bound lease of a network name has an address in a network. @param name as it stands in marks */
  hasBoundIn({ name, view, cidr }: { readonly name: string; readonly view: string; readonly cidr: Cidr }): boolean {
    const sql = "SELECT address FROM lease WHERE network = ? AND phase = 'bound' AND view = ?";
    return this.statements.run(sql, (statement) => {
      for (const { address } of statement.iterate(name, view)) if (contains(cidr, String(address))) return true;
      return false;
    });
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

  /** At most `limit` leases in the order of their marks, those after the mark `after`: a page for who reads all of them. */
  following(after: string, limit: number): Lease[] {
    return this.#all('SELECT * FROM lease WHERE mark > ? ORDER BY mark LIMIT ?', after, limit);
  }

  /** Bound leases whose sandbox was seen. */
  withSandbox(): Lease[] {
    return this.#all("SELECT * FROM lease WHERE phase = 'bound' AND netnsId IS NOT NULL");
  }

  /** One address that this host has in each network of each view. */
  addressOfEach(limit: number): { readonly view: string; readonly address: string }[] {
    const sql = `SELECT view, min(address) AS address FROM lease
      WHERE phase = 'bound' AND address IS NOT NULL GROUP BY network, view LIMIT ?`;
    const rows = this.statements.run(sql, (statement) => statement.all(limit));
    return rows.map(({ view, address }) => ({ view: String(view), address: String(address) }));
  }

  /** When the oldest release began that is not carried out yet, milliseconds since 1970; undefined if there is none. */
  oldestRelease(): number | undefined {
    const sql = "SELECT min(releasedAt) AS at FROM lease WHERE phase = 'releasing' AND dueAt IS NOT NULL";
    const row = this.statements.run(sql, (statement) => statement.get());
    return typeof row?.at === 'number' ? row.at : undefined;
  }

  count(phase: Phase): number {
    const row = this.statements.run('SELECT count(*) AS n FROM lease WHERE phase = ?', (statement) =>
      statement.get(phase),
    );
    return Number(row?.n ?? 0);
  }

  #all(sql: string, ...values: (string | number)[]): Lease[] {
    return this.statements.run(sql, (statement) => statement.all(...values)).map((row) => v.parse(StoredLease, row));
  }
}
