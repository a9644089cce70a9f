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

/**
 * Adds callers that are answered with an address held before. If a recorded caller is known to have its answer, it is never removed, so no
 * other need be recorded: ADDs then work even if the disk is full.
 * @param told ID of an ADD that is known to have its answer
 */
export function joinedBy(callers: Callers, ids: Iterable<string>, told: string | undefined): Callers {
  if (callers !== null && told !== undefined && split(callers).includes(told)) return callers;
  return withCallers(callers, ids);
}

function split(callers: string): string[] {
  return callers === '' ? [] : callers.split(' ');
}

interface Answered {
  /** Position of the last answer in the order of all answers of this run. */
  readonly order: number;
  /** ID of the last ADD that is known to have its answer. */
  readonly told?: string | undefined;
}

/** Remembers answered ADDs of this run: their order, to judge older evidence, and which caller has its answer. */
export class Answers {
  readonly #answered = new Map<string, Answered>();
  #count = 0;
  /** Forgotten attachments count as answered at this point. */
  #forgotten = 0;

  /** Records that an ADD of the attachment is about to be answered. */
  answering(mark: string): void {
    this.#count += 1;
    this.#remember(mark, { ...this.#answered.get(mark), order: this.#count });
  }

  /** Records that a caller has its answer. */
  delivered(mark: string, caller: string): void {
    const order = this.#answered.get(mark)?.order ?? this.#forgotten;
    this.#remember(mark, { order, told: caller });
  }

  /** Number of answers so far: the present point in their order, for `toldSince`. */
  get count(): number {
    return this.#count;
  }

  /** Tells whether an ADD of the attachment was answered after a point. */
  toldSince(mark: string, count: number): boolean {
    return (this.#answered.get(mark)?.order ?? this.#forgotten) > count;
  }

  /** Returns the ID of an ADD that is known to have its answer. Undefined costs a write of the state. */
  told(mark: string): string | undefined {
    return this.#answered.get(mark)?.told;
  }

  #remember(mark: string, answered: Answered): void {
    if (this.#answered.size >= maxRemembered && !this.#answered.has(mark)) {
      this.#answered.clear();
      this.#forgotten = this.#count;
    }
    this.#answered.set(mark, answered);
  }
}
