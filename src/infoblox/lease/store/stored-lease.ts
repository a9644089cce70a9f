/** Converts leases and blocks to rows of their tables, and back; also the rows of the history. */
import type { DatabaseSync } from 'node:sqlite';
import * as v from 'valibot';
import { families } from '../../address.ts';
import { StoredWorkload, workloadText } from '../../workload.ts';
import { type Block, blockPhases } from '../block/block.ts';
import { releasers, releases } from '../history.ts';
import { type Lease, phases } from '../lease.ts';
import type { Changes } from './values.ts';

const nullableText = v.nullable(v.string());
const nullableNumber = v.nullable(v.number());

export const StoredLease = v.object({
  mark: v.string(),
  network: v.string(),
  view: v.string(),
  phase: v.picklist(phases),
  address: nullableText,
  family: v.nullable(v.picklist(families)),
  sets: nullableNumber,
  netns: nullableText,
  netnsId: nullableText,
  processStart: nullableNumber,
  bootId: nullableText,
  bootedAt: nullableNumber,
  uptime: nullableNumber,
  callers: nullableText,
  workload: StoredWorkload,
  releasedBy: v.fallback(v.nullable(v.picklist(releasers)), null),
  createdAt: v.number(),
  writtenAt: v.number(),
  releasedAt: nullableNumber,
  createInDoubtUntil: nullableNumber,
  deleteInDoubtUntil: nullableNumber,
  dueAt: nullableNumber,
  attempts: v.number(),
  cooldownMs: v.number(),
  owedSince: nullableNumber,
  restsUntil: nullableNumber,
});

export const StoredBlock = v.object({
  mark: v.string(),
  network: v.string(),
  view: v.string(),
  cidr: v.string(),
  first: v.string(),
  size: v.number(),
  phase: v.picklist(blockPhases),
  takenAt: nullableNumber,
  usedAt: v.number(),
  lastGiven: nullableText,
  waitMs: v.number(),
  bootId: nullableText,
  uptime: nullableNumber,
  createInDoubtUntil: nullableNumber,
  deleteInDoubtUntil: nullableNumber,
});

/** An entry of the history. */
export const StoredEntry = v.object({
  address: v.string(),
  view: v.string(),
  mark: v.string(),
  workload: StoredWorkload,
  boundAt: nullableNumber,
  recordedAt: v.number(),
  releasedAt: nullableNumber,
  releasedBy: v.nullable(v.fallback(v.picklist(releases), 'unknown')),
  returnedAt: nullableNumber,
});

/** A value in a row. */
type Value = string | number | null;

/** A table of leases or blocks, by mark. */
export interface Table<T> {
  readonly name: string;
  readonly columns: readonly (keyof T & string)[];
  readonly stored: (one: T, column: keyof T) => Value;
}

export const leaseTable: Table<Lease> = {
  name: 'lease',
  columns: Object.keys(StoredLease.entries) as (keyof Lease)[],
  stored: (lease, column) => (column === 'workload' ? workloadText(lease.workload) : lease[column]),
};

export const blockTable: Table<Block> = {
  name: 'block',
  columns: Object.keys(StoredBlock.entries) as (keyof Block)[],
  stored: (block, column) => block[column],
};

/** Returns the SQL that creates a table. Its columns have no types: rows are checked when they are read. */
export function schemaOf<T>({ name, columns }: Table<T>): string {
  return `CREATE TABLE ${name} (${columns.join(', ')}, PRIMARY KEY (mark)) WITHOUT ROWID;`;
}

/** Returns a function that writes the present value of each changed mark to its row. Both throw the errors of SQLite. */
export function rowWriter<T>(
  database: DatabaseSync,
  { name, columns, stored }: Table<T>,
): (changes: Changes<T>) => void {
  const places = columns.map(() => '?').join(', ');
  const put = database.prepare(`INSERT OR REPLACE INTO ${name} (${columns.join(', ')}) VALUES (${places})`);
  const drop = database.prepare(`DELETE FROM ${name} WHERE mark = ?`);
  return (changes) => {
    for (const [mark, one] of changes) {
      if (one === undefined) drop.run(mark);
      else put.run(...columns.map((column) => stored(one, column)));
    }
  };
}
