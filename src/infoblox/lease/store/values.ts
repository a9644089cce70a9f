/** Values in memory, and the durable values of those that changed since the last commit. */

/** Present values by key; undefined: it is gone. */
export type Changes<T> = ReadonlyMap<string, T | undefined>;

export class Values<T> {
  readonly present = new Map<string, T>();
  readonly #durable = new Map<string, T | undefined>();
  readonly #noteChange: (before: T | undefined, after: T | undefined) => void;

  /** @param noteChange called for each stored value, and for each change */
  constructor(stored: Iterable<readonly [string, T]>, noteChange: (before?: T, after?: T) => void = () => {}) {
    this.#noteChange = noteChange;
    for (const [key, value] of stored) this.#put(key, value);
  }

  /** Sets a value; undefined removes it. */
  set(key: string, value: T | undefined): void {
    if (!this.#durable.has(key)) this.#durable.set(key, this.present.get(key));
    this.#put(key, value);
  }

  /** Returns the values that changed since the last commit. */
  changes(): Changes<T> {
    return new Map([...this.#durable.keys()].map((key) => [key, this.present.get(key)]));
  }

  /** Records that the changes are durable. */
  keep(): void {
    this.#durable.clear();
  }

  /** Returns to the durable values. @returns those that had changed */
  undo(): Changes<T> {
    const undone = new Map(this.#durable);
    this.#durable.clear();
    for (const [key, value] of undone) this.#put(key, value);
    return undone;
  }

  #put(key: string, value: T | undefined): void {
    const before = this.present.get(key);
    if (value === undefined) this.present.delete(key);
    else this.present.set(key, value);
    this.#noteChange(before, value);
  }
}
