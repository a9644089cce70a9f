/**
 * Who may use the address of an attachment: the IDs of the ADDs that were, or may have been, answered with it. A caller
 * that got no answer says so, and its ID is struck out; when none is left, nobody uses the address. The order in
 * which callers come and say so does not matter.
 */

/** IDs with spaces between them, as the state has them; '' for nobody; null for "not known, leave it alone". */
export type Callers = string | null;

/** More repeated ADDs of one attachment than any runtime makes: no longer kept count of. */
const most = 16;

/** @param ids IDs of ADDs */
export function withCallers(callers: Callers, ids: Iterable<string>): Callers {
  if (callers === null) return null;
  const all = new Set(split(callers));
  for (const id of ids) all.add(id);
  return all.size > most ? null : [...all].join(' ');
}

/** @returns `callers` itself if the ADD is none of them */
export function withoutCaller(callers: Callers, id: string): Callers {
  if (callers === null) return null;
  return split(callers)
    .filter((one) => one !== id)
    .join(' ');
}

/**
 * As `withCallers`, for callers that are answered with what was held before. If one that is written down is known to have
 * its answer, it will never be struck out, and nobody else need be written down: a full disk is no reason to refuse them.
 * @param told ID of an ADD that is known to have its answer
 */
export function joinedBy(callers: Callers, ids: Iterable<string>, told: string | undefined): Callers {
  if (callers !== null && told !== undefined && split(callers).includes(told)) return callers;
  return withCallers(callers, ids);
}

function split(callers: string): string[] {
  return callers === '' ? [] : callers.split(' ');
}
