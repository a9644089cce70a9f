/** A row of the table of leases. */
import * as v from 'valibot';

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
  createdAt: v.number(),
  releasedAt: nullableNumber,
  createInDoubtUntil: nullableNumber,
  deleteInDoubtUntil: nullableNumber,
  dueAt: nullableNumber,
  attempts: v.number(),
});

/** Of the table `lease`, in its order. */
export const columns = Object.keys(StoredLease.entries);
