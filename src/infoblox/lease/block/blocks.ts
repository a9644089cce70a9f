/**
 * The blocks of this host, as this process knows them: which of them serve, and which address is given next. A block serves while its
 * last confirmation, by this process and by a host of the grid that takes writes, is young enough. keeper.ts takes, confirms and
 * returns blocks in the background.
 */
import type { Clock } from '../../concurrency/clock.ts';
import type { ConditionKind, Conditions } from '../../conditions.ts';
import type { GridError } from '../../errors.ts';
import { gridTrouble } from '../../grid-state.ts';
import { fits } from '../../network/fit.ts';
import { type ReadyNetwork, readyIn } from '../../network/networks.ts';
import type { NetworkSpec } from '../../network/spec.ts';
import type { Lease } from '../lease.ts';
import type { LeaseStore } from '../store/lease-store.ts';
import { addressesOf, type Block, given, intervalOf, isOfSpec, networkOfBlock } from './block.ts';

/** Milliseconds that a confirmation lasts at most of a block that a promoted master may have lost. */
const maxUnsureMs = 600_000;
/**
 * Milliseconds after which no promoted master can have lost it: it may lack the last hour (NIOS 9.0 documentation, "Promoting a Grid
 * Master Candidate").
 */
const maxLossMs = 3_600_000;
/** Milliseconds that a create may be owed while the grid answers. */
const maxOwedMs = 300_000;
/** Leases that have ended whose marks are remembered. */
const maxEnded = 10_000;
/** The part of the addresses below which another block is taken. */
const minFree = 1 / 4;
const noMarks: ReadonlySet<string> = new Set();
/** The fact that says that a person wants this host to give its blocks back. */
const releasedFact = 'blocksReleased';

const blockConditions = ['block-altered', 'block-shared', 'block-refused'] as const satisfies ConditionKind[];

/** What a look has shown of a block that is this host's alone. */
export interface Confirmation {
  /** When the grid was asked: as the clock's `now`, and as its `wall`. */
  readonly now: number;
  readonly wall: number;
  /** Addresses inside that others have. */
  readonly others: ReadonlySet<string>;
}

/** What an ADD wants. */
interface Wish {
  /** Of its attachment. */
  readonly mark: string;
  readonly requested: string | undefined;
  /** Addresses that it cannot be given. */
  readonly except: ReadonlySet<string>;
}

/** An address that is given next. */
interface Offer {
  readonly block: Block;
  readonly address: string;
  readonly network: ReadyNetwork;
}

/** What the blocks of a spec have, for figures and for the keeper. */
export interface Room {
  /** Addresses of the blocks that serve. */
  readonly size: number;
  /** Those of them that can be given now. */
  readonly free: number;
}

interface BlocksDeps {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly conditions: Conditions;
  /** Milliseconds that a block serves after its last confirmation. */
  readonly validityMs: number;
}

export class Blocks {
  /** Addresses that were given from blocks, and ADDs of a network with blocks that none could serve; since the start. */
  readonly tally = { given: 0, missed: 0 };
  readonly #deps: BlocksDeps;
  readonly #confirmed = new Map<string, Confirmation>();
  /** By mark, in order. */
  readonly #addresses = new Map<string, readonly string[]>();
  /** The place of each lease that has an address, and the marks of the leases at each place. */
  readonly #places = new Map<string, string>();
  readonly #leasesAt = new Map<string, Set<string>>();
  /** By place: in which order the last leases there have ended. */
  readonly #rested = new Map<string, number>();
  /** Marks of leases that have ended, the oldest first. */
  readonly #ended = new Set<string>();
  /** Places that are offered at this moment. */
  readonly #offered = new Set<string>();
  #ends = 0;
  #gridBackAt: number;

  constructor(deps: BlocksDeps) {
    this.#deps = deps;
    const { store, clock } = deps;
    this.#gridBackAt = clock.now();
    const note = (mark: string, lease: Lease | undefined) => this.#note(mark, lease);
    for (const lease of store.where(() => true)) note(lease.mark, lease);
    store.subscribe({ changed: note });
  }

  /** Whether a person wants them to go back. */
  get areReleased(): boolean {
    return this.#deps.store.fact(releasedFact) === 'yes';
  }

  /** Gives all of them back when they are empty, and takes no more; or takes that back. To be made durable by the caller. */
  release(areReleased: boolean): void {
    this.#deps.store.setFact(releasedFact, areReleased ? 'yes' : 'no');
  }

  /** The grid answers again: what was owed meanwhile is no fault of a block. */
  noteGridBack(): void {
    this.#gridBackAt = this.#deps.clock.now();
  }

  /** A look has shown that a block is this host's alone. */
  confirm({ mark, ...block }: Block, confirmation: Confirmation): void {
    this.#confirmed.set(mark, confirmation);
    for (const kind of blockConditions) this.#deps.conditions.clear(kind, subjectOf(block));
  }

  /** It gives no address until the next confirmation. */
  stop(block: Block, kind: (typeof blockConditions)[number], why: GridError): void {
    this.#confirmed.delete(block.mark);
    this.#deps.conditions.raise(kind, why, { subject: subjectOf(block) });
  }

  /** It is no block of this host any more. */
  forget(block: Block): void {
    this.#confirmed.delete(block.mark);
    this.#addresses.delete(block.mark);
    for (const kind of blockConditions) this.#deps.conditions.clear(kind, subjectOf(block));
  }

  /** The block that an address lies in. */
  at(view: string, address: string): Block | undefined {
    return this.#deps.store.blocks().find((block) => {
      return block.view === view && this.#addressesOf(block).includes(address);
    });
  }

  /** Leases of any phase that lie in a block. */
  leasesIn(block: Block): Lease[] {
    const marks = this.#addressesOf(block).flatMap((address) => {
      return [...(this.#leasesAt.get(placeOf(block.view, address)) ?? noMarks)];
    });
    return marks.flatMap((mark) => this.#deps.store.get(mark) ?? []);
  }

  /** Tells whether a lease had this mark in this run, and has ended. */
  hasEnded(mark: string): boolean {
    return this.#ended.has(mark);
  }

  /** Tells whether addresses of a block are given now. */
  serves(block: Block): boolean {
    return this.expiresAt(block) !== null;
  }

  /** Until when addresses of a block are given if it is not confirmed again, milliseconds since 1970; null: none are. */
  expiresAt(block: Block): number | null {
    const { store, clock, validityMs } = this.#deps;
    const confirmation = this.#confirmed.get(block.mark);
    if (block.phase !== 'held' || block.takenAt === null || confirmation === undefined) return null;
    if (this.areReleased || !store.isWhole || this.owedTooLong(block) !== undefined) return null;
    const { now, wall } = confirmation;
    const age = Math.max(clock.now() - now, clock.wall() - wall);
    const maxAge = now - block.takenAt >= maxLossMs ? validityMs : Math.min(validityMs, maxUnsureMs);
    return age > maxAge ? null : clock.wall() + maxAge - age;
  }

  /** When the grid was last seen to have it for this host alone, milliseconds since 1970; null: not in this run. */
  confirmedAt({ mark }: Block): number | null {
    return this.#confirmed.get(mark)?.wall ?? null;
  }

  /** Counts its addresses that can be given now. */
  freeIn(block: Block): number {
    return this.serves(block) ? this.#free(block).length : 0;
  }

  /** Whether something is wrong with it, which a condition names. */
  isStopped(block: Block): boolean {
    return blockConditions.some((kind) => this.#deps.conditions.find(kind, subjectOf(block)) !== undefined);
  }

  /** Whether the grid refuses reservations of it: it would those of another one, too. */
  isRefused(block: Block): boolean {
    return this.#deps.conditions.find('block-refused', subjectOf(block)) !== undefined;
  }

  /** Finds a lease in a block whose create fails for so long that something is wrong with the block. */
  owedTooLong(block: Block): Lease | undefined {
    const { clock, conditions } = this.#deps;
    const since = clock.now() - maxOwedMs;
    if (gridTrouble(conditions) !== undefined || this.#gridBackAt > since) return undefined;
    return this.leasesIn(block).find(
      ({ phase, owedSince, attempts }) => phase === 'bound' && owedSince !== null && owedSince < since && attempts > 0,
    );
  }

  /**
   * Chooses the address that an ADD is given: that which its attachment had last, or the one that has rested longest, of the oldest block
   * with room, so that a younger one can become empty. It is offered to nobody else until it is taken back.
   */
  offer(spec: NetworkSpec, { mark, requested, except }: Wish): Offer | undefined {
    const again = this.#deps.store.get(mark)?.address;
    for (const { block, network } of this.#serving(spec)) {
      const { view, lastGiven } = block;
      const all = this.#addressesOf(block);
      // Of those of which this run does not know when they were in use, the one after that which was given last.
      const next = all.indexOf(lastGiven ?? '') + 1;
      const rank = (address: string) => (address === again ? -2 : (this.#rested.get(placeOf(view, address)) ?? -1));
      const free = new Set(this.#free(block, mark));
      const [address] = [...all.slice(next), ...all.slice(0, next)]
        .filter((one) => free.has(one) && !except.has(one) && fits(one, network, requested))
        .sort((one, other) => rank(one) - rank(other));
      if (address === undefined) continue;
      this.#offered.add(placeOf(view, address));
      return { block, address, network };
    }
    return undefined;
  }

  /** @returns whether it can still be given now */
  takeBack({ block, address }: Offer, { mark }: Pick<Wish, 'mark'>): boolean {
    this.#offered.delete(placeOf(block.view, address));
    const present = this.#deps.store.blocks().find((one) => one.mark === block.mark);
    return present !== undefined && this.serves(present) && this.#isFree(present, address, mark);
  }

  /** Tells whether an ADD would be given an address now. */
  hasFor(spec: NetworkSpec, wish: Wish): boolean {
    const offer = this.offer(spec, wish);
    return offer !== undefined && this.takeBack(offer, wish);
  }

  /** A lease has it now. */
  noteGiven({ block, address }: Offer, { wall }: { readonly wall: number }): void {
    this.tally.given += 1;
    this.#deps.store.applyBlock(block.mark, (one) => one && given(one, address, { wall }));
  }

  /** What a spec makes of the network of a lease, if it lies in a block that it may have come from. */
  networkOf({ view, address }: Lease, spec: NetworkSpec): ReadyNetwork | undefined {
    const block = address === null ? undefined : this.at(view, address);
    return block !== undefined && isOfSpec(block, spec) ? readyIn(spec, networkOfBlock(block)) : undefined;
  }

  /** What the blocks that serve a spec have left. @param except the mark of one that does not count */
  room(spec: NetworkSpec, except?: string): Room {
    const serving = this.#serving(spec).flatMap(({ block }) => (block.mark === except ? [] : [block]));
    const size = serving.reduce((sum, block) => sum + block.size, 0);
    return { size, free: serving.reduce((sum, block) => sum + this.#free(block).length, 0) };
  }

  /** Tells whether so little is left that another block is to be taken. */
  isScarce({ size, free }: Room): boolean {
    return free < size * minFree || size === 0;
  }

  /** Addresses of a block that can be given. @param mark of an attachment whose own lease does not count */
  #free(block: Block, mark?: string): string[] {
    return this.#addressesOf(block).filter((address) => {
      return !this.#offered.has(placeOf(block.view, address)) && this.#isFree(block, address, mark);
    });
  }

  #isFree(block: Block, address: string, mark?: string): boolean {
    if (this.#confirmed.get(block.mark)?.others.has(address)) return false;
    const holders = this.#leasesAt.get(placeOf(block.view, address)) ?? noMarks;
    return holders.size === 0 || (holders.size === 1 && mark !== undefined && holders.has(mark));
  }

  #addressesOf(block: Block): readonly string[] {
    const addresses = this.#addresses.get(block.mark) ?? addressesOf(block);
    this.#addresses.set(block.mark, addresses);
    return addresses;
  }

  #serving(spec: NetworkSpec): { readonly block: Block; readonly network: ReadyNetwork }[] {
    const blocks = this.#deps.store.blocks().filter((block) => isOfSpec(block, spec) && this.serves(block));
    blocks.sort((one, other) => (one.takenAt ?? 0) - (other.takenAt ?? 0));
    return blocks.map((block) => ({ block, network: readyIn(spec, networkOfBlock(block)) }));
  }

  #note(mark: string, lease: Lease | undefined): void {
    const before = this.#places.get(mark);
    const after = lease?.address == null ? undefined : placeOf(lease.view, lease.address);
    if (before !== after) this.#move(mark, before, after);
    if (lease !== undefined) {
      this.#ended.delete(mark);
      return;
    }
    this.#ended.add(mark);
    const [oldest] = this.#ended;
    if (this.#ended.size > maxEnded && oldest !== undefined) this.#ended.delete(oldest);
  }

  #move(mark: string, before: string | undefined, after: string | undefined): void {
    if (before !== undefined) {
      const marks = this.#leasesAt.get(before);
      marks?.delete(mark);
      if (marks?.size === 0) this.#leasesAt.delete(before);
      this.#rested.delete(before);
      this.#rested.set(before, this.#ends);
      this.#ends += 1;
      const [oldest] = this.#rested.keys();
      if (this.#rested.size > maxEnded && oldest !== undefined) this.#rested.delete(oldest);
    }
    if (after === undefined) this.#places.delete(mark);
    else {
      this.#places.set(mark, after);
      this.#leasesAt.set(after, (this.#leasesAt.get(after) ?? new Set()).add(mark));
    }
  }
}

/** Names a block for people, and as the subject of its conditions. */
export function subjectOf(block: Pick<Block, 'view' | 'cidr' | 'first' | 'size'>): string {
  const { first, last } = intervalOf(block);
  return `block ${first}-${last} (view ${block.view})`;
}

function placeOf(view: string, address: string): string {
  return `${address} ${view}`;
}
