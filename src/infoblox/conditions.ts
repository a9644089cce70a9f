/**
 * What is wrong at the moment, in one place: STATUS, `/health`, metrics and the log all read it here. A condition is
 * raised by whoever meets it and cleared by whoever sees that it is over; one that nobody can see ending lapses by itself.
 */
import { type Clock, hostClock } from './concurrency/clock.ts';
import type { GridError } from './errors.ts';

export const conditionKinds = [
  /** The grid has not been heard of yet since the start. */
  'grid-not-seen',
  /** The grid does not answer, or refuses this user. */
  'grid-unavailable',
  /** The grid does not take writes. Only a write can show that it does again. */
  'grid-read-only',
  /** The client certificate has expired, or its files cannot be used. Seen when the grid is asked. */
  'client-certificate',
  /** The durable state cannot be written. Only a write can show that it can again. */
  'state-not-writable',
  /** The history of addresses cannot be written: for people, and no reason to refuse anything. */
  'history-not-written',
  /** Users other than root can write where plugins leave notes: an ADD may undo a release that nobody has read. */
  'notes-ignored',
  /** The grid has lost the reservation of a live attachment and does not take it again. */
  'reservation-lost',
  /** Somebody has altered the reservation of this host's: it is left alone, and stays reserved. Only a look can show that it is not so any more. */
  'reservation-altered',
  /** A block of this host is gone from the grid, was changed there, or is not alone any more: no address of it is given. */
  'block-altered',
  /** The grid has reservations of this host in a block of which its state knows nothing: another machine may live on a copy of it. */
  'block-shared',
  /** The grid does not take the reservation of an address of a block that a container was told. */
  'block-refused',
  /** This host is to have a block in a network and can get none: the grid is asked at each ADD. */
  'block-unavailable',
  /** The grid refuses to release addresses of a network. Only a release can show that it does not any more. */
  'releases-refused',
  /** The state is new, and what this host has on the grid could not be read into it yet. */
  'import-incomplete',
  /** The grid refuses what a network configuration asks for. Only an ADD can show that it does not any more. */
  'network-refused',
  /** A network has no free address. */
  'network-full',
  /** Several networks have one name, so that hosts may use different ones. */
  'network-duplicate',
] as const;
export type ConditionKind = (typeof conditionKinds)[number];

export interface Condition {
  readonly kind: ConditionKind;
  /** What it is about, where there can be several: a network, an attachment. Empty otherwise. */
  readonly subject: string;
  /** Says what, why and what to do. */
  readonly error: GridError;
  /** Milliseconds since 1970. */
  readonly since: number;
}

/** How a condition ended: somebody saw it end, or it was not met again in its time. */
type End = 'seen' | 'lapsed';

/** Told when a condition begins, changes its reason, or ends. */
interface ConditionListener {
  raised(condition: Condition): void;
  cleared(condition: Condition, end: End): void;
}

interface Entry {
  condition: Condition;
  /** As the clock's `now`; infinite for one that has to be cleared. */
  lapsesAt: number;
}

export class Conditions {
  readonly #clock: Pick<Clock, 'wall' | 'now'>;
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<ConditionListener>();

  constructor(clock: Pick<Clock, 'wall' | 'now'> = hostClock()) {
    this.#clock = clock;
  }

  subscribe(listener: ConditionListener): void {
    this.#listeners.add(listener);
  }

  /**
   * Raises a condition. If it already stands, `since` is kept, even when the reason changes.
   * @param lapsesAfterMs milliseconds after which it lapses; infinite if it does not
   */
  raise(kind: ConditionKind, error: GridError, { subject = '', lapsesAfterMs = Number.POSITIVE_INFINITY } = {}): void {
    const key = keyOf(kind, subject);
    const before = this.#standing(key)?.condition;
    // What lapses unseen would be remembered for ever.
    if (before === undefined) this.all();
    const condition = { kind, subject, error, since: before?.since ?? this.#clock.wall() };
    this.#entries.set(key, { condition, lapsesAt: this.#clock.now() + lapsesAfterMs });
    if (before?.error.reason !== error.reason) for (const listener of this.#listeners) listener.raised(condition);
  }

  /** It is over. Nothing happens if it was not known. */
  clear(kind: ConditionKind, subject = ''): void {
    const key = keyOf(kind, subject);
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#end(key, entry, 'seen');
  }

  /** The condition, if it stands now. */
  find(kind: ConditionKind, subject = ''): Condition | undefined {
    return this.#standing(keyOf(kind, subject))?.condition;
  }

  /** All that stand now, the oldest first. */
  all(): Condition[] {
    const standing = [...this.#entries.keys()].flatMap((key) => this.#standing(key)?.condition ?? []);
    return standing.sort((one, other) => one.since - other.since);
  }

  #standing(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.lapsesAt > this.#clock.now()) return entry;
    this.#end(key, entry, 'lapsed');
    return undefined;
  }

  #end(key: string, { condition }: Entry, end: End): void {
    this.#entries.delete(key);
    for (const listener of this.#listeners) listener.cleared(condition, end);
  }
}

function keyOf(kind: ConditionKind, subject: string): string {
  return `${kind} ${subject}`;
}
