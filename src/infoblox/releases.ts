/**
 * Giving back what an attachment holds, now or later: owed in the durable state first, then removed from the grid, then
 * forgotten. Callers have the attachment's turn.
 */
import { GridError, hasReason } from './errors.ts';
import type { Exhaustion } from './network/exhaustion.ts';
import type { FixedAddress } from './wapi/schemas.ts';
import type { Heir, Reservations } from './reservations.ts';
import { newRow, type Row, type Store } from './store.ts';
import { describeAltered, trace } from './trace.ts';

/**
 * Milliseconds after a lost answer at which the grid is looked at again: soon, for a create that was merely slow, and
 * once more when even a grid that was stuck must have dropped it.
 */
export interface Settling {
  readonly first: number;
  readonly last: number;
}

export const defaultSettling: Settling = { first: 10_000, last: 60_000 };

/** Milliseconds that upkeep leaves a release alone which is being tried at once. */
const upkeepDelay = 5_000;
/** Milliseconds to give back at once what cannot be noted. */
const unnotedTimeout = 5_000;

/** What a release came to. */
export interface Release {
  /** Whether it is still to be done. */
  readonly owed: boolean;
  /** What has gone back, or as far as it is known will; none if nothing was held. */
  readonly addresses: readonly string[];
  /** What was given, and was not there any more, or no longer marked as the attachment's. */
  readonly missed?: string;
  /** What became of the missed one, if it was altered and so is left alone. */
  readonly altered?: string;
  /** Done, but the state could not be told: it has the attachment as held until it can be written. */
  readonly unrecorded?: GridError;
}

/** What was removed for a row. */
export interface Cleared {
  /** Addresses. */
  readonly removed: readonly string[];
  readonly doomed: boolean;
  readonly kept: boolean;
  /** What stands at the row's address, and was altered by somebody: it is left alone. */
  readonly altered?: FixedAddress;
}

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
    return newRow(identity, network, view, this.#parts.now());
  }

  /**
   * Releases what the row stands for; what cannot be done at once is owed.
   * @param signal the time to try at once
   * @throws GridError `state` if the release could be neither done nor noted
   */
  async releaseOrOwe(row: Row, signal: AbortSignal): Promise<Release> {
    const unnoted = this.#note(row, upkeepDelay);
    // It waited for its turn behind an ADD, say.
    if (signal.aborted && unnoted === undefined) return asOwed(row);
    try {
      return await this.settle({ ...row, state: 'owed' }, signal);
    } catch (error) {
      // Only the row could not be removed; it names nothing on the grid any more.
      if (hasReason(error, 'state') && !this.isSuspect(row)) {
        return { ...asOwed(row), owed: false, ...(unnoted === undefined ? {} : { unrecorded: unnoted }) };
      }
      if (unnoted !== undefined) throw unnoted;
      this.warn('release owed, will be tried again', row.identity, error);
      return asOwed(row);
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
    await this.clear(row, AbortSignal.timeout(unnotedTimeout)).catch((error) => {
      this.warn('cannot give back', row.identity, error);
    });
  }

  /**
   * Removes from the grid what an owed row stands for, and the row unless a create may still land. It stays owed if an
   * earlier delete has to be waited for.
   */
  async settle(row: Row, signal: AbortSignal): Promise<Release> {
    const { exhaustion, store } = this.#parts;
    const { doomed, removed, altered } = await this.clear(row, signal);
    if (doomed) {
      this.#putDue({ ...row, attempts: 0, dueAt: row.doomedUntil });
      return asOwed(row);
    }
    exhaustion.released(row.view);
    if (this.isSuspect(row)) {
      this.#putDue({ ...row, address: null, attempts: 0, dueAt: this.nextLook(row.suspectUntil) });
    } else store.remove(row.identity);
    const missed = removed.length === 0 && row.address !== null ? { missed: row.address } : {};
    return {
      ...{ owed: false, addresses: removed, ...missed },
      ...(altered === undefined ? {} : { altered: describeAltered(altered) }),
    };
  }

  /**
   * Removes what the grid holds for a row, but for the object with the address `keep`. A delete is not sent again while
   * an earlier one, whose answer was lost, may still be carried out: references are natural keys, so the later of the two
   * could hit whoever has been given the address in between. So it is noted before it is sent; whoever writes the row next
   * leaves that note out.
   * @returns what was removed, whether some are left that an earlier delete may remove yet, and whether `keep` is there
   */
  async clear(row: Row, signal: AbortSignal, keep?: string): Promise<Cleared> {
    const { reservations, store } = this.#parts;
    const inView = await reservations.find(row.identity, row.view, signal);
    // Where it should be and is not, somebody was at work. A state that is not whole does not know where it should be.
    const mayBeElsewhere = row.address !== null || store.fact('adopted') === undefined;
    const became =
      inView.length === 0 && mayBeElsewhere
        ? await trace(reservations, { mark: row.identity, view: row.view, address: row.address }, signal)
        : undefined;
    if (became?.kind === 'altered') return { removed: [], doomed: false, kept: false, altered: became.object };
    const found = became?.kind === 'moved' ? became.found : inView;
    const surplus = found.filter((object) => object.ipv4addr !== keep);
    const kept = surplus.length < found.length;
    if (surplus.length === 0 || this.isDoomed(row)) return { removed: [], doomed: surplus.length > 0, kept };
    this.#noteDoom(row, this.certainFrom());
    try {
      await reservations.remove(surplus, signal);
    } catch (error) {
      if (!(error instanceof GridError && error.outcome === 'open')) this.#noteDoom(row, null);
      throw error;
    }
    return { removed: surplus.map(({ ipv4addr }) => ipv4addr), doomed: false, kept };
  }

  /**
   * Makes an object that carries the row's identity somebody else's. Until the answer is here, what the row stands for is
   * left alone as after a delete: a change that comes late could hit whoever has the address by then.
   * @throws GridError; the object may still carry the row's identity. `state` if that cannot be noted
   */
  async passOn(row: Row, ref: string, heir: Heir, signal: AbortSignal): Promise<void> {
    this.#parts.store.put({ ...row, doomedUntil: this.certainFrom() });
    try {
      await this.#parts.reservations.passOn(ref, heir, signal);
      this.#noteDoom(row, row.doomedUntil);
    } catch (error) {
      if (!(error instanceof GridError && error.outcome === 'open')) this.#noteDoom(row, row.doomedUntil);
      throw error;
    }
  }

  /** Whether a delete whose answer was lost may still be carried out. */
  isDoomed(row: Row): row is Row & { doomedUntil: number } {
    return this.#isAhead(row.doomedUntil);
  }

  /** When a write whose answer is lost now must have been carried out or dropped, milliseconds since 1970. */
  certainFrom(): number {
    return this.#parts.now() + this.#parts.settling.last;
  }

  /** Whether a create whose answer was lost may still land. */
  isSuspect(row: Row): row is Row & { suspectUntil: number } {
    return this.#isAhead(row.suspectUntil);
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

  /** A time further ahead than any that is written is due to a clock that was set back. */
  #isAhead(time: number | null): boolean {
    if (time === null) return false;
    const left = time - this.#parts.now();
    return left > 0 && left <= this.#parts.settling.last;
  }

  /** A state that cannot be written must not keep an address from being released. */
  #noteDoom(row: Row, doomedUntil: number | null): void {
    const { store } = this.#parts;
    try {
      store.put({ ...(store.get(row.identity) ?? row), doomedUntil });
    } catch (error) {
      if (!hasReason(error, 'state')) throw error;
    }
  }

  #putDue(row: Row): void {
    this.#parts.store.put(row);
    this.#parts.onDue();
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

function asOwed({ address }: Row): Release {
  return { owed: true, addresses: address === null ? [] : [address] };
}
