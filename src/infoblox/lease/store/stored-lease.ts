/** A lease as a row of its table. */
import * as v from 'valibot';
import { readWorkload, workloadText } from '../../workload.ts';
import { releasers } from '../history.ts';
import { type Lease, phases } from '../lease.ts';

const nullableText = v.nullable(v.string());
const nullableNumber = v.nullable(v.number());

export const StoredLease = v.object({
  mark: v.string(),
  network: v.string(),
  view: v.string(),
  phase: v.picklist(phases),
  address: nullableText,
  netns: nullableText,
  netnsId: nullableText,
  processStart: nullableNumber,
  bootId: nullableText,
  bootedAt: nullableNumber,
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
  restsUntil: nullableNumber,
});

/** Of the table `lease`, in its order. */
export const columns = Object.keys(StoredLease.entries) as readonly (keyof Lease)[];

/** A statement and its parameters. */
interface Write {
  readonly sql: string;
  readonly values: Record<string, string | number | null>;
}

/** Returns what makes the row of a lease that of the other; undefined if there is nothing to write. */
export function leaseWrite(mark: string, before: Lease | undefined, after: Lease | undefined): Write | undefined {
  if (after === undefined) {
    return before && { sql: 'DELETE FROM lease WHERE mark = $mark', values: { $mark: mark } };
  }
  const changed = columns.filter((column) => after[column] !== before?.[column]);
  if (changed.length === 0) return undefined;
  const stored = (column: keyof Lease) => (column === 'workload' ? workloadText(after.workload) : after[column]);
  const values = Object.fromEntries(changed.map((column) => [`$${column}`, stored(column)]));
  if (before === undefined) {
    return { sql: `INSERT INTO lease (${changed.join(', ')}) VALUES (${Object.keys(values).join(', ')})`, values };
  }
  const sql = `UPDATE lease SET ${changed.map((column) => `${column} = $${column}`).join(', ')} WHERE mark = $mark`;
  return { sql, values: { ...values, $mark: mark } };
}
