/**
 * Who held an address, and when: an entry for each time that a lease was bound, kept after the lease is forgotten. It is added to,
 * never corrected: bound, then released by somebody, then returned when the grid has it no longer. What a change of a lease adds is
 * decided here, and questions are answered; store/history-table.ts keeps it in the state.
 */
import { attachmentIn } from '../mark.ts';
import { type Workload, workloadOfLease } from '../workload.ts';
import type { Lease } from './lease.ts';

/**
 * Who said that a lease is not needed any more, for people: the runtime by a DEL or a GC, the reaper, an operator; or an ADD, whose
 * answer was not delivered to its caller, or which did not end well.
 */
export const releasers = ['DEL', 'GC', 'reaper', 'operator', 'undelivered', 'unfinished'] as const;
export type Releaser = (typeof releasers)[number];

/**
 * How an entry ended: who released the lease; `lost` if the grid had lost the reservation and did not take it again; `unknown` if
 * the history could not be written then.
 */
export const releases = [...releasers, 'lost', 'unknown'] as const;
type Release = (typeof releases)[number];

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
  readonly releasedBy: Release | null;
  /** When it was seen to be gone from the grid, or the same attachment asked anew; null if neither has happened. */
  readonly returnedAt: number | null;
}

/** What is added; all but the first to the entries of a mark at an address that lack it. */
export type HistoryChange =
  | { readonly kind: 'bound'; readonly lease: Lease & { readonly address: string } }
  /** `at`: when, milliseconds since 1970, if a lease says so. */
  | {
      readonly kind: 'released';
      readonly mark: string;
      readonly address: string;
      readonly by: Release;
      readonly at: number | null;
    }
  | { readonly kind: 'returned'; readonly mark: string; readonly address: string };

/** Decides what a change of a lease adds to the history: nothing, as a rule. */
export function historyChanges(before: Lease | undefined, after: Lease | undefined): HistoryChange[] {
  if (isHeld(before) && isHeld(after) && before.address === after.address) return [];
  const changes: HistoryChange[] = [];
  if (before !== undefined && before.address !== null) {
    const { mark, address } = before;
    if (isHeld(before)) {
      changes.push({ kind: 'released', mark, address, by: after?.releasedBy ?? 'lost', at: after?.releasedAt ?? null });
    }
    // An attachment that asks again may be given what it had.
    if (after?.address !== address || (isHeld(after) && !isHeld(before)))
      changes.push({ kind: 'returned', mark, address });
  }
  if (isHeld(after)) changes.push({ kind: 'bound', lease: after });
  return changes;
}

function isHeld(lease: Lease | undefined): lease is Lease & { readonly address: string } {
  return lease?.phase === 'bound' && lease.address !== null;
}

/** Tells who has held an address, the latest first. @param entries in the order in which they were made */
export function holdings(entries: readonly HistoryEntry[]) {
  return entries.map((entry) => holding(entry, entries)).reverse();
}

/**
 * Tells who held an address at a time, and, if nobody did for certain, the last that had ended by then and the first that began
 * later. That nobody did means on this host: another one may have.
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
 * What is known of a holding at a time: it was held; perhaps, if its beginning is not known, or the clock was set back while it was; or
 * it was released, and still reserved on the grid.
 */
function stateThen(entry: HistoryEntry, at: number): 'held' | 'perhaps' | 'released' | undefined {
  const { from, until } = spanOf(entry);
  // The clock was set back while it was held: by how much, and when, nobody knows.
  if (until < from) return at >= from || at < until ? 'perhaps' : undefined;
  if (at < from) return entry.boundAt === null ? 'perhaps' : undefined;
  if (at < until) return 'held';
  return at < (entry.returnedAt ?? Number.POSITIVE_INFINITY) ? 'released' : undefined;
}

/** Milliseconds since 1970; infinite while it is held. */
function spanOf({ boundAt, recordedAt, releasedAt }: HistoryEntry): { readonly from: number; readonly until: number } {
  return { from: boundAt ?? recordedAt, until: releasedAt ?? Number.POSITIVE_INFINITY };
}

/** An entry as people and programs read it; what each field says stands where the operator's protocol has it. */
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
