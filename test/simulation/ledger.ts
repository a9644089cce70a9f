/**
 * Records the addresses that containers were told, and checks the invariants. It knows only live containers, their answers and the contents
 * of the grid, not how the driver works.
 */
import { addressBeside, type Interval, isNetworkOrBroadcast, isWithin, parseCidr } from '../../src/infoblox/address.ts';
import { parseMark } from '../../src/infoblox/mark.ts';
import { cluster } from './daemon-run.ts';
import type { GridMembers, Holder } from './grid-members.ts';

/** The answer of an ADD. */
interface Told {
  readonly address: string;
  /** CIDR. */
  readonly network: string;
}

/** An address as told; `isOwed`: from a block of its host, not reserved on the grid yet. */
interface Live extends Told {
  isOwed: boolean;
}

/** A foreign object; an empty comment if it has none. */
type Stranger = Pick<Holder, 'address' | 'comment'>;

/** Maximum milliseconds from the grid's answer to a look until the write that depends on it is carried out, or dropped. */
const maxFlightMs = 70_000;

/** Facts about the host of an ADD. */
interface Asked {
  /** Present and earlier names of its host. */
  readonly names: readonly string[];
  readonly requested?: string | undefined;
  /** Where new first addresses have to be. */
  readonly range: Interval | undefined;
  /** Addresses that no container of this host may have. */
  readonly ownAddresses: ReadonlySet<string>;
  /** Of two reservations of one container a host that has lost its state does not know which one was told (docs/reliability.md). */
  readonly hasLostState: boolean;
}

export class Ledger {
  readonly #members: GridMembers;
  readonly #now: () => number;
  /** By container. */
  readonly #live = new Map<string, Live>();
  /** Containers whose reservation was removed or lost by others: no promise until it exists again. */
  readonly #excused = new Set<string>();
  /** Addresses of deleted containers, and until when no other container may get them. */
  readonly #resting = new Map<string, { readonly address: string; readonly until: number }>();
  readonly #broken: string[] = [];
  /** Foreign objects, which must never be changed, with the time from which that is certain. */
  readonly #strangers: Map<string, number>;
  readonly #containerOf = new Map<string, string>();
  /** Whether a promoted master may lack the network, so that it may be created again elsewhere. */
  readonly #mayMoveNetwork: boolean;

  constructor(
    members: GridMembers,
    { now, mayMoveNetwork }: { readonly now: () => number; readonly mayMoveNetwork: boolean },
  ) {
    this.#members = members;
    this.#now = now;
    this.#strangers = new Map(members.holders().map((holder) => [keyOf(holder), 0]));
    this.#mayMoveNetwork = mayMoveNetwork;
  }

  get live(): ReadonlyMap<string, Told> {
    return this.#live;
  }

  /** Live containers without a promise: an operator restarts them. */
  get excused(): string[] {
    return [...this.#excused].filter((container) => this.#live.has(container));
  }

  /** Returns the container of a mark, and which of its addresses; empty for any other comment. Names of containers are unique. */
  containerOf(comment: string): string {
    const known = this.#containerOf.get(comment);
    if (known !== undefined) return known;
    const mark = parseMark(comment);
    const container = mark?.origin.cluster === cluster ? placeOf(mark.attachment.containerId, setIn(comment)) : '';
    this.#containerOf.set(comment, container);
    return container;
  }

  /** Records the answer of an ADD. */
  told(container: string, told: Told, { requested, range, names, ownAddresses, hasLostState }: Asked): void {
    const { address, network } = told;
    const before = this.#live.get(container);
    const isNew = before?.address !== address;
    const isOwed = isNew ? this.#members.isInBlock(address, names) && !this.#isHeld(address, container) : before.isOwed;
    const others = this.#excused.has(container) ? [] : this.#live;
    for (const [other, { address: its, network: theirs, isOwed: isTheirsOwed }] of others) {
      if (other === container || this.#excused.has(other)) continue;
      // The core reports the container that lost its address: a person, or a grid that assigns addresses of ranges, gave it away, or
      // somebody removed a block, and another host took its place.
      const isGivenAway = isTheirsOwed !== isOwed || (isOwed && this.#members.isInRemovedBlock(address));
      if (its === address && !isGivenAway)
        this.#broken.push(`${address} was told to ${container} while ${other} has it`);
      if (theirs !== network && !this.#mayMoveNetwork && isSecond(other) === isSecond(container)) {
        this.#broken.push(`${container} is in ${network} while ${other} is in ${theirs}`);
      }
    }
    this.#refuseRestless(container, address, requested !== undefined || isOwed);
    // A reservation that a host has imported may be that of a container which lives with its own address.
    const misfit = misfitOf(told, hasLostState ? new Set() : ownAddresses);
    if (misfit !== undefined) this.#broken.push(`${address}, ${misfit}, was told to ${container}`);
    if (range !== undefined && isNew && !isSecond(container) && !isWithin(address, range)) {
      this.#broken.push(`${address}, outside the range, was told to ${container}`);
    }
    if (requested !== undefined && address !== requested) {
      this.#broken.push(`${container} was told ${address} and has asked for ${requested}`);
    }
    const isAnother = before !== undefined && before.address !== address;
    if (isAnother && !hasLostState && !this.#excused.delete(container)) {
      this.#broken.push(`${container} has ${before.address} and was told ${address} by a repeated ADD`);
    }
    this.#live.set(container, { ...told, isOwed });
  }

  /**
   * Ends the promise to a container with an owed reservation: the core reported its address as lost, or the state of its host is lost.
   */
  namedLost(container: string): void {
    if (this.#live.get(container)?.isOwed) this.#excused.add(container);
  }

  /** Lists live containers whose address was told but not reserved. */
  owed(): string[] {
    return [...this.#live].flatMap(([id, { isOwed }]) => (isOwed && !this.#excused.has(id) ? [id] : []));
  }

  /** Records that CHECK reported a lost reservation. */
  saidLost(container: string, why: string): void {
    if (this.#live.has(container) && !this.#excused.has(container)) this.#broken.push(`CHECK of ${container}: ${why}`);
  }

  /** Records a broken invariant. */
  saidImpossible(line: string): void {
    this.#broken.push(line);
  }

  /** Records the answered DEL of a container. @param until end of the cool-down, in virtual time */
  rests(container: string, { address }: Pick<Told, 'address'>, until: number): void {
    if (this.#isHeld(address, container)) this.#resting.set(container, { address, until });
  }

  /** Ends the cool-down of addresses: the core reported it, or lost its knowledge of them. */
  endsRest(address?: string): void {
    for (const [container, told] of this.#resting) {
      if (address === undefined || told.address === address) this.#resting.delete(container);
    }
  }

  /** Records that a restarted container requests another address. */
  givesUpRest(container: string): void {
    this.#resting.delete(container);
  }

  /** Forgets a container. */
  left(container: string): void {
    this.#live.delete(container);
    this.#excused.delete(container);
  }

  /** Records that a reservation was removed by others, or lost by the grid. */
  excuse(container: string): void {
    this.#resting.delete(container);
    // Also before the container is told.
    this.#excused.add(container);
  }

  #isHeld(address: string, container: string): boolean {
    const holders = this.#members.holders();
    return holders.some((holder) => holder.address === address && this.containerOf(holder.comment) === container);
  }

  /** @param mayBe it was asked for, or the grid shows what a block has in it only later */
  #refuseRestless(container: string, address: string, mayBe: boolean): void {
    this.#resting.delete(container);
    if (mayBe) return;
    for (const [other, { address: its, until }] of this.#resting) {
      if (its !== address || until <= this.#now()) continue;
      this.#broken.push(`${address} was told to ${container} though it rests for ${other}`);
    }
  }

  /** Records a foreign object. @param inPlace whether it is where this driver's was, which a write in flight may be for */
  appeared(stranger: Stranger, { inPlace }: { readonly inPlace: boolean }): void {
    this.#strangers.set(keyOf(stranger), inPlace ? this.#now() + maxFlightMs : 0);
  }

  /** Allows the removal of a foreign object. */
  givenUp(stranger: Stranger): void {
    this.#strangers.delete(keyOf(stranger));
  }

  /** Forgets foreign objects that are gone: a promoted master lacks them, or a person has deleted them. */
  forgetAbsent(): void {
    for (const key of this.#touched(this.#members.holders())) this.#strangers.delete(key);
  }

  #touched(holders: readonly Holder[]): string[] {
    const there = new Set(holders.map(keyOf));
    return [...this.#strangers.keys()].filter((key) => !there.has(key));
  }

  /** Lists broken invariants, one line each. */
  broken(): string[] {
    const holders = this.#members.holders();
    // In any view, as views are renamed.
    const held = new Set(holders.map(({ address, comment }) => `${address} ${this.containerOf(comment)}`));
    const lost: string[] = [];
    for (const [container, live] of this.#live) {
      const { address, isOwed } = live;
      if (held.has(`${address} ${container}`)) {
        this.#excused.delete(container);
        live.isOwed = false;
      } else if (!isOwed && !this.#excused.has(container)) {
        lost.push(`${address} was told to ${container} and is not reserved for it`);
      }
    }
    const touched = this.#touched(holders).filter((key) => (this.#strangers.get(key) ?? 0) <= this.#now());
    // Until then a write in flight may have hit it.
    if (touched.length === 0) this.forgetAbsent();
    return [...this.#broken, ...lost, ...touched.map((key) => `${key} was touched`)];
  }

  /** Lists reservations that no live container was told. */
  leftOver(): { readonly container: string; readonly node: string; readonly text: string }[] {
    return this.#members.holders().flatMap(({ address, comment }) => {
      const container = this.containerOf(comment);
      if (container === '' || this.#live.get(container)?.address === address) return [];
      const node = parseMark(comment)?.origin.node ?? '';
      return [{ container, node, text: `${address} stays reserved for ${comment}` }];
    });
  }
}

/** Names an address of a container: the first by its ID alone. @param set counted from 0 */
export function placeOf(container: string, set: number): string {
  return set === 0 ? container : `${container}/${set}`;
}

function isSecond(place: string): boolean {
  return place.includes('/');
}

/** Says why no container may have an address. */
function misfitOf({ address, network }: Told, ownAddresses: ReadonlySet<string>): string | undefined {
  const cidr = parseCidr(network);
  if (cidr === undefined || !isWithin(address, cidr)) return `outside ${network}`;
  if (isNetworkOrBroadcast(cidr, address)) return 'no address of a host';
  if (address === addressBeside(cidr.first, 1)) return 'the gateway';
  return ownAddresses.has(address) ? 'an address of its host' : undefined;
}

/** Names a foreign object, in any view, as views are renamed. */
function keyOf({ address, comment }: Stranger): string {
  return `${address} of "${comment}"`;
}

/** Returns the index of an address's set in its configuration, from 0. */
function setIn(mark: string): number {
  return Number(/ set=(\d+)$/.exec(mark)?.[1] ?? 0);
}
