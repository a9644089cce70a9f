/**
 * Doubt: a create or a delete was sent and its answer was lost, so it may still be carried out. It lasts for a fixed time; then a look at
 * the grid shows the result.
 */
import { isOpen } from '../errors.ts';
import type { LeaseDeps } from './deps.ts';

/** The doubt that a lease or a block records. */
export interface Doubtful {
  /** Until when a create with a lost answer may still be carried out, as the clock's `now`; null: no doubt. */
  readonly createInDoubtUntil: number | null;
  /** The same for a delete. */
  readonly deleteInDoubtUntil: number | null;
}

/** How long a write with a lost answer stays in doubt, in milliseconds. */
export interface DoubtWindow {
  /** Time of the first re-check, for a write that was only slow. */
  readonly recheck: number;
  /** Time after which even a stuck grid has carried it out or dropped it. */
  readonly end: number;
}

export const defaultDoubtWindow: DoubtWindow = { recheck: 10_000, end: 60_000 };

/** The time of a transition. */
export interface Moment {
  /** As the clock's `now`: for waits and doubt. */
  readonly now: number;
  /** As the clock's `wall`: for people. */
  readonly wall: number;
  readonly window: DoubtWindow;
  /**
   * For a transition after a look: when the grid was asked, as the clock's `now`. Writes in doubt at that time may have been carried out
   * between the look and its answer.
   */
  readonly askedAt?: number;
}

/** Converts a time of the monotonic clock to the host's wall clock, for people. */
export function wallTimeOf(at: number, { now, wall }: Pick<Moment, 'now' | 'wall'>): number {
  return at + wall - now;
}

/** The doubt at a moment: until when a create or a delete may still be carried out. */
export interface Doubt {
  readonly create: number | null;
  readonly delete: number | null;
}

/** Returns the doubt that has not ended yet. */
export function doubtOf(lease: Doubtful | undefined, { now, askedAt = now }: Moment): Doubt {
  const standing = (until: number | null | undefined) =>
    until != null && until > Math.min(askedAt, now) ? until : null;
  return { create: standing(lease?.createInDoubtUntil), delete: standing(lease?.deleteInDoubtUntil) };
}

export const doubtKinds = ['none', 'create', 'delete', 'both'] as const;
export type DoubtKind = (typeof doubtKinds)[number];

/** Names a doubt for the decision tables, whose rows list the names that they are for. */
export function kindOf(doubt: Doubt): DoubtKind {
  if (doubt.create !== null && doubt.delete !== null) return 'both';
  if (doubt.create !== null) return 'create';
  return doubt.delete === null ? 'none' : 'delete';
}

export const aCreate: readonly DoubtKind[] = ['create', 'both'];
export const noCreate: readonly DoubtKind[] = ['none', 'delete'];
export const aDelete: readonly DoubtKind[] = ['delete', 'both'];
export const noDelete: readonly DoubtKind[] = ['none', 'create'];

/** Records that a delete is about to be sent, or got no answer. */
export function deleteInDoubt<T extends Doubtful>(one: T, { now, window }: Moment): T {
  return { ...one, deleteInDoubtUntil: now + window.end };
}

/**
 * Records that the delete was answered, or certainly not sent. Earlier doubt stays.
 * @param before the lease or block before `deleteInDoubt`
 */
export function deleteAnswered<T extends Doubtful>(one: T, before: T): T {
  return { ...one, deleteInDoubtUntil: before.deleteInDoubtUntil };
}

/**
 * Sends a write that takes an object from a lease or block. Its doubt is durable before. After success the caller ends the doubt
 * (`deleteAnswered`), together with its next change.
 * @param of `before`: the lease or block as it was; `change` applies a transition to it
 * @throws GridError; in doubt only if its outcome is `open`. `state` if the doubt cannot be recorded: then nothing is sent
 */
export async function sendDelete<T extends Doubtful>(
  { store, moment }: Pick<LeaseDeps, 'store' | 'moment'>,
  { before, change }: { readonly before: T; readonly change: (transition: (one: T) => T) => void },
  send: () => Promise<void>,
): Promise<void> {
  change((one) => deleteInDoubt(one, moment()));
  await store.durable();
  try {
    await send();
  } catch (error) {
    change((one) => (isOpen(error) ? deleteInDoubt(one, moment()) : deleteAnswered(one, before)));
    throw error;
  }
}

/** Adapts a lease or a block of an earlier run to this run's clock: doubt starts again in full. */
export function resumedDoubt<T extends Doubtful>(one: T, { now, window }: Pick<Moment, 'now' | 'window'>): T {
  const end = now + window.end;
  const { createInDoubtUntil, deleteInDoubtUntil } = one;
  return {
    ...one,
    createInDoubtUntil: createInDoubtUntil === null ? null : end,
    deleteInDoubtUntil: deleteInDoubtUntil === null ? null : end,
  };
}

/** Returns when to look next for the object of a create in doubt: soon once, then at the end of the doubt. */
export function nextRecheck(until: number, { now, window }: Moment): number {
  const first = until - window.end + window.recheck;
  return now < first ? first : until;
}
