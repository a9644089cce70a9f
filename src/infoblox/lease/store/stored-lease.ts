/** Converts leases and blocks to rows of their tables, and back. */
import * as v from 'valibot';
import { families } from '../../address.ts';
import { readWorkload, workloadText } from '../../workload.ts';
import { type Block, blockPhases } from '../block/block.ts';
import { releasers } from '../history.ts';
import { type Lease, phases } from '../lease.ts';
import type { Change } from './batched-store.ts';

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
  workload: v.pipe(nullableText, v.transform(readWorkload)),
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

/** A statement and its parameters. */
interface Write {
  readonly sql: string;
  readonly values: Record<string, Value>;
}

/** Returns the statement that updates a row from its durable to its present value; undefined if nothing changed. */
export function rowWrite<T extends object>(
  { name, columns, stored }: Table<T>,
  { mark, before, after }: Change<T>,
): Write | undefined {
  if (after === undefined) {
    return before && { sql: `DELETE FROM ${name} WHERE mark = $mark`, values: { $mark: mark } };
  }
  const changed = columns.filter((column) => after[column] !== before?.[column]);
  if (changed.length === 0) return undefined;
  const values = Object.fromEntries(changed.map((column) => [`$${column}`, stored(after, column)]));
  if (before === undefined) {
    return { sql: `INSERT INTO ${name} (${changed.join(', ')}) VALUES (${Object.keys(values).join(', ')})`, values };
  }
  const sql = `UPDATE ${name} SET ${changed.map((column) => `${column} = $${column}`).join(', ')} WHERE mark = $mark`;
  return { sql, values: { ...values, $mark: mark } };
}
