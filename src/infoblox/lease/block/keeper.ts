/**
 * Takes, confirms and releases the blocks of this host in the background. Takes a block after the first ADD of a network and when few
 * addresses are left, visits each block every five minutes and after an outage, and releases surplus ones. Works sequentially; ADDs do not
 * wait for it.
 */
import { families } from '../../address.ts';
import { abortable, type Backoff, pauseBefore, withDeadline } from '../../concurrency/clock.ts';
import { GridError, hasReason, isGridAway, undefinedIfUnreadable } from '../../errors.ts';
import { beginsAs, type Origin } from '../../mark.ts';
import { subjectOf } from '../../network/exhaustion.ts';
import type { ReadyNetwork } from '../../network/networks.ts';
import type { NetworkSpec } from '../../network/spec.ts';
import { type Block, type BlockIdentity, disowned, drain, foreign } from './block.ts';
import { Demand, type Wanted } from './demand.ts';
import { SharedRanges } from './shared-ranges.ts';
import { attemptTimeoutMs, identityOf, lostIn, takeBlock } from './taking.ts';
import { type VisitDeps, visit } from './visit.ts';

/** Milliseconds between two visits to a block. */
const lookIntervalMs = 300_000;
/** The same during `release --blocks`; blocks with leases cost no request then. */
const releasedLookIntervalMs = 30_000;
/** Milliseconds for which a host without a connection to the grid may assign addresses: the maximum validity and an hour. */
const goneHostWaitMs = 90_000_000;
const retry: Backoff = { firstMs: 5_000, maxMs: lookIntervalMs };

const permissionHint =
  'give the user of --wapi-username the right to read, create and delete ranges, and to read ipv4address';

export class BlockKeeper {
  readonly shared: SharedRanges;
  readonly #deps: VisitDeps;
  readonly #demand: Demand;
  /** Last and next visit to each block, by mark, as the clock's `now`; absent: visit now. */
  readonly #looks = new Map<string, { readonly at: number; readonly nextAt: number }>();
  /** First visits of this run that have not ended, by mark. */
  readonly #firstVisits = new Map<string, PromiseWithResolvers<void>>();
  readonly #stopping = new AbortController();
  #isStarted = false;
  #work: Promise<void> | undefined;
  #cancelTimer = () => {};

  constructor(deps: VisitDeps) {
    this.#deps = deps;
    this.#demand = new Demand(deps);
    this.shared = new SharedRanges(deps, { stopping: this.#stopping.signal, onTaken: () => this.#wake() });
  }

  /** Continues with the blocks of the last run. */
  start(): void {
    this.#isStarted = true;
    const { store, names, host } = this.#deps;
    const isNamed = ({ mark }: Block) => beginsAs(mark, { ...names.present, of: 'blocks' });
    for (const { mark } of store.blocks()) {
      const known = store.applyBlock(mark, (block) => {
        if (block === undefined) return undefined;
        // A state that is not whole is new or a copy: it may not know all assigned addresses.
        if (!store.isWhole) return disowned(block, lostIn(host));
        // After a rename of this host, `gc --host` with the earlier name could release a block in use.
        return isNamed(block) ? block : drain(block);
      });
      if (known?.phase !== 'taking') this.#firstVisits.set(mark, Promise.withResolvers());
    }
    this.#wake();
  }

  /**
   * Waits until a held block that matches one of the sources serves, or the first visits to all of them have ended. Otherwise the ADDs of
   * hosts that boot at the same time would delay the confirmation of their blocks.
   */
  async firstLook(specs: readonly NetworkSpec[], signal: AbortSignal): Promise<void> {
    const { store, blocks } = this.#deps;
    const mayGive = (block: Block) => block.phase === 'held' && specs.some((spec) => blocks.isOf(block, spec));
    const held = store.blocks().filter(mayGive);
    for (const { mark } of held) {
      if (held.some((block) => blocks.serves(block))) return;
      const visit = this.#firstVisits.get(mark)?.promise;
      await abortable(visit ?? Promise.resolve(), signal, () => signal.reason).catch(() => {});
    }
  }

  stop(): void {
    this.#stopping.abort();
    this.#cancelTimer();
  }

  /**
   * Visits the blocks because the grid answers again. Resolves after the attempt.
   * @param afterFailover whether another grid host may serve now
   */
  async gridIsBack(afterFailover: boolean): Promise<void> {
    const { blocks } = this.#deps;
    blocks.noteGridBack();
    this.#demand.retry();
    // The first answer ever comes during the first visits.
    const isFirst = !afterFailover && this.#firstVisits.size > 0;
    if (isFirst) await this.#work;
    await this.#lookAgain((block) => !isFirst || !blocks.serves(block));
  }

  /** Visits all blocks now. */
  lookAtAll(): Promise<void> {
    return this.#lookAgain(() => true);
  }

  async #lookAgain(isMeant: (block: Block) => boolean): Promise<void> {
    const { store, clock } = this.#deps;
    for (const block of store.blocks().filter(isMeant)) {
      const { mark, phase } = block;
      const at = this.#looks.get(mark)?.at ?? (phase === 'taking' ? clock.now() : undefined);
      if (at !== undefined) this.#looks.set(mark, { at, nextAt: 0 });
    }
    if (store.blocks().length === 0) return;
    await this.#work;
    this.#wake();
    await this.#work;
  }

  /** Records a successful ADD of a network. */
  noteAdd(spec: NetworkSpec, network: ReadyNetwork): void {
    if (network.blockSize === 0 && this.#deps.store.blocks().length === 0) return;
    this.#demand.noteAdd(spec, network);
    this.#wake();
  }

  /**
   * Lists the blocks of a host; none if the user may not read ranges.
   * @throws GridError `unconfirmed` if only a host that may lag behind could be asked
   */
  async blocksOf(host: Origin, signal: AbortSignal): Promise<BlockIdentity[]> {
    const wanted = { marks: { ...host, of: 'blocks' }, families, confirm: true } as const;
    const ranges = await this.#deps.grid.ranges(wanted, signal).catch(undefinedIfUnreadable);
    return ranges?.flatMap((range) => identityOf(range) ?? []) ?? [];
  }

  /**
   * Records the blocks of a lost host, to be deleted once it can no longer assign addresses from them, unless it reserves addresses again.
   * @param isOff whether the host is known to be off: its blocks are deleted now
   * @returns the blocks, and the milliseconds until their deletion
   * @throws GridError as `blocksOf`; `state`
   */
  async noteGone(host: Origin, { isOff }: { readonly isOff: boolean }, signal: AbortSignal) {
    const { store } = this.#deps;
    const blocks = await this.blocksOf(host, signal);
    const waitMs = isOff ? 0 : goneHostWaitMs;
    for (const block of blocks) {
      store.applyBlock(block.mark, (known) =>
        known === undefined ? foreign(block, { waitMs }) : { ...known, waitMs },
      );
      this.#looks.delete(block.mark);
    }
    await store.durable();
    this.#wake();
    return { blocks, waitMs };
  }

  #wake(): void {
    this.#cancelTimer();
    if (!this.#isStarted || this.#stopping.signal.aborted || this.#work !== undefined) return;
    const { clock } = this.#deps;
    const next = this.#nextDue();
    if (next > clock.now()) {
      if (Number.isFinite(next)) this.#cancelTimer = clock.after(next - clock.now(), () => this.#wake());
      return;
    }
    this.#work = this.#doDue().finally(() => {
      this.#work = undefined;
      this.#wake();
    });
  }

  #nextDue(): number {
    const looks = this.#deps.store.blocks().map((block) => this.#nextLook(block));
    const takes = this.#unmet().map(({ takeAt }) => takeAt);
    return Math.min(Number.POSITIVE_INFINITY, ...looks, ...takes);
  }

  /** Lists the networks that need another block, and have none that waits for its first visit. */
  #unmet(): Wanted[] {
    return this.#demand.unmet(({ mark, phase }) => phase === 'held' && !this.#looks.has(mark));
  }

  #nextLook({ mark, phase, createInDoubtUntil }: Block): number {
    // A visit to a block being taken shows nothing before its doubt ends.
    return this.#looks.get(mark)?.nextAt ?? (phase === 'taking' ? createInDoubtUntil : null) ?? 0;
  }

  async #doDue(): Promise<void> {
    const { store, clock, host, grid, blocks } = this.#deps;
    for (const block of store.blocks()) {
      if (this.#nextLook(block) <= clock.now()) await this.#lookAt(block);
    }
    for (const wanted of this.#unmet()) {
      if (wanted.takeAt > clock.now()) continue;
      wanted.takeAt = clock.now() + pauseBefore(wanted.failures, retry, host.random);
      // A host with free addresses can wait until the grid answers quickly.
      if (grid.spare === 0 && blocks.room(wanted.spec).free > 0) continue;
      wanted.failures += 1;
      const isTaken = await this.#attempt(wanted.spec.name, (signal) => this.#takeOrSay(wanted, signal));
      if (isTaken === true) wanted.failures = 0;
    }
  }

  async #lookAt(block: Block): Promise<void> {
    const { mark } = block;
    const { store, clock, blocks } = this.#deps;
    const now = clock.now();
    const sinceLastMs = now - (this.#looks.get(mark)?.at ?? now);
    this.#looks.set(mark, { at: now, nextAt: now + (blocks.areReleased ? releasedLookIntervalMs : lookIntervalMs) });
    const isSurplus = this.#demand.isSurplus(block);
    await this.#attempt(mark, (signal) => visit(this.#deps, { mark, isSurplus, sinceLastMs }, signal));
    this.#firstVisits.get(mark)?.resolve();
    this.#firstVisits.delete(mark);
    const after = store.blocks().find((one) => one.mark === mark);
    if (after === undefined) {
      this.#demand.forget(block);
      this.#looks.delete(mark);
      return;
    }
    const doubtUntil = Math.max(after.createInDoubtUntil ?? 0, after.deleteInDoubtUntil ?? 0);
    if (doubtUntil > now) this.#looks.set(mark, { at: now, nextAt: doubtUntil });
  }

  /** Runs a step with a deadline; logs a failure. @returns undefined if it failed, to be retried */
  async #attempt<T>(what: string, run: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
    const { clock, log } = this.#deps;
    const { signal } = this.#stopping;
    if (signal.aborted) return undefined;
    try {
      return await withDeadline(clock, { milliseconds: attemptTimeoutMs, signal }, run);
    } catch (error) {
      if (!(error instanceof GridError)) throw error;
      log[isGridAway(error) ? 'debug' : 'warn']('cannot check blocks of addresses; will retry', {
        block: what,
        reason: error.message,
      });
      return undefined;
    }
  }

  /**
   * Takes a block; raises a condition for a refusal that would repeat.
   * @returns whether a block was, or may have been, taken
   */
  async #takeOrSay({ spec, network }: Wanted, signal: AbortSignal): Promise<boolean> {
    const { blocks, conditions } = this.#deps;
    const subject = subjectOf({ ...network, nextOf: network.cidr });
    try {
      await takeBlock(this.#deps, { name: spec.name, network }, signal);
      conditions.clear('block-unavailable', subject);
      return true;
    } catch (error) {
      if (hasReason(error, 'conflict')) return false;
      if (!hasReason(error, 'permission', 'rejected', 'no-free-network')) throw error;
      const isFull = error.reason === 'no-free-network';
      // A host with free addresses in its blocks needs no other yet.
      if (isFull && blocks.room(spec).free > 0) return false;
      const what = `no block of ${network.blockSize} addresses is available in ${subject}: ${error.message}`;
      const why = new GridError(error.reason, what, { hint: isFull ? error.hint : permissionHint, cause: error });
      conditions.raise('block-unavailable', why, { subject, lapsesAfterMs: 2 * lookIntervalMs });
      throw error;
    }
  }
}
