/**
 * A lease store with all leases in memory that commits changes in batches: at once when a caller waits, otherwise soon. Subclasses write
 * the batches.
 */
import type { Clock } from '../../concurrency/clock.ts';
import type { Conditions } from '../../conditions.ts';
import { GridError } from '../../errors.ts';
import { attachmentKey } from '../../mark.ts';
import type { Block } from '../block/block.ts';
import { type DoubtWindow, resumedDoubt, wallTimeOf } from '../doubt.ts';
import { type HistoryChange, historyChanges } from '../history.ts';
import { type Lease, type Phase, resumed, type ShownPhase, shownPhase } from '../lease.ts';
import type { BlockTransition, Except, LeaseStore, StoreListener, Transition } from './lease-store.ts';
import { type Changes, Values } from './values.ts';

/** The fact that records that the state is whole. */
const wholeFact = 'imported';
/** Phases of due leases, most urgent first; leases with an owed create come before all. */
const dueOrder: readonly Phase[] = ['releasing', 'pending', 'bound'];
/** Milliseconds until changes without a waiting caller are committed. A crash before that loses them, and they are repeated. */
const maxUncommittedMs = 100;
/** Milliseconds that a commit waits for further changes, at the most. */
const maxGatheringMs = 100;
/** Milliseconds before the condition of a failed commit lapses: only the next commit can show that the state is writable. */
const failureLapsesAfterMs = 30_000;
const noMarks: Except = new Set();

/** All changes since the last commit. */
export interface Batch {
  readonly leases: Changes<Lease>;
  readonly blocks: Changes<Block>;
  readonly facts: Changes<string>;
  /** In order; `at`: milliseconds since 1970 by the host's clock. */
  readonly history: readonly { readonly at: number; readonly change: HistoryChange }[];
}

/** The durable content when the store is opened. */
export interface Stored {
  readonly leases: readonly Lease[];
  readonly blocks: readonly Block[];
  readonly facts: readonly (readonly [string, string])[];
}

export interface BatchedStoreOptions {
  readonly clock: Clock;
  readonly window: DoubtWindow;
  readonly conditions: Conditions;
}

export abstract class BatchedLeaseStore implements LeaseStore {
  protected readonly clock: Clock;
  protected readonly conditions: Conditions;
  readonly #leases: Values<Lease>;
  readonly #blocks: Values<Block>;
  readonly #facts: Values<string>;
  /** Marks by `attachmentKey`. */
  readonly #marks = new Map<string, Set<string>>();
  /** Marks by address. */
  readonly #marksAt = new Map<string, Set<string>>();
  /** Highest uptime by boot ID; it stays true after its lease has ended. */
  readonly #lastUptimes = new Map<string, number>();
  readonly #listeners = new Set<StoreListener>();
  #history: { readonly at: number; readonly change: HistoryChange }[] = [];
  #cancelCommit: (() => void) | undefined;
  #awaited: PromiseWithResolvers<void> | undefined;
  /** Counts changes. */
  #changes = 0;

  constructor({ leases, blocks, facts }: Stored, { clock, window, conditions }: BatchedStoreOptions) {
    const start = { now: clock.now(), window };
    this.#leases = new Values(
      leases.map((lease) => [lease.mark, resumed(lease, start)]),
      (before, after) => this.#index(before, after),
    );
    this.#blocks = new Values(blocks.map((block) => [block.mark, resumedDoubt(block, start)]));
    this.#facts = new Values(facts);
    this.clock = clock;
    this.conditions = conditions;
  }

  /** Writes a batch durably, all or nothing. @throws GridError `state` if it fails */
  protected abstract write(batch: Batch): void;

  get(mark: string): Lease | undefined {
    return this.#leases.present.get(mark);
  }

  where(matches: (lease: Lease) => boolean): Lease[] {
    return [...this.#leases.present.values()].filter(matches);
  }

  ofAttachment(mark: string): Lease[] {
    return [...(this.#marks.get(attachmentKey(mark)) ?? [])].flatMap((one) => this.#leases.present.get(one) ?? []);
  }

  at(view: string, address: string): Lease[] {
    const leases = [...(this.#marksAt.get(address) ?? [])].flatMap((mark) => this.get(mark) ?? []);
    return leases.filter((lease) => lease.view === view);
  }

  boundAt(view: string, address: string, except: string): Lease | undefined {
    return this.at(view, address).find(({ phase, mark }) => phase === 'bound' && mark !== except);
  }

  boundIn(view: string): Lease[] {
    return this.where((lease) => lease.phase === 'bound' && lease.view === view);
  }

  lastUptime(bootId: string | null): number | null {
    return this.#lastUptimes.get(bootId ?? '') ?? null;
  }

  due(now: number, except = noMarks): Lease | undefined {
    let first: Lease | undefined;
    for (const lease of this.#leases.present.values()) {
      if (lease.dueAt === null || lease.dueAt > now) continue;
      if ((first === undefined || byUrgency(lease, first) < 0) && !except.has(lease.mark)) first = lease;
    }
    return first;
  }

  nextDue(except = noMarks): number | undefined {
    let next: number | undefined;
    for (const { mark, dueAt } of this.#leases.present.values()) {
      if (dueAt !== null && (next === undefined || dueAt < next) && !except.has(mark)) next = dueAt;
    }
    return next;
  }

  count(phase: ShownPhase): number {
    const now = this.clock.now();
    return this.where((lease) => shownPhase(lease, now) === phase).length;
  }

  /**
   * Returns since when the oldest release has been waiting, after its cool-down, in milliseconds since 1970; undefined if there is none.
   */
  oldestRelease(): number | undefined {
    const moment = { now: this.clock.now(), wall: this.clock.wall() };
    const waiting = this.where((lease) => shownPhase(lease, moment.now) === 'releasing');
    const times = waiting.flatMap(({ restsUntil, releasedAt }) =>
      restsUntil === null ? (releasedAt ?? []) : wallTimeOf(restsUntil, moment),
    );
    return times.length === 0 ? undefined : Math.min(...times);
  }

  apply(mark: string, transition: Transition): Lease | undefined {
    const before = this.#leases.present.get(mark);
    const after = transition(before);
    if (after === before) return before;
    const at = this.clock.wall();
    for (const change of historyChanges(before, after)) this.#history.push({ at, change });
    this.#commitSoon();
    this.#leases.set(mark, after);
    for (const listener of this.#listeners) listener.changed?.(mark, after);
    return after;
  }

  blocks(): Block[] {
    return [...this.#blocks.present.values()];
  }

  applyBlock(mark: string, transition: BlockTransition): Block | undefined {
    const before = this.#blocks.present.get(mark);
    const after = transition(before);
    if (after === before) return before;
    this.#commitSoon();
    this.#blocks.set(mark, after);
    return after;
  }

  durable(): Promise<void> {
    if (this.#cancelCommit === undefined) return Promise.resolve();
    if (this.#awaited === undefined) {
      this.#awaited = Promise.withResolvers();
      void this.#commitTogether();
    }
    return this.#awaited.promise;
  }

  fact(name: string): string | undefined {
    return this.#facts.present.get(name);
  }

  setFact(name: string, value: string): void {
    if (value === this.fact(name)) return;
    this.#facts.set(name, value);
    this.#commitSoon();
  }

  get isWhole(): boolean {
    return this.fact(wholeFact) !== undefined;
  }

  setWhole(at: number): void {
    this.setFact(wholeFact, new Date(at).toISOString());
  }

  subscribe(listener: StoreListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Commits after a turn of the event loop without changes, or after the maximum wait. The loop accepts one connection per turn, so a burst
   * of calls takes many turns; on a slow disk, a commit for each call would delay all others.
   */
  async #commitTogether(): Promise<void> {
    const awaited = this.#awaited;
    const end = this.clock.now() + maxGatheringMs;
    let changes: number;
    do {
      changes = this.#changes;
      await this.clock.turn();
    } while (this.#changes !== changes && this.clock.now() < end);
    // If another commit came first, later callers wait for their own.
    if (this.#awaited === awaited) this.commit();
  }

  /** Commits all changes, or undoes them. */
  protected commit(): void {
    if (this.#cancelCommit === undefined) return;
    this.#cancelCommit();
    this.#cancelCommit = undefined;
    const awaited = this.#awaited;
    this.#awaited = undefined;
    const values = [this.#leases, this.#blocks, this.#facts];
    try {
      const [leases, blocks, facts] = [this.#leases.changes(), this.#blocks.changes(), this.#facts.changes()];
      this.write({ leases, blocks, facts, history: this.#history });
      for (const changed of values) changed.keep();
      this.#history = [];
      this.conditions.clear('state-not-writable');
      awaited?.resolve();
    } catch (error) {
      if (!(error instanceof GridError)) throw error;
      this.conditions.raise('state-not-writable', error, { lapsesAfterMs: failureLapsesAfterMs });
      this.#undo();
      awaited?.reject(error);
      for (const listener of this.#listeners) listener.failed?.(error);
    }
  }

  #commitSoon(): void {
    this.#changes += 1;
    this.#cancelCommit ??= this.clock.after(maxUncommittedMs, () => this.commit());
  }

  #undo(): void {
    this.#history = [];
    this.#facts.undo();
    this.#blocks.undo();
    const undone = this.#leases.undo();
    for (const [mark, lease] of undone) for (const listener of this.#listeners) listener.changed?.(mark, lease);
  }

  #index(before: Lease | undefined, after: Lease | undefined): void {
    if (before !== undefined) {
      if (after === undefined) removeFrom(this.#marks, attachmentKey(before.mark), before.mark);
      if (after?.address !== before.address) removeFrom(this.#marksAt, before.address ?? '', before.mark);
    }
    if (after === undefined) return;
    addTo(this.#marks, attachmentKey(after.mark), after.mark);
    addTo(this.#marksAt, after.address ?? '', after.mark);
    const { bootId, uptime } = after;
    if (bootId === null || uptime === null) return;
    this.#lastUptimes.set(bootId, Math.max(uptime, this.#lastUptimes.get(bootId) ?? 0));
  }
}

function addTo(index: Map<string, Set<string>>, key: string, mark: string): void {
  index.set(key, (index.get(key) ?? new Set()).add(mark));
}

function removeFrom(index: Map<string, Set<string>>, key: string, mark: string): void {
  const marks = index.get(key);
  marks?.delete(mark);
  if (marks?.size === 0) index.delete(key);
}

function byUrgency(one: Lease, other: Lease): number {
  const rank = ({ phase, owedSince }: Lease) =>
    phase === 'bound' && owedSince !== null ? -1 : dueOrder.indexOf(phase);
  return rank(one) - rank(other) || (one.dueAt ?? 0) - (other.dueAt ?? 0);
}
