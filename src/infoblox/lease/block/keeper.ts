/**
 * Keeps the blocks of this host in the background: takes one after the first ADD of a network and when little is left, has each looked
 * at every five minutes and whenever the grid is back, and gives back what nobody needs. One thing after another: ADDs do not wait
 * for it.
 */
import { createHash } from 'node:crypto';
import { families, type Interval, sizeOf } from '../../address.ts';
import { ofNetwork } from '../../attributes.ts';
import { type Backoff, pauseBefore, withDeadline } from '../../concurrency/clock.ts';
import { GridError, hasReason, isGridAway } from '../../errors.ts';
import type { Range } from '../../grid.ts';
import { beginsAs, blockMark, type Origin, parseBlockMark, shortNetworkName } from '../../mark.ts';
import { subjectOf } from '../../network/exhaustion.ts';
import type { ReadyNetwork } from '../../network/networks.ts';
import { type NetworkSpec, specKey } from '../../network/spec.ts';
import {
  type Block,
  type BlockIdentity,
  blockCreateInDoubt,
  disowned,
  drain,
  foreign,
  intervalOf,
  isOfSpec,
  take,
} from './block.ts';
import { choosePlace, isUnusedEnough } from './place.ts';
import { type VisitDeps, visit } from './visit.ts';

/** Milliseconds between two looks at a block. */
const lookIntervalMs = 300_000;
/** Milliseconds for one look with its steps, or for taking a block. */
const attemptTimeoutMs = 60_000;
/** Milliseconds after which a block goes back of which no ADD was given an address, and one that is empty beside others with room. */
const maxIdleMs = 86_400_000;
const maxEmptyMs = 3_600_000;
/** Milliseconds that a host may give addresses of its blocks whose line to the grid is down: the longest validity, and an hour more. */
const goneHostWaitMs = 90_000_000;
/** Places that are tried at once for one block. */
const maxPlaces = 4;
const retry: Backoff = { firstMs: 5_000, maxMs: lookIntervalMs };

const permissionHint =
  'give the user of --wapi-username the right to read, create and delete ranges, and to read ipv4address';
const noRoomHint = 'use a larger subnet or a smaller block-size; infoblox-cni-daemon doctor says what is there';

/** A network of which ADDs are given addresses. */
interface Wanted {
  readonly spec: NetworkSpec;
  readonly network: ReadyNetwork;
  /** When an ADD was given an address last, as the clock's `now`. */
  addedAt: number;
  /** When a block may be taken next, likewise. */
  takeAt: number;
  failures: number;
}

export class BlockKeeper {
  readonly #deps: VisitDeps;
  readonly #machine: string;
  /** By spec. */
  readonly #wanted = new Map<string, Wanted>();
  /** By mark: when it was looked at last, and when to look next, as the clock's `now`; absent: now. */
  readonly #looks = new Map<string, { readonly at: number; readonly nextAt: number }>();
  /** By mark: since when it is empty. */
  readonly #emptySince = new Map<string, number>();
  readonly #stopping = new AbortController();
  #isStarted = false;
  #work: Promise<void> | undefined;
  #cancelTimer = () => {};

  constructor(deps: VisitDeps) {
    this.#deps = deps;
    const { installation = '', hardware = '' } = deps.host.machine;
    this.#machine = createHash('sha256').update(`${installation} ${hardware}`).digest('hex').slice(0, 8);
  }

  /** Goes on with what the last run left. */
  start(): void {
    this.#isStarted = true;
    const { store, names } = this.#deps;
    const isNamed = ({ mark }: Block) => beginsAs(mark, { ...names.present, of: 'blocks' });
    for (const { mark } of store.blocks()) {
      store.applyBlock(mark, (block) => {
        if (block === undefined) return undefined;
        // A state that is not whole is a new one, or a copy of another: it may not know all that was given.
        if (!store.isWhole) return disowned(block, this.#boot);
        // After a rename `gc --host` of the earlier name elsewhere would not see that it is in use.
        return isNamed(block) ? block : drain(block);
      });
    }
    this.#wake();
  }

  stop(): void {
    this.#stopping.abort();
    this.#cancelTimer();
  }

  /** The grid answers again, perhaps another host of it: all blocks are looked at. @returns when that has been tried */
  async gridIsBack(): Promise<void> {
    this.#deps.blocks.noteGridBack();
    for (const wanted of this.#wanted.values()) wanted.takeAt = 0;
    await this.lookAtAll();
  }

  /** Looks at all blocks now. */
  async lookAtAll(): Promise<void> {
    for (const [mark, { at }] of this.#looks) this.#looks.set(mark, { at, nextAt: 0 });
    if (this.#deps.store.blocks().length === 0) return;
    await this.#work;
    this.#wake();
    await this.#work;
  }

  /** An ADD of a network has been given an address. */
  noteAdd(spec: NetworkSpec, network: ReadyNetwork): void {
    if (spec.blockSize === 0 && this.#deps.store.blocks().length === 0) return;
    const key = `${specKey(spec)} ${spec.blockSize}`;
    const wanted = this.#wanted.get(key) ?? { spec, network, addedAt: 0, takeAt: 0, failures: 0 };
    wanted.addedAt = this.#deps.clock.now();
    this.#wanted.set(key, wanted);
    this.#wake();
  }

  /**
   * Lists the blocks of a host; none to a user who may not read ranges.
   * @throws GridError `unconfirmed` if only a host could be asked that may lag behind
   */
  async blocksOf(host: Origin, signal: AbortSignal): Promise<BlockIdentity[]> {
    const wanted = { marks: { ...host, of: 'blocks' }, families, confirm: true } as const;
    const ranges = await this.#deps.grid.ranges(wanted, signal).catch((error) => {
      if (hasReason(error, 'permission', 'rejected')) return [];
      throw error;
    });
    return ranges.flatMap((range) => identityOf(range) ?? []);
  }

  /**
   * Notes the blocks of a host that is gone, to be deleted when it cannot give addresses of them any more, unless it reserves again.
   * @param isOff whether it is known to be off, so that they go back now
   * @returns them, and after how many milliseconds they go back
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
    const looks = this.#deps.store.blocks().map(({ mark }) => this.#nextLook(mark));
    const takes = [...this.#wanted.values()].flatMap((wanted) => (this.#isNeeded(wanted) ? wanted.takeAt : []));
    return Math.min(Number.POSITIVE_INFINITY, ...looks, ...takes);
  }

  #nextLook(mark: string): number {
    return this.#looks.get(mark)?.nextAt ?? 0;
  }

  async #doDue(): Promise<void> {
    const { store, clock, host } = this.#deps;
    for (const block of store.blocks()) {
      if (this.#nextLook(block.mark) <= clock.now()) await this.#lookAt(block);
    }
    for (const wanted of this.#wanted.values()) {
      if (!this.#isNeeded(wanted) || wanted.takeAt > clock.now()) continue;
      wanted.takeAt = clock.now() + pauseBefore(wanted.failures, retry, host.random);
      wanted.failures += 1;
      const isTaken = await this.#attempt(wanted.spec.name, (signal) => this.#takeOrSay(wanted, signal));
      if (isTaken === true) wanted.failures = 0;
    }
  }

  async #lookAt(block: Block): Promise<void> {
    const { mark } = block;
    const { store, clock, blocks } = this.#deps;
    const now = clock.now();
    const sinceLast = now - (this.#looks.get(mark)?.at ?? now);
    this.#looks.set(mark, { at: now, nextAt: now + lookIntervalMs });
    if (blocks.leasesIn(block).length > 0) this.#emptySince.delete(mark);
    else if (!this.#emptySince.has(mark)) this.#emptySince.set(mark, now);
    const isSurplus = this.#isSurplus(block);
    await this.#attempt(mark, (signal) => visit(this.#deps, { mark, isSurplus, sinceLast }, signal));
    const after = store.blocks().find((one) => one.mark === mark);
    if (after === undefined) {
      this.#looks.delete(mark);
      this.#emptySince.delete(mark);
      return;
    }
    const doubtUntil = Math.max(after.createInDoubtUntil ?? 0, after.deleteInDoubtUntil ?? 0);
    if (doubtUntil > now) this.#looks.set(mark, { at: now, nextAt: doubtUntil });
  }

  /** @returns undefined if it failed: it is tried again */
  async #attempt<T>(what: string, run: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
    const { clock, log } = this.#deps;
    const { signal } = this.#stopping;
    if (signal.aborted) return undefined;
    try {
      return await withDeadline(clock, { milliseconds: attemptTimeoutMs, signal }, run);
    } catch (error) {
      if (!(error instanceof GridError)) throw error;
      log[isGridAway(error) ? 'debug' : 'warn']('cannot look after blocks of addresses; will retry', {
        block: what,
        reason: error.message,
      });
      return undefined;
    }
  }

  /**
   * Tells whether a block is to be taken: those that serve are nearly full, and none of its kind is being taken, not looked at yet, or
   * refused its reservations, as another one would be.
   */
  #isNeeded({ spec, addedAt }: Wanted): boolean {
    const { blocks, store, clock } = this.#deps;
    if (spec.blockSize === 0 || blocks.areReleased || !store.isWhole) return false;
    if (clock.now() - addedAt >= maxIdleMs) return false;
    const isUnclear = (block: Block) => block.phase === 'held' && !this.#looks.has(block.mark);
    const keepsFromTaking = (block: Block) =>
      isOfSpec(block, spec) && (block.phase === 'taking' || isUnclear(block) || blocks.isRefused(block));
    return !store.blocks().some(keepsFromTaking) && blocks.isScarce(blocks.room(spec));
  }

  /** Tells whether an empty block is one that this host has no use for. */
  #isSurplus(block: Block): boolean {
    const { blocks, clock } = this.#deps;
    const emptySince = this.#emptySince.get(block.mark);
    if (emptySince === undefined) return false;
    const wanted = [...this.#wanted.values()].map(({ spec }) => spec);
    const ofNetwork = wanted.filter(
      ({ name, view }) => view === block.view && shortNetworkName(name) === block.network,
    );
    const spec = ofNetwork.find((one) => isOfSpec(block, one));
    const idleMs = clock.wall() - block.usedAt;
    if (blocks.areReleased || idleMs >= maxIdleMs || (ofNetwork.length > 0 && spec === undefined)) return true;
    const isEmptyForLong = clock.now() - emptySince >= maxEmptyMs && idleMs >= maxEmptyMs;
    return isEmptyForLong && spec !== undefined && !blocks.isScarce(blocks.room(spec, block.mark));
  }

  /** As `#take`; a refusal that each further attempt would meet is a condition, for people. */
  async #takeOrSay(wanted: Wanted, signal: AbortSignal): Promise<boolean> {
    const { conditions } = this.#deps;
    const { spec, network } = wanted;
    const subject = subjectOf({ ...network, nextOf: network.cidr });
    try {
      const isTaken = await this.#take(wanted, signal);
      if (isTaken) conditions.clear('block-unavailable', subject);
      return isTaken;
    } catch (error) {
      if (!hasReason(error, 'permission', 'rejected', 'no-free-network')) throw error;
      const what = `no block of ${spec.blockSize} addresses can be had in ${subject}: ${error.message}`;
      const hint = error.reason === 'no-free-network' ? error.hint : permissionHint;
      const why = new GridError(error.reason, what, { hint, cause: error });
      conditions.raise('block-unavailable', why, { subject, lapsesAfterMs: 2 * lookIntervalMs });
      throw error;
    }
  }

  /** @returns whether one was created, or may have been */
  async #take({ spec, network }: Wanted, signal: AbortSignal): Promise<boolean> {
    const { grid, blocks, host, moment } = this.#deps;
    const { name, view, blockSize: size } = spec;
    const { cidr, kept } = network;
    const ranges = await grid.ranges({ network: cidr, view, confirm: true }, signal);
    this.#adopt(ranges);
    const barred: Interval[] = [...ranges];
    for (let tries = 0; tries < maxPlaces; tries += 1) {
      const place = choosePlace({ cidr, size, ranges: barred, kept: kept === undefined ? [] : [kept] }, host.random());
      if (place === undefined) {
        // A host that has one may do with it.
        if (blocks.room(spec).size > 0) return false;
        const why = tries === 0 ? 'ranges have all but a quarter of it' : 'more than a quarter of each place is in use';
        throw new GridError('no-free-network', why, { hint: noRoomHint });
      }
      barred.push(place);
      const occupants = await grid.occupants(place, { network: cidr, view, confirm: true }, signal);
      const mark = this.#newMark(name);
      const identity = { mark, network: shortNetworkName(name), view, cidr: cidr.text, first: place.first, size };
      const block = take(identity, moment());
      if (!isUnusedEnough(occupants.length, size) || blocks.leasesIn(block).length > 0) continue;
      if (await this.#create(block, network, signal)) return true;
    }
    return false;
  }

  /** @returns false if somebody else was faster */
  async #create(block: Block, { cidr }: ReadyNetwork, signal: AbortSignal): Promise<boolean> {
    const { grid, blocks, store, names, moment, log } = this.#deps;
    const { mark, view, network } = block;
    const place = intervalOf(block);
    store.applyBlock(mark, () => block);
    await store.durable();
    this.#looks.set(mark, { at: moment().now, nextAt: moment().now + moment().window.end });
    const description = { comment: mark, name: `block of ${names.present.node}`, attributes: ofNetwork(network) };
    try {
      await grid.createRange({ ...place, network: cidr, view, ...description }, signal);
    } catch (error) {
      if (!(error instanceof GridError)) throw error;
      if (error.outcome === 'none') {
        store.applyBlock(mark, () => undefined);
        blocks.forget(block);
        this.#looks.delete(mark);
        if (hasReason(error, 'conflict')) return false;
        throw error;
      }
      store.applyBlock(mark, (current) => current && blockCreateInDoubt(current, moment()));
      this.#looks.set(mark, { at: moment().now, nextAt: moment().now + moment().window.end });
      return true;
    }
    log.info('took a block of addresses', { block: mark, view, ...place });
    return true;
  }

  /** Blocks of this machine that this state did not take: one that was lost has. */
  #adopt(ranges: readonly Range[]): void {
    const { store, names } = this.#deps;
    const ours = { ...names.present, of: 'blocks' } as const;
    for (const range of ranges) {
      const identity = beginsAs(range.comment, ours) ? identityOf(range) : undefined;
      if (identity === undefined || parseBlockMark(identity.mark)?.machine !== this.#machine) continue;
      store.applyBlock(identity.mark, (known) => known ?? foreign(identity, this.#boot));
    }
  }

  /** If it cannot be told from others, a person has to say that no container is left of it. */
  get #boot(): Pick<Block, 'bootId' | 'uptime'> {
    const { bootId, uptime } = this.#deps.host.boot();
    return { bootId: bootId ?? '', uptime };
  }

  #newMark(network: string): string {
    const { host, names } = this.#deps;
    const digits = () =>
      Math.floor(host.random() * 0x10000)
        .toString(16)
        .padStart(4, '0');
    const id = Array.from({ length: 4 }, digits).join('');
    return blockMark({ origin: names.present, network, machine: this.#machine, id });
  }
}

/** What a range is as a block; undefined if it is none that somebody has made with this program and left as it was. */
function identityOf({ comment: mark, view, network, ...interval }: Range): BlockIdentity | undefined {
  const parsed = parseBlockMark(mark);
  if (parsed === undefined) return undefined;
  return {
    mark,
    network: parsed.network,
    view,
    cidr: network.text,
    first: interval.first,
    size: sizeOf(interval),
  };
}
