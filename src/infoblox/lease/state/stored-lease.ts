/** A lease as a row of its table. */
import * as v from 'valibot';
import { readWorkload, workloadText } from '../../workload.ts';
import type { Lease } from '../lease.ts';
import { releasers } from '../releaser.ts';

const nullableText = v.nullable(v.string());
const nullableNumber = v.nullable(v.number());

export const StoredLease = v.object({
  mark: v.string(),
  network: v.string(),
  view: v.string(),
  phase: v.picklist(['pending', 'bound', 'releasing']),
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
  releasedAt: nullableNumber,
  createInDoubtUntil: nullableNumber,
  deleteInDoubtUntil: nullableNumber,
  dueAt: nullableNumber,
  attempts: v.number(),
});

/** Of the table `lease`, in its order. */
export const columns = Object.keys(StoredLease.entries);

/** The statement that writes a lease in place of the one of its mark; its parameters are `rowOf` the lease. */
export const putLease = `INSERT OR REPLACE INTO lease (${columns.join(', ')})
  VALUES (${columns.map((column) => `$${column}`).join(', ')})`;

/** Returns the values of the row of a lease, by the names of their parameters. */
export function rowOf(lease: Lease): Record<string, string | number | null> {
  const values = { ...lease, workload: workloadText(lease.workload) };
  return Object.fromEntries(columns.map((column) => [`$${column}`, values[column as keyof Lease]]));
}
