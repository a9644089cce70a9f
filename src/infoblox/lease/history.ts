/**
 * The history of addresses: an entry for each time that a lease was bound, kept after the lease is forgotten. An entry is completed, never
 * corrected: bound, then released, then returned when it is gone from the grid. This file decides what a change of a lease adds, and
 * answers queries; store/history-table.ts stores the entries.
 */
import { attachmentIn } from '../mark.ts';
import { type Workload, workloadOfLease } from '../workload.ts';
import type { Lease } from './lease.ts';

/**
 * Who released a lease, for people: the runtime by DEL or GC, the reaper, an operator, or an ADD whose answer was not delivered or which
 * failed.
 */
export const releasers = ['DEL', 'GC', 'reaper', 'operator', 'undelivered', 'unfinished'] as const;
export type Releaser = (typeof releasers)[number];

/**
 * How an entry ended: by a releaser; `lost` if the reservation was missing and could not be re-created; `unknown` if the history was not
 * writable then.
 */
export const releases = [...releasers, 'lost', 'unknown'] as const;
type Release = (typeof releases)[number];

/** Times in milliseconds since 1970 by the host's clock then, which may have been set since. */
export interface HistoryEntry {
  readonly address: string;
  readonly view: string;
  readonly mark: string;
  /** Null if unknown. */
  readonly workload: Workload | null;
  /** When the address was assigned; null if unknown, as for an imported lease. */
  readonly boundAt: number | null;
  /** When the entry was made; the address was held then. */
  readonly recordedAt: number;
  /** When it was released; null while it is held. */
  readonly releasedAt: number | null;
  readonly releasedBy: Release | null;
  /** When it was gone from the grid, or the same attachment asked again; null before that. */
  readonly returnedAt: number | null;
}

/** A change of the history. `released` and `returned` complete the entries of a mark at an address that lack this. */
export type HistoryChange =
  | { readonly kind: 'bound'; readonly lease: Lease & { readonly address: string } }
  /** `at`: milliseconds since 1970; null if the lease does not say. */
  | {
      readonly kind: 'released';
      readonly mark: string;
      readonly address: string;
      readonly by: Release;
      readonly at: number | null;
    }
  | { readonly kind: 'returned'; readonly mark: string; readonly address: string };

/** Decides what a change of a lease adds to the history: usually nothing. */
export function historyChanges(before: Lease | undefined, after: Lease | undefined): HistoryChange[] {
  if (isHeld(before) && isHeld(after) && before.address === after.address) return [];
  const changes: HistoryChange[] = [];
  if (before !== undefined && before.address !== null) {
    const { mark, address } = before;
    if (isHeld(before)) {
      changes.push({ kind: 'released', mark, address, by: after?.releasedBy ?? 'lost', at: after?.releasedAt ?? null });
    }
    // An attachment that asks again may get the same address.
    if (after?.address !== address || (isHeld(after) && !isHeld(before)))
      changes.push({ kind: 'returned', mark, address });
  }
  if (isHeld(after)) changes.push({ kind: 'bound', lease: after });
  return changes;
}

function isHeld(lease: Lease | undefined): lease is Lease & { readonly address: string } {
  return lease?.phase === 'bound' && lease.address !== null;
}

/** Lists who has held an address, latest first. @param entries in the order in which they were made */
export function holdings(entries: readonly HistoryEntry[]) {
  return entries.map((entry) => holding(entry, entries)).reverse();
}

/**
 * Finds who held an address at a time, on this host. Without a certain holder, also finds the last holding before and the first after.
 * @param at milliseconds since 1970
 */
export function holdersAt(entries: readonly HistoryEntry[], at: number) {
  const told = entries.map((entry) => ({
    holding: holding(entry, entries),
    state: stateThen(entry, at),
    ...spanOf(entry),
  }));
  const holders = told.flatMap(({ holding, state }) => (state === undefined ? [] : [{ ...holding, state }]));
  const answer = { at: iso(at), holders };
  if (holders.some(({ state }) => state === 'held')) return answer;
  const certain = told.filter(({ state }) => state !== 'perhaps');
  const before = certain.findLast(({ until }) => until <= at)?.holding;
  const after = certain.find(({ from }) => from > at)?.holding;
  return { ...answer, ...(before && { before }), ...(after && { after }) };
}

/**
 * Tells the state of a holding at a time: `held`; `perhaps`, if its beginning is unknown or the clock was set back meanwhile; or `released`
 * but still reserved on the grid.
 */
function stateThen(entry: HistoryEntry, at: number): 'held' | 'perhaps' | 'released' | undefined {
  const { from, until } = spanOf(entry);
  // The clock was set back while it was held, by an unknown amount.
  if (until < from) return at >= from || at < until ? 'perhaps' : undefined;
  if (at < from) return entry.boundAt === null ? 'perhaps' : undefined;
  if (at < until) return 'held';
  return at < (entry.returnedAt ?? Number.POSITIVE_INFINITY) ? 'released' : undefined;
}

/** Returns beginning and end of a holding, in milliseconds since 1970; the end is infinite while it is held. */
function spanOf({ boundAt, recordedAt, releasedAt }: HistoryEntry): { readonly from: number; readonly until: number } {
  return { from: boundAt ?? recordedAt, until: releasedAt ?? Number.POSITIVE_INFINITY };
}

/** Converts an entry for people and programs; the operator's protocol describes the fields. */
function holding(entry: HistoryEntry, all: readonly HistoryEntry[]) {
  const { address, view, mark, boundAt, recordedAt, releasedAt, releasedBy, returnedAt } = entry;
  const { network, ifName } = attachmentIn(mark);
  const { containerId, ...names } = workloadOfLease(entry);
  return {
    address,
    view,
    network,
    container: containerId,
    interface: ifName,
    ...names,
    from: isoOrNull(boundAt),
    recorded: iso(recordedAt),
    until: isoOrNull(releasedAt),
    releasedBy,
    returned: isoOrNull(returnedAt),
    overlaps: all.some((other) => other.view === view && contradicts(entry, other)),
  };
}

function contradicts(entry: HistoryEntry, other: HistoryEntry): boolean {
  const [one, two] = [spanOf(entry), spanOf(other)];
  if (entry === other) return one.until < one.from;
  return one.from < two.until && two.from < one.until;
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

function isoOrNull(milliseconds: number | null): string | null {
  return milliseconds === null ? null : iso(milliseconds);
}
