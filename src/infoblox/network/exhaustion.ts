/**
 * Networks without a free address, so that STATUS can report them. The condition `network-full` holds the result; this
 * class only remembers when the grid was asked last.
 */
import { spanOf } from '../address.ts';
import { type Clock, deadline } from '../concurrency/clock.ts';
import type { Conditions } from '../conditions.ts';
import { GridError } from '../errors.ts';
import type { Pool } from '../grid.ts';

/** Milliseconds after which STATUS makes the daemon ask the grid again. */
const recheckIntervalMs = 10_000;
/** Milliseconds for that request. */
const requestTimeoutMs = 5_000;
/** Milliseconds that a network counts as full after the last evidence: perhaps no ADD asks for it any more. */
const maxSilenceMs = 600_000;
/** Next-available skips ranges (NIOS 9.0 documentation, "Configuring the Next Available Network or IP Address"). */
const hint =
  'release addresses, use a larger subnet, or shrink DHCP ranges inside it: their addresses are not given out';

interface Rooms {
  /** @returns undefined if the grid has no such pool */
  hasRoom(pool: Pool, signal: AbortSignal): Promise<boolean | undefined>;
}

export class Exhaustion {
  readonly #rooms: Rooms;
  readonly #conditions: Conditions;
  readonly #clock: Clock;
  /** Pools by the subject of their condition. */
  readonly #asked = new Map<string, { readonly pool: Pool; readonly at: number }>();

  constructor(rooms: Rooms, conditions: Conditions, clock: Clock) {
    this.#rooms = rooms;
    this.#conditions = conditions;
    this.#clock = clock;
  }

  /**
   * Records that the grid found no free address in a network or in a reserved range.
   * @param cause the grid's answer
   * @returns the error for the caller
   */
  found(pool: Pool, cause: GridError): GridError {
    const message = `no free address in ${subjectOf(pool)}`;
    const error = new GridError('no-free-address', message, {
      outcome: cause.outcome,
      cause,
      hint: cause.hint ?? hint,
    });
    this.#noteAsked(pool);
    this.#raise(pool, error);
    return error;
  }

  /** Records a release in a view: its networks may have a free address again. */
  released(view: string): void {
    for (const pool of this.full) if (pool.view === view) this.obtained(pool);
  }

  /** Returns the full pools. */
  get full(): Pool[] {
    const pools = [...this.#asked.values()].map(({ pool }) => pool);
    return pools.filter((pool) => this.#conditions.find('network-full', subjectOf(pool)) !== undefined);
  }

  /** Records an allocation: the network is not full any more. */
  obtained(pool: Pool): void {
    this.#asked.delete(subjectOf(pool));
    this.#conditions.clear('network-full', subjectOf(pool));
  }

  /** Returns the error of a full network without asking the grid; an old result is checked in the background. */
  known(pool: Pool): GridError | undefined {
    const subject = subjectOf(pool);
    const error = this.#conditions.find('network-full', subject)?.error;
    const asked = this.#asked.get(subject);
    if (error !== undefined && asked !== undefined && this.#clock.now() - asked.at > recheckIntervalMs) {
      this.#noteAsked(pool);
      void this.#askAgain(pool, error).catch(() => undefined);
    }
    return error;
  }

  async #askAgain(pool: Pool, error: GridError): Promise<void> {
    const hasRoom = await this.#rooms.hasRoom(pool, deadline(this.#clock, requestTimeoutMs));
    if (hasRoom === true) this.obtained(pool);
    else if (hasRoom === false) this.#raise(pool, error);
  }

  #noteAsked(pool: Pool): void {
    this.#asked.set(subjectOf(pool), { pool, at: this.#clock.now() });
  }

  #raise(pool: Pool, error: GridError): void {
    this.#conditions.raise('network-full', error, { subject: subjectOf(pool), lapsesAfterMs: maxSilenceMs });
  }
}

/** Returns the subject of a pool's condition. */
export function subjectOf({ nextOf, view }: Pool): string {
  return `${spanOf(nextOf)} (view ${view})`;
}
