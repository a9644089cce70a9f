/**
 * Who may use the address of an attachment: the IDs of the ADDs that were, or may have been, answered with it. A caller
 * that got no answer says so, and its ID is struck out; when none is left, nobody uses the address. The order in
 * which callers come and say so does not matter.
 */

/** IDs with spaces between them, as the state has them; '' for nobody; null for "not known, leave it alone". */
export type Callers = string | null;

/** More repeated ADDs of one attachment than any runtime makes: no longer kept count of. */
const maxCallers = 16;
/** Attachments whose answers are remembered. */
const maxRemembered = 10_000;

/** @param ids IDs of ADDs */
export function withCallers(callers: Callers, ids: Iterable<string>): Callers {
  if (callers === null) return null;
  const all = new Set(split(callers));
  for (const id of ids) all.add(id);
  return all.size > maxCallers ? null : [...all].join(' ');
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

interface Answered {
  /** Which of all answers of this run the last one was. */
  readonly order: number;
  /** ID of the last ADD that is known to have its answer. */
  readonly told?: string | undefined;
}

/** What this run knows of the ADDs that were answered: when, as far as that matters for evidence which is older, and who has the answer. */
export class Answers {
  readonly #answered = new Map<string, Answered>();
  #count = 0;
  /** What was answered up to here may have been forgotten: it counts as answered then. */
  #forgotten = 0;

  /** An ADD of the attachment is going to be answered. */
  answering(mark: string): void {
    this.#count += 1;
    this.#remember(mark, { ...this.#answered.get(mark), order: this.#count });
  }

  /** The caller has its answer. */
  delivered(mark: string, caller: string): void {
    const order = this.#answered.get(mark)?.order ?? this.#forgotten;
    this.#remember(mark, { order, told: caller });
  }

  /** How many ADDs have been answered: this point in the order of all answers, for `toldSince`. */
  get count(): number {
    return this.#count;
  }

  /** Tells whether an ADD of the attachment was answered after a point. */
  toldSince(mark: string, count: number): boolean {
    return (this.#answered.get(mark)?.order ?? this.#forgotten) > count;
  }

  /** ID of an ADD of an attachment that is known to have its answer, if there is one. What is not known costs a write of the state. */
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
