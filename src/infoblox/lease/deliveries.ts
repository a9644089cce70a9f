/**
 * Who waits for, or was told, what an attachment is given. An address that was taken for callers who have all left
 * without it is released; one that a single caller was told stays.
 */
interface Entry {
  /** Callers that wait or were told, of all ADDs of the attachment since its lease began. */
  callers: number;
  /** Whether this daemon has taken the address. One that was taken before may have been told to somebody unknown. */
  taken: boolean;
}

/** One caller's part. */
export interface Delivery {
  /** The caller has left without the result. @returns true if nobody is left who needs the address */
  failed(): boolean;
}

export class Deliveries {
  readonly #entries = new Map<string, Entry>();

  /** A caller begins to wait for the address of an attachment. */
  expect(mark: string): Delivery {
    const entry = this.#entries.get(mark) ?? { callers: 0, taken: false };
    this.#entries.set(mark, entry);
    entry.callers += 1;
    return {
      failed: () => {
        entry.callers -= 1;
        if (entry.callers > 0) return false;
        if (this.#entries.get(mark) === entry) this.#entries.delete(mark);
        return entry.taken;
      },
    };
  }

  /** The address that they wait for was taken just now. */
  taken(mark: string): void {
    const entry = this.#entries.get(mark);
    if (entry !== undefined) entry.taken = true;
  }

  /** The attachment has no lease any more: who was told of it, was told of that one. */
  forget(mark: string): void {
    this.#entries.delete(mark);
  }
}
