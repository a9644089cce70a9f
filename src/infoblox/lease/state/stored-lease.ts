/** A lease as a row of its table. */
import * as v from 'valibot';
import { readWorkload, workloadText } from '../../workload.ts';
import { type Lease, releasers } from '../lease.ts';

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

/** Writes a lease as the values of such a row, by the names of their parameters. */
export function rowOf(lease: Lease): Record<string, string | number | null> {
  const values = { ...lease, workload: workloadText(lease.workload) };
  return Object.fromEntries(columns.map((column) => [`$${column}`, values[column as keyof Lease]]));
}
