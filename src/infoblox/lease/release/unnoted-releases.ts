/** Releases that the state could not take: kept in memory, and noted when it can be written. */
import { type StartReleaseDeps, startReleaseOf, type UnnotedRelease } from './start-release.ts';

export class UnnotedReleases {
  readonly #deps: StartReleaseDeps;
  readonly #releases = new Map<string, UnnotedRelease>();
  readonly #listeners = new Set<() => void>();
  #isNoting = false;

  constructor(deps: StartReleaseDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#releases.size;
  }

  /** @param listener told of each release that is added */
  subscribe(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** @returns the release, with what is known of a delete that was sent for it before */
  add({ mark, network, view, by, at, deleteLost }: UnnotedRelease): UnnotedRelease {
    const known = this.#releases.get(mark);
    const release = {
      mark,
      network,
      view,
      by: known?.by ?? by,
      at: known?.at ?? at,
      deleteLost: deleteLost ?? known?.deleteLost,
    };
    this.#releases.set(mark, release);
    for (const listener of this.#listeners) listener();
    return release;
  }

  /**
   * Notes the release of an attachment, if there is one. To be called before anything is done for the attachment: later it
   * would undo that, and what it knows of a delete is not known to the lease.
   * @throws GridError `state` if it cannot be noted still
   */
  note(mark: string): void {
    const release = this.#releases.get(mark);
    if (release === undefined) return;
    // First: a write of the state is a reason to note all that is left.
    this.#releases.delete(mark);
    try {
      startReleaseOf(this.#deps, release);
    } catch (error) {
      this.#releases.set(mark, release);
      throw error;
    }
  }

  /** Notes all of them, unless that is being done. @throws GridError `state` at the first that cannot be noted */
  noteAll(): void {
    if (this.#isNoting) return;
    this.#isNoting = true;
    try {
      for (const mark of [...this.#releases.keys()]) this.note(mark);
    } finally {
      this.#isNoting = false;
    }
  }
}
