/**
 * Current problems in one place, for STATUS, `/health`, metrics and the log. The code that meets a condition raises it,
 * and the code that sees its end clears it; one whose end cannot be seen expires.
 */
import { type Clock, hostClock } from './concurrency/clock.ts';
import type { GridError } from './errors.ts';

export const conditionKinds = [
  /** The grid has not answered since the start. */
  'grid-not-seen',
  /** The grid does not answer, or refuses this user. */
  'grid-unavailable',
  /** The grid refuses writes. Only a successful write clears it. */
  'grid-read-only',
  /** The client certificate has expired, or its files cannot be used. Detected when the grid is asked. */
  'client-certificate',
  /** The durable state cannot be written. Only a successful write clears it. */
  'state-not-writable',
  /** The history of addresses cannot be written. It is for people, so no call fails. */
  'history-not-written',
  /** Users other than root can write to the directory of notes: an ADD could undo a release that is not read yet. */
  'notes-ignored',
  /** The grid has lost the reservation of a live attachment and refuses to re-create it. */
  'reservation-lost',
  /**
   * A reservation of this host was altered: the daemon does not touch it, and it stays reserved. Only a later look
   * clears it.
   */
  'reservation-altered',
  /**
   * A block of this host is gone from the grid, was altered there, or overlaps something: the daemon does not allocate
   * from it.
   */
  'block-altered',
  /**
   * A block has reservations of this host that its state does not know: another machine may live on a copy of the
   * state.
   */
  'block-shared',
  /** The grid refuses the reservation of a block's address that a container already has. */
  'block-refused',
  /** This host cannot get a block in a network that is configured for one: each ADD asks the grid. */
  'block-unavailable',
  /** The grid refuses to release addresses of a network. Only a successful release clears it. */
  'releases-refused',
  /** The state is new, and this host's reservations could not be imported into it yet. */
  'import-incomplete',
  /** The grid refuses the network of a network configuration. Only a successful ADD clears it. */
  'network-refused',
  /** A network has no free address. */
  'network-full',
  'network-duplicate',
] as const;
export type ConditionKind = (typeof conditionKinds)[number];

export interface Condition {
  readonly kind: ConditionKind;
  /** Its network or attachment if there can be several; empty otherwise. */
  readonly subject: string;
  readonly error: GridError;
  /** Milliseconds since 1970. */
  readonly since: number;
}

/** How a condition ended: its end was seen, or it expired. */
type End = 'seen' | 'lapsed';

/** Called when a condition begins, changes its reason, or ends. */
interface ConditionListener {
  raised(condition: Condition): void;
  cleared(condition: Condition, end: End): void;
}

interface Entry {
  condition: Condition;
  /** By the clock's `now`; infinite if it has to be cleared. */
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
   * Raises a condition. If it is already raised, `since` stays, even when the reason changes.
   * @param lapsesAfterMs milliseconds until it expires; infinite if it does not
   */
  raise(kind: ConditionKind, error: GridError, { subject = '', lapsesAfterMs = Number.POSITIVE_INFINITY } = {}): void {
    const key = keyOf(kind, subject);
    const before = this.#standing(key)?.condition;
    // Ends expired conditions, which would otherwise stay in memory.
    if (before === undefined) this.all();
    const condition = { kind, subject, error, since: before?.since ?? this.#clock.wall() };
    this.#entries.set(key, { condition, lapsesAt: this.#clock.now() + lapsesAfterMs });
    if (before?.error.reason !== error.reason) for (const listener of this.#listeners) listener.raised(condition);
  }

  /** Clears a condition; no effect if it is not raised. */
  clear(kind: ConditionKind, subject = ''): void {
    const key = keyOf(kind, subject);
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#end(key, entry, 'seen');
  }

  /** Returns the condition if it is raised now. */
  find(kind: ConditionKind, subject = ''): Condition | undefined {
    return this.#standing(keyOf(kind, subject))?.condition;
  }

  /** Returns all raised conditions, the oldest first. */
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
