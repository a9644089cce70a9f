/**
 * Assigns addresses from the blocks of this host. A block serves while its last confirmation is recent: a look by this process at a grid
 * host that accepts writes. keeper.ts takes, confirms and releases blocks in the background.
 */
import type { Clock } from '../../concurrency/clock.ts';
import type { ConditionKind, Conditions } from '../../conditions.ts';
import type { GridError } from '../../errors.ts';
import { gridTrouble } from '../../grid-state.ts';
import { fits } from '../../network/fit.ts';
import { type Networks, type ReadyNetwork, readyIn } from '../../network/networks.ts';
import type { NetworkSpec } from '../../network/spec.ts';
import type { Lease } from '../lease.ts';
import type { LeaseStore } from '../store/lease-store.ts';
import { addressesOf, assigned, type Block, isOfSpec, networkOfBlock } from './block.ts';
import { subjectOf } from './block-conditions.ts';

/** Maximum milliseconds that a confirmation is valid while a promoted master may lack the block. */
const maxUnsureMs = 600_000;
/**
 * Milliseconds after which no promoted master can lack the block: it may lack the last hour (NIOS 9.0 documentation, "Promoting a Grid
 * Master Candidate").
 */
const maxLossMs = 3_600_000;
/** Milliseconds for which a create may be owed while the grid answers. */
const maxOwedMs = 300_000;
/** Failed attempts of a create that the grid does not take. After fewer it may wait in a long queue. */
const minFailures = 3;
/** Remembered ended leases, and places that were in use. */
const maxEnded = 10_000;
/** The fact that records `release --blocks`. */
const releasedFact = 'blocksReleased';

export const blockConditions = ['block-altered', 'block-shared', 'block-refused'] as const satisfies ConditionKind[];
type BlockCondition = (typeof blockConditions)[number];

/** A look at a block that overlaps no other range. */
export interface Confirmation {
  /** When the grid was asked: as the clock's `now`, and as its `wall`. */
  readonly now: number;
  readonly wall: number;
  /** Addresses inside that have other owners. */
  readonly others: ReadonlySet<string>;
}

/** A request of an ADD. */
interface Wish {
  /** Mark of its lease. */
  readonly mark: string;
  readonly requested: string | undefined;
  /** Addresses to skip. */
  readonly except?: ReadonlySet<string>;
}

/** An address offered to an ADD. */
interface Offer {
  readonly block: Block;
  readonly address: string;
  readonly network: ReadyNetwork;
}

/** Addresses in the blocks of a spec, for metrics and the keeper. */
export interface Room {
  /** Addresses in serving blocks. */
  readonly size: number;
  /** Addresses that can be assigned now. */
  readonly free: number;
}

interface BlocksDeps {
  readonly store: LeaseStore;
  readonly networks: Pick<Networks, 'known'>;
  readonly clock: Clock;
  readonly conditions: Conditions;
  /** Milliseconds for which a block serves after its last confirmation. */
  readonly validityMs: number;
}

export class Blocks {
  /** Addresses assigned from blocks, and ADDs of networks with blocks that none could serve; since the start. */
  readonly tally = { assigned: 0, missed: 0 };
  readonly #deps: BlocksDeps;
  readonly #confirmed = new Map<string, Confirmation>();
  /** Addresses of each block in order, by its mark. */
  readonly #addresses = new Map<string, readonly string[]>();
  /** Marks of ended leases, oldest first. */
  readonly #ended = new Set<string>();
  /** Order of the last change of a lease at each place. */
  readonly #lastUse = new Map<string, number>();
  #uses = 0;
  /** Places on offer at this moment. */
  readonly #offered = new Set<string>();
  #gridBackAt: number;

  constructor(deps: BlocksDeps) {
    this.#deps = deps;
    this.#gridBackAt = deps.clock.now();
    deps.store.subscribe({ changed: (mark, lease) => this.#note(mark, lease) });
  }

  /** Whether `release --blocks` is in force. */
  get areReleased(): boolean {
    return this.#deps.store.fact(releasedFact) === 'yes';
  }

  /** Drains all blocks and takes no more, or undoes that. The caller makes it durable. */
  release(areReleased: boolean): void {
    this.#deps.store.setFact(releasedFact, areReleased ? 'yes' : 'no');
  }

  /** Records that the grid answers again: creates owed during the outage are no fault of a block. */
  noteGridBack(): void {
    this.#gridBackAt = this.#deps.clock.now();
  }

  /** Records a look at a block that overlaps no other range. */
  confirm({ mark }: Block, confirmation: Confirmation): void {
    this.#confirmed.set(mark, confirmation);
  }

  /** Stops a block until its next confirmation, and raises a condition. */
  stop(block: Block, kind: BlockCondition, why: GridError): void {
    this.#confirmed.delete(block.mark);
    this.#deps.conditions.raise(kind, why, { subject: subjectOf(block) });
  }

  /** Clears a condition of a block, which serves after its next confirmation. */
  clear(block: Block, kind: BlockCondition): void {
    this.#deps.conditions.clear(kind, subjectOf(block));
  }

  /** Forgets a block that this host no longer has. */
  forget(block: Block): void {
    this.#confirmed.delete(block.mark);
    this.#addresses.delete(block.mark);
    for (const kind of blockConditions) this.clear(block, kind);
  }

  /** Finds the block that contains an address. */
  at(view: string, address: string): Block | undefined {
    return this.#deps.store.blocks().find((block) => {
      return block.view === view && this.#addressesOf(block).includes(address);
    });
  }

  /** Tells whether a spec asks for a block, as `isOfSpec`, and its name has not moved to another network. */
  isOf(block: Block, spec: NetworkSpec): boolean {
    return isOfSpec(block, spec) && (this.#deps.networks.known(spec)?.cidr.text ?? block.cidr) === block.cidr;
  }

  /** Lists leases of any phase in a block. */
  leasesIn(block: Block): Lease[] {
    return this.#addressesOf(block).flatMap((address) => this.#deps.store.at(block.view, address));
  }

  /** Tells whether a lease with this mark ended in this run. */
  hasEnded(mark: string): boolean {
    return this.#ended.has(mark);
  }

  /** Returns the time of the last confirmation in this run, milliseconds since 1970. */
  confirmedAt({ mark }: Block): number | undefined {
    return this.#confirmed.get(mark)?.wall;
  }

  /** Tells whether a block assigns addresses now. */
  serves(block: Block): boolean {
    return this.servesUntil(block) !== null;
  }

  /** Returns until when a block serves without another confirmation, milliseconds since 1970; null: it does not serve. */
  servesUntil(block: Block): number | null {
    const { store, clock, validityMs } = this.#deps;
    const confirmation = this.#confirmed.get(block.mark);
    if (block.phase !== 'held' || block.takenAt === null || confirmation === undefined) return null;
    if (this.areReleased || !store.isWhole || this.owedTooLong(block) !== undefined) return null;
    const { now, wall } = confirmation;
    const age = Math.max(clock.now() - now, clock.wall() - wall);
    const maxAge = now - block.takenAt >= maxLossMs ? validityMs : Math.min(validityMs, maxUnsureMs);
    return age > maxAge ? null : clock.wall() + maxAge - age;
  }

  /** Tells whether the grid refuses reservations in a block; it would refuse those in another block, too. */
  isRefused(block: Block): boolean {
    return this.#deps.conditions.find('block-refused', subjectOf(block)) !== undefined;
  }

  /** Finds a lease in a block whose create has failed for too long. */
  owedTooLong(block: Block): Lease | undefined {
    const { clock, conditions } = this.#deps;
    const since = clock.now() - maxOwedMs;
    if (gridTrouble(conditions) !== undefined || this.#gridBackAt > since) return undefined;
    return this.leasesIn(block).find(({ phase, owedSince, attempts }) => {
      return phase === 'bound' && owedSince !== null && owedSince < since && attempts >= minFailures;
    });
  }

  /**
   * Chooses an address for an ADD: the last one of its attachment, or the one that has rested longest. Prefers the oldest block, so that
   * younger ones can become empty. The address is on offer, and not chosen again, until `takeBack`.
   */
  offer(spec: NetworkSpec, { mark, requested, except }: Wish): Offer | undefined {
    const again = this.#deps.store.get(mark)?.address;
    for (const { block, network } of this.#serving(spec)) {
      const all = this.#addressesOf(block);
      // If this run does not know when addresses were last in use, start after the one assigned last.
      const next = all.indexOf(block.lastGiven ?? '') + 1;
      const rank = (one: string) => (one === again ? -2 : (this.#lastUse.get(placeOf(block.view, one)) ?? -1));
      const free = new Set(this.freeIn(block, mark));
      const [address] = [...all.slice(next), ...all.slice(0, next)]
        .filter((one) => free.has(one) && !except?.has(one) && fits(one, network, requested))
        .sort((one, other) => rank(one) - rank(other));
      if (address === undefined) continue;
      this.#offered.add(placeOf(block.view, address));
      return { block, address, network };
    }
    return undefined;
  }

  /** Ends an offer. @returns whether its address can still be assigned */
  takeBack({ block, address }: Offer, { mark }: Pick<Wish, 'mark'>): boolean {
    this.#offered.delete(placeOf(block.view, address));
    const present = this.#deps.store.blocks().find((one) => one.mark === block.mark);
    return present !== undefined && this.serves(present) && this.#isFree(present, address, mark);
  }

  /** Tells whether a block could give an ADD an address now. */
  hasFor(spec: NetworkSpec, wish: Wish): boolean {
    const offer = this.offer(spec, wish);
    return offer !== undefined && this.takeBack(offer, wish);
  }

  /** Records that a lease has the offered address. */
  noteAssigned({ block, address }: Offer, { wall }: { readonly wall: number }): void {
    this.tally.assigned += 1;
    this.#deps.store.applyBlock(block.mark, (one) => one && assigned(one, address, { wall }));
  }

  /** Returns the network of a lease if its address lies in a block of this spec. */
  networkOf({ view, address }: Lease, spec: NetworkSpec): ReadyNetwork | undefined {
    const block = address === null ? undefined : this.at(view, address);
    return block !== undefined && isOfSpec(block, spec) ? readyIn(spec, networkOfBlock(block)) : undefined;
  }

  /** Counts addresses in the serving blocks of a spec. @param except mark of a block to ignore */
  room(spec: NetworkSpec, except?: string): Room {
    const serving = this.#serving(spec).flatMap(({ block }) => (block.mark === except ? [] : [block]));
    const size = serving.reduce((sum, block) => sum + block.size, 0);
    return { size, free: serving.reduce((sum, block) => sum + this.freeIn(block).length, 0) };
  }

  /** Lists the addresses of a block that can be assigned. @param mark mark of a lease to ignore */
  freeIn(block: Block, mark?: string): string[] {
    return this.#addressesOf(block).filter((address) => {
      return !this.#offered.has(placeOf(block.view, address)) && this.#isFree(block, address, mark);
    });
  }

  #isFree(block: Block, address: string, mark?: string): boolean {
    if (this.#confirmed.get(block.mark)?.others.has(address)) return false;
    return this.#deps.store.at(block.view, address).every((lease) => lease.mark === mark);
  }

  #addressesOf(block: Block): readonly string[] {
    const addresses = this.#addresses.get(block.mark) ?? addressesOf(block);
    this.#addresses.set(block.mark, addresses);
    return addresses;
  }

  #serving(spec: NetworkSpec): { readonly block: Block; readonly network: ReadyNetwork }[] {
    const blocks = this.#deps.store.blocks().filter((block) => this.isOf(block, spec) && this.serves(block));
    blocks.sort((one, other) => (one.takenAt ?? 0) - (other.takenAt ?? 0));
    return blocks.map((block) => ({ block, network: readyIn(spec, networkOfBlock(block)) }));
  }

  #note(mark: string, lease: Lease | undefined): void {
    this.#ended.delete(mark);
    if (lease === undefined) {
      this.#ended.add(mark);
      dropFirst(this.#ended);
    } else if (lease.address !== null) {
      const place = placeOf(lease.view, lease.address);
      this.#lastUse.delete(place);
      this.#lastUse.set(place, ++this.#uses);
      dropFirst(this.#lastUse);
    }
  }
}

/** Drops the first member of too many. */
function dropFirst(members: Set<string> | Map<string, unknown>): void {
  const [first] = members.keys();
  if (members.size > maxEnded && first !== undefined) members.delete(first);
}

function placeOf(view: string, address: string): string {
  return `${address} ${view}`;
}
