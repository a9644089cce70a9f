/**
 * Who held an address, and when: an entry for each time that a lease was bound, kept after the lease is forgotten. What a
 * change of a lease means for it is decided here; store/history-table.ts keeps it in the state, holders.ts answers questions.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Workload } from '../../workload.ts';
import type { Lease } from '../lease.ts';
import { releasers } from './releaser.ts';

/**
 * How an entry ended: who released the lease; `lost` if the grid had lost the reservation and did not take it again; `unknown` if
 * the history could not be written then.
 */
export const endings = [...releasers, 'lost', 'unknown'] as const;
type Ending = (typeof endings)[number];

/** Times in milliseconds since 1970, as the host's clock was then: it may have been set since. */
export interface HistoryEntry {
  readonly address: string;
  readonly view: string;
  readonly mark: string;
  /** Null if it is not known. */
  readonly workload: Workload | null;
  /** When the address was given; null if that is not known, as for what was imported after the state was lost. */
  readonly boundAt: number | null;
  /** When the entry was made: the address was held then. */
  readonly recordedAt: number;
  /** When nobody needed it any more; null while it is held. */
  readonly releasedAt: number | null;
  readonly releasedBy: Ending | null;
  /** When it was seen to be gone from the grid, or the same attachment asked anew; null if neither has happened. */
  readonly returnedAt: number | null;
}

type Held = Lease & { readonly address: string };

/** A change of the history; all but the first change the entries of a mark at an address that are not complete. */
export type HistoryChange =
  | { readonly kind: 'begin'; readonly lease: Held }
  /** Its view was renamed, or more of its workload is known. */
  | { readonly kind: 'correct'; readonly lease: Held }
  /** `at`: when, milliseconds since 1970, if a lease says so. */
  | {
      readonly kind: 'release';
      readonly mark: string;
      readonly address: string;
      readonly by: Ending;
      readonly at: number | null;
    }
  | { readonly kind: 'return'; readonly mark: string; readonly address: string };

/** Decides what a change of a lease means for the history: nothing, as a rule. */
export function historyChanges(before: Lease | undefined, after: Lease | undefined): HistoryChange[] {
  if (isHeld(before) && isHeld(after) && before.address === after.address) {
    const isSame = before.view === after.view && isDeepStrictEqual(before.workload, after.workload);
    return isSame ? [] : [{ kind: 'correct', lease: after }];
  }
  const changes: HistoryChange[] = [];
  if (before !== undefined && before.address !== null) {
    const { mark, address } = before;
    if (isHeld(before)) {
      changes.push({ kind: 'release', mark, address, by: after?.releasedBy ?? 'lost', at: after?.releasedAt ?? null });
    }
    if (after?.address !== address) changes.push({ kind: 'return', mark, address });
  }
  if (isHeld(after)) changes.push({ kind: 'begin', lease: after });
  return changes;
}

function isHeld(lease: Lease | undefined): lease is Held {
  return lease?.phase === 'bound' && lease.address !== null;
}
