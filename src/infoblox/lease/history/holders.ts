/** Answers from the history: who held an address, and who held it at a certain time. For people and for programs. */
import { attachmentIn } from '../../mark.ts';
import { workloadOfLease } from '../../workload.ts';
import type { HistoryEntry } from './history.ts';

/** Tells who has held an address, the latest first. @param entries as the store has them */
export function holdings(entries: readonly HistoryEntry[]) {
  return entries.map((entry) => holding(entry, entries)).reverse();
}

/**
 * Tells who held an address at a time, and, if nobody did for certain, the last that had ended by then and the first that began
 * later. That nobody did means on this host: another one may have.
 * @param at milliseconds since 1970
 */
export function holdersAt(entries: readonly HistoryEntry[], at: number) {
  const told = entries.map((entry) => ({ entry, holding: holding(entry, entries), state: stateThen(entry, at) }));
  const holders = told.flatMap(({ holding, state }) => (state === undefined ? [] : [{ ...holding, state }]));
  const answer = { at: iso(at), holders };
  if (holders.some(({ state }) => state === 'held')) return answer;
  const before = told.findLast(({ entry, state }) => state !== 'perhaps' && spanOf(entry).until <= at)?.holding;
  const after = told.find(({ entry, state }) => state !== 'perhaps' && spanOf(entry).from > at)?.holding;
  return { ...answer, ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) };
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
    ...{ address, view, network, container: containerId, interface: ifName, ...names },
    ...{ from: isoOrNull(boundAt), recorded: iso(recordedAt), until: isoOrNull(releasedAt), releasedBy },
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
