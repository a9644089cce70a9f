/**
 * Doubt: a create or a delete was sent and its answer was lost, so it may still be carried out. It stands for a known time, after
 * which a look at the grid tells.
 */

/** What a lease remembers of it. */
export interface Doubtful {
  /** Until when a create whose answer was lost may still be carried out, as the clock's `now`; null: no doubt. */
  readonly createInDoubtUntil: number | null;
  /** The same for a delete. */
  readonly deleteInDoubtUntil: number | null;
}

/** How long a write whose answer was lost is held for possible, in milliseconds. */
export interface DoubtWindow {
  /** The first re-check, for a write that was merely slow. */
  readonly recheck: number;
  /** When even a grid that was stuck must have carried it out or dropped it. */
  readonly end: number;
}

export const defaultDoubtWindow: DoubtWindow = { recheck: 10_000, end: 60_000 };

/** When a transition happens. */
export interface Moment {
  /** As the clock's `now`: what waits, or is in doubt, goes by it. */
  readonly now: number;
  /** As the clock's `wall`: what people read. */
  readonly wall: number;
  readonly window: DoubtWindow;
  /**
   * If it follows from a look: when the grid was asked, as the clock's `now`. What was in doubt then may have been carried out
   * between the look and its answer.
   */
  readonly askedAt?: number;
}

/** What the host's clock shows, or will show, at a time of the one that nobody can set: for people. */
export function wallTimeOf(at: number, { now, wall }: Pick<Moment, 'now' | 'wall'>): number {
  return at + wall - now;
}

/** What is in doubt at a moment. */
export interface Doubt {
  readonly create: number | null;
  readonly delete: number | null;
}

/** The doubt that is not over. */
export function doubtOf(lease: Doubtful | undefined, { now, askedAt = now }: Moment): Doubt {
  const standing = (until: number | null | undefined) =>
    until != null && until > Math.min(askedAt, now) ? until : null;
  return { create: standing(lease?.createInDoubtUntil), delete: standing(lease?.deleteInDoubtUntil) };
}

/** When to look next for what a create in doubt may have left: soon once, then at its end. */
export function nextRecheck(until: number, { now, window }: Moment): number {
  const first = until - window.end + window.recheck;
  return now < first ? first : until;
}
