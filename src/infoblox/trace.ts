/** What became of a reservation that is not where it was left: moved with its view, altered by somebody, or gone. */
import { GridError } from './errors.ts';
import { parseMark } from './mark.ts';
import { type FixedAddress, isReservation } from './wapi/schemas.ts';
import type { Reservations } from './reservations.ts';

/** A reservation that a search in its view does not find. */
export interface Lost {
  /** Its comment. */
  readonly mark: string;
  readonly view: string;
  /** Null if it is not known, as after the state was lost. */
  readonly address: string | null;
}

export type Trace =
  /** As it was, in another view: the view has another name by now. */
  | { readonly kind: 'moved'; readonly view: string; readonly found: readonly FixedAddress[] }
  /** There, but its comment goes on behind the mark, or it is no reservation any more. */
  | { readonly kind: 'altered'; readonly object: FixedAddress }
  /** Not there; the address may be somebody's by now. */
  | { readonly kind: 'gone'; readonly holder?: FixedAddress };

/** Searches all views: two requests at most. What was altered is reported. */
export async function trace(reservations: Reservations, lost: Lost, signal: AbortSignal): Promise<Trace> {
  const found = await reservations.find(lost.mark, undefined, signal);
  const [first] = found;
  if (first !== undefined) return { kind: 'moved', view: first.network_view, found };
  if (lost.address === null) return { kind: 'gone' };
  const outcome = judge(lost, await reservations.at(lost.address, undefined, signal));
  if (outcome.kind === 'altered') reservations.reportAltered(outcome.object);
  return outcome;
}

/** @param atAddress what the grid has at the address, in all views; none of it is the reservation as it was */
export function judge({ mark, view }: Lost, atAddress: readonly FixedAddress[]): Trace {
  const altered = atAddress.find(
    ({ comment }) => comment === mark || (comment.startsWith(mark) && parseMark(comment) === undefined),
  );
  if (altered !== undefined) return { kind: 'altered', object: altered };
  const holder = atAddress.find((object) => object.network_view === view);
  return holder === undefined ? { kind: 'gone' } : { kind: 'gone', holder };
}

/** What an altered object is now, in words that follow its address. */
export function describeAltered(object: FixedAddress): string {
  const { comment, mac, match_client } = object;
  if (isReservation(object)) return `was changed in the grid and is now "${comment}"`;
  return `was changed in the grid and is no reservation any more (match_client ${match_client}, MAC ${mac}): "${comment}"`;
}

/**
 * The error for an attachment whose reservation has moved to another view.
 * @param who names the attachment
 */
export function movedError(who: string, lost: Lost, view: string): GridError {
  return new GridError(
    'network-conflict',
    `${who} holds ${lost.address ?? 'its address'} in network view ${view}, not ${lost.view}: the view has been renamed`,
    { cure: `set network-view to ${view}, or rename the view back to ${lost.view}` },
  );
}
