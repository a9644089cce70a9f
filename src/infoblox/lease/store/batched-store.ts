/**
 * A lease store with all leases in memory that commits changes in batches: at once when a caller waits, otherwise soon. Subclasses write
 * the batches.
 */
import { contains } from '../../address.ts';
import type { Clock } from '../../concurrency/clock.ts';
import type { Conditions } from '../../conditions.ts';
import { GridError } from '../../errors.ts';
import { attachmentKey } from '../../mark.ts';
import type { BoundLeases } from '../../network/views.ts';
import { type Block, resumedBlock } from '../block/block.ts';
import { type DoubtWindow, wallTimeOf } from '../doubt.ts';
import { type HistoryChange, historyChanges } from '../history.ts';
import { type Lease, type Phase, resumed, type ShownPhase, shownPhase } from '../lease.ts';
import type { BlockTransition, Except, LeaseStore, StoreListener, Transition } from './lease-store.ts';

/** The fact that records that the state is whole. */
const wholeFact = 'imported';
/** Phases of due leases, most urgent first; leases with an owed create come before all. */
const dueOrder: readonly Phase[] = ['releasing', 'pending', 'bound'];
/** Milliseconds until changes without a waiting caller are committed. A crash before that loses them, and they are repeated. */
const maxUncommittedMs = 100;
/** A commit waits for further changes up to this many milliseconds, and up to this many times the duration of the last commit. */
const maxGatheringMs = 100;
const gatheringFactor = 5;
/** Milliseconds before the condition of a failed commit lapses: only the next commit can show that the state is writable. */
const failureLapsesAfterMs = 30_000;
const noMarks: Except = new Set();

/** The durable and the present value of one mark. */
export interface Change<T> {
  readonly mark: string;
  readonly before: T | undefined;
  readonly after: T | undefined;
}

/** All changes since the last commit. */
export interface Batch {
  readonly leases: readonly Change<Lease>[];
  readonly blocks: readonly Change<Block>[];
  /** In order; `at`: milliseconds since 1970 by the host's clock. */
  readonly history: readonly { readonly at: number; readonly change: HistoryChange }[];
  readonly facts: Stored['facts'];
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
  readonly #leases: Map<string, Lease>;
  /** Marks by `attachmentKey`. */
  readonly #marks = new Map<string, Set<string>>();
  /** Marks by address. */
  readonly #marksAt = new Map<string, Set<string>>();
  readonly #blocks: Map<string, Block>;
  readonly #facts: Map<string, string>;
  /** Highest uptime by boot ID; it stays true after its lease has ended. */
  readonly #lastUptimes = new Map<string, number>();
  readonly #listeners = new Set<StoreListener>();
  /** Durable values of all that has changed since the last commit. */
  readonly #before = new Map<string, Lease | undefined>();
  readonly #blocksBefore = new Map<string, Block | undefined>();
  readonly #factsBefore = new Map<string, string | undefined>();
  #history: { readonly at: number; readonly change: HistoryChange }[] = [];
  #cancelCommit: (() => void) | undefined;
  #awaited: PromiseWithResolvers<void> | undefined;
  /** Counts changes. */
  #changes = 0;
  #lastCommitMs = 0;

  constructor({ leases, blocks, facts }: Stored, { clock, window, conditions }: BatchedStoreOptions) {
    const start = { now: clock.now(), window };
    this.#leases = new Map(leases.map((lease) => [lease.mark, resumed(lease, start)]));
    this.#blocks = new Map(blocks.map((block) => [block.mark, resumedBlock(block, start)]));
    this.#facts = new Map(facts);
    for (const lease of leases) {
      this.#noteUptime(lease);
      this.#noteMarks(lease.mark, undefined, lease);
    }
    this.clock = clock;
    this.conditions = conditions;
  }

  /** Writes a batch durably, all or nothing. @throws GridError `state` if it fails */
  protected abstract write(batch: Batch): void;

  get(mark: string): Lease | undefined {
    return this.#leases.get(mark);
  }

  where(matches: (lease: Lease) => boolean): Lease[] {
    return [...this.#leases.values()].filter(matches);
  }

  ofAttachment(mark: string): Lease[] {
    return [...(this.#marks.get(attachmentKey(mark)) ?? [])].flatMap((one) => this.#leases.get(one) ?? []);
  }

  boundAt(view: string, address: string, except: string): Lease | undefined {
    const leases = [...(this.#marksAt.get(address) ?? [])].flatMap((mark) => this.#leases.get(mark) ?? []);
    return leases.find((lease) => isBound(lease, view) && lease.mark !== except);
  }

  boundIn(view: string, limit: number): Lease[] {
    return this.where((lease) => isBound(lease, view)).slice(0, limit);
  }

  hasBoundIn({ name, view, cidr }: Parameters<BoundLeases['hasBoundIn']>[0]): boolean {
    const isThere = (lease: Lease) =>
      lease.network === name && isBound(lease, view) && lease.address !== null && contains(cidr, lease.address);
    return this.where(isThere).length > 0;
  }

  lastUptime(bootId: string | null): number | null {
    return this.#lastUptimes.get(bootId ?? '') ?? null;
  }

  due(now: number, limit: number, except = noMarks): Lease[] {
    // In one pass: thousands may be due, and each call takes only a few.
    const first: Lease[] = [];
    for (const lease of this.#leases.values()) {
      if (lease.dueAt === null || lease.dueAt > now) continue;
      const place = first.findIndex((other) => byUrgency(lease, other) < 0);
      if ((place === -1 && first.length >= limit) || except.has(lease.mark)) continue;
      first.splice(place === -1 ? first.length : place, 0, lease);
      if (first.length > limit) first.pop();
    }
    return first;
  }

  nextDue(except = noMarks): number | undefined {
    let next: number | undefined;
    for (const { mark, dueAt } of this.#leases.values()) {
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
    const before = this.#leases.get(mark);
    const after = transition(before);
    if (after === before) return before;
    if (!this.#before.has(mark)) this.#before.set(mark, before);
    const at = this.clock.wall();
    for (const change of historyChanges(before, after)) this.#history.push({ at, change });
    this.#commitSoon();
    this.#set(mark, after);
    return after;
  }

  blocks(): Block[] {
    return [...this.#blocks.values()];
  }

  applyBlock(mark: string, transition: BlockTransition): Block | undefined {
    const before = this.#blocks.get(mark);
    const after = transition(before);
    if (after === before) return before;
    if (!this.#blocksBefore.has(mark)) this.#blocksBefore.set(mark, before);
    this.#commitSoon();
    put(this.#blocks, mark, after);
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
    return this.#facts.get(name);
  }

  setFact(name: string, value: string): void {
    const before = this.#facts.get(name);
    if (value === before) return;
    if (!this.#factsBefore.has(name)) this.#factsBefore.set(name, before);
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
    const end = this.clock.now() + Math.min(this.#lastCommitMs * gatheringFactor, maxGatheringMs);
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
    const began = this.clock.now();
    try {
      this.write(this.#batch());
      this.#lastCommitMs = this.clock.now() - began;
      this.#forgetBatch();
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

  #batch(): Batch {
    const leases = changes(this.#before, this.#leases);
    const blocks = changes(this.#blocksBefore, this.#blocks);
    const facts = [...this.#factsBefore.keys()].map((name) => [name, this.#facts.get(name) ?? ''] as const);
    return { leases, blocks, history: this.#history, facts };
  }

  #forgetBatch(): void {
    this.#before.clear();
    this.#blocksBefore.clear();
    this.#factsBefore.clear();
    this.#history = [];
  }

  #undo(): void {
    const leases = [...this.#before];
    for (const [name, before] of this.#factsBefore) {
      if (before === undefined) this.#facts.delete(name);
      else this.#facts.set(name, before);
    }
    for (const [mark, before] of this.#blocksBefore) put(this.#blocks, mark, before);
    this.#forgetBatch();
    for (const [mark, before] of leases) this.#set(mark, before);
  }

  #noteUptime({ bootId, uptime }: Lease): void {
    if (bootId === null || uptime === null) return;
    this.#lastUptimes.set(bootId, Math.max(uptime, this.#lastUptimes.get(bootId) ?? 0));
  }

  #noteMarks(mark: string, before: Lease | undefined, after: Lease | undefined): void {
    if ((before === undefined) !== (after === undefined))
      note(this.#marks, attachmentKey(mark), mark, after !== undefined);
    const [from, to] = [before?.address ?? null, after?.address ?? null];
    if (from === to) return;
    if (from !== null) note(this.#marksAt, from, mark, false);
    if (to !== null) note(this.#marksAt, to, mark, true);
  }

  #set(mark: string, lease: Lease | undefined): void {
    this.#noteMarks(mark, this.#leases.get(mark), lease);
    put(this.#leases, mark, lease);
    if (lease !== undefined) this.#noteUptime(lease);
    for (const listener of this.#listeners) listener.changed?.(mark, lease);
  }
}

function changes<T>(before: ReadonlyMap<string, T | undefined>, now: ReadonlyMap<string, T>): Change<T>[] {
  return [...before].map(([mark, one]) => ({ mark, before: one, after: now.get(mark) }));
}

function put<T>(map: Map<string, T>, mark: string, one: T | undefined): void {
  if (one === undefined) map.delete(mark);
  else map.set(mark, one);
}

function note(index: Map<string, Set<string>>, key: string, mark: string, isIn: boolean): void {
  const marks = index.get(key) ?? new Set();
  if (isIn) marks.add(mark);
  else marks.delete(mark);
  put(index, key, marks.size === 0 ? undefined : marks);
}

function isBound(lease: Lease, view: string): boolean {
  return lease.phase === 'bound' && lease.view === view;
}

function byUrgency(one: Lease, other: Lease): number {
  const rank = ({ phase, owedSince }: Lease) =>
    phase === 'bound' && owedSince !== null ? -1 : dueOrder.indexOf(phase);
  return rank(one) - rank(other) || (one.dueAt ?? 0) - (other.dueAt ?? 0);
}
