/**
 * Tracks who may use the address of an attachment: the IDs of the ADDs that were, or may have been, answered with it. The ID of a caller
 * without an answer is removed; when none is left, the address is unused. The order of these events does not matter.
 */

/** IDs separated by spaces, as in the state; '' for no caller; null for unknown callers, which stay unknown. */
export type Callers = string | null;

/** More repeated ADDs of one attachment than any runtime makes; beyond this, callers become unknown. */
const maxCallers = 16;
/** Attachments whose answers are remembered. */
const maxRemembered = 10_000;

/** Adds callers. @param ids IDs of ADDs */
export function withCallers(callers: Callers, ids: Iterable<string>): Callers {
  if (callers === null) return null;
  const all = new Set(split(callers));
  for (const id of ids) all.add(id);
  return all.size > maxCallers ? null : [...all].join(' ');
}

/** Removes a caller. */
export function withoutCaller(callers: Callers, id: string): Callers {
  if (callers === null) return null;
  return split(callers)
    .filter((one) => one !== id)
    .join(' ');
}

function split(callers: string): string[] {
  return callers === '' ? [] : callers.split(' ');
}

/** Remembers the order in which ADDs of this run were answered, to judge older evidence. */
export class Answers {
  /** Position of the last answer to each attachment. */
  readonly #last = new Map<string, number>();
  #count = 0;
  /** Forgotten attachments count as answered at this point. */
  #forgotten = 0;

  /** Records that an ADD of the attachment is about to be answered. */
  answering(mark: string): void {
    this.#count += 1;
    if (this.#last.size >= maxRemembered && !this.#last.has(mark)) {
      this.#last.clear();
      this.#forgotten = this.#count;
    }
    this.#last.set(mark, this.#count);
  }

  /** Number of answers so far: the present point in their order, for `toldSince`. */
  get count(): number {
    return this.#count;
  }

  /** Tells whether an ADD of the attachment was answered after a point. */
  toldSince(mark: string, count: number): boolean {
    return (this.#last.get(mark) ?? this.#forgotten) > count;
  }
}
