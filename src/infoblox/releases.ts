/**
 * Giving back what an attachment holds, now or later: owed in the durable state first, then removed from the grid, then
 * forgotten. Callers have the attachment's turn.
 */
import { type GridError, hasReason } from './errors.ts';
import type { Exhaustion } from './exhaustion.ts';
import { shortNetworkName } from './identity.ts';
import type { Reservations } from './reservations.ts';
import type { Row, Store } from './store.ts';

/**
 * Milliseconds after a lost answer at which the grid is looked at again: soon, for a create that was merely slow, and
 * once more when even a grid that was stuck must have dropped it.
 */
export interface Settling {
  readonly first: number;
  readonly last: number;
}

export const defaultSettling: Settling = { first: 10_000, last: 120_000 };

/** Milliseconds that upkeep leaves a release alone which is being tried at once. */
const upkeepDelay = 5_000;
/** Milliseconds to give back at once what cannot be noted. */
const unnotedTimeout = 5_000;

export interface ReleasesParts {
  readonly reservations: Reservations;
  readonly exhaustion: Exhaustion;
  readonly store: Store;
  readonly settling: Settling;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Told when something has become due. */
  readonly onDue: () => void;
  readonly log: { warn(message: string, details?: Record<string, unknown>): void };
}

export class Releases {
  readonly #parts: ReleasesParts;

  constructor(parts: ReleasesParts) {
    this.#parts = parts;
  }

  /** A row for an attachment that this state knows nothing of. */
  newRow(identity: string, network: string, view: string): Row {
    return {
      identity,
      network: shortNetworkName(network),
      view,
      state: 'intent',
      address: null,
      netns: null,
      netnsId: null,
      bootId: null,
      createdAt: this.#parts.now(),
      attempts: 0,
      dueAt: null,
      suspectUntil: null,
    };
  }

  /**
   * Releases what the row stands for; what cannot be done at once is owed.
   * @param signal the time to try at once
   * @throws GridError `state` if the release could be neither done nor noted
   */
  async releaseOrOwe(row: Row, signal: AbortSignal): Promise<'released' | 'owed'> {
    const unnoted = this.#note(row, upkeepDelay);
    try {
      await this.settle({ ...row, state: 'owed' }, signal);
      return 'released';
    } catch (error) {
      // Only the row could not be removed; it names nothing on the grid any more.
      if (hasReason(error, 'state') && !this.isSuspect(row)) return 'released';
      if (unnoted !== undefined) throw unnoted;
      this.warn('release owed, will be tried again', row.identity, error);
      return 'owed';
    }
  }

  /**
   * Notes that what the row stands for is to be given back by upkeep.
   * @throws GridError `state` if it cannot be noted
   */
  owe(row: Row): void {
    const unnoted = this.#note(row, 0);
    if (unnoted !== undefined) throw unnoted;
  }

  /** After a failed ADD: upkeep gives back what it may have left; at once if that cannot be noted. */
  async undo(row: Row): Promise<void> {
    if (this.#note(row, 0) === undefined) return;
    const { identity, view } = row;
    await this.#parts.reservations.release(identity, view, AbortSignal.timeout(unnotedTimeout)).catch((error) => {
      this.warn('cannot give back', identity, error);
    });
  }

  /** Removes from the grid what an owed row stands for, and the row unless a create may still land. */
  async settle(row: Row, signal: AbortSignal): Promise<void> {
    const { reservations, exhaustion, store } = this.#parts;
    await reservations.release(row.identity, row.view, signal);
    exhaustion.released(row.view);
    if (!this.isSuspect(row)) return store.remove(row.identity);
    store.put({ ...row, state: 'owed', address: null, attempts: 0, dueAt: this.nextLook(row.suspectUntil) });
    this.#parts.onDue();
  }

  /** When a create whose answer is lost now must have landed or been dropped, milliseconds since 1970. */
  suspectFromNow(): number {
    return this.#parts.now() + this.#parts.settling.last;
  }

  /** Whether a create whose answer was lost may still land; a time further ahead is due to a clock that was set back. */
  isSuspect(row: Row): row is Row & { suspectUntil: number } {
    if (row.suspectUntil === null) return false;
    const left = row.suspectUntil - this.#parts.now();
    return left > 0 && left <= this.#parts.settling.last;
  }

  /** When to look at the grid next for what may have landed, milliseconds since 1970. */
  nextLook(suspectUntil: number): number {
    const first = suspectUntil - this.#parts.settling.last + this.#parts.settling.first;
    return this.#parts.now() < first ? first : suspectUntil;
  }

  warn(message: string, identity: string, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#parts.log.warn(message, { attachment: identity, reason });
  }

  #note(row: Row, delay: number): GridError | undefined {
    try {
      this.#parts.store.put({ ...row, state: 'owed', attempts: 0, dueAt: this.#parts.now() + delay });
      this.#parts.onDue();
      return undefined;
    } catch (error) {
      if (!hasReason(error, 'state')) throw error;
      return error;
    }
  }
}
