/**
 * What containers were told, and what follows from it at every moment. It knows nothing of how the driver works: only which containers
 * live, what they were answered, and what the grid holds.
 */
import type { GridMembers, Holder } from './grid-members.ts';

interface Told {
  readonly view: string;
  readonly address: string;
}

/** As it was told; `isOwed`: it is of a block of its host, and the grid has not shown it yet. */
interface Live extends Told {
  isOwed: boolean;
}

export class Ledger {
  readonly #members: GridMembers;
  /** By mark. */
  readonly #live = new Map<string, Live>();
  /** Marks whose reservation somebody else has removed or lost: until it is there again, nothing is promised. */
  readonly #excused = new Set<string>();
  readonly #broken: string[] = [];
  /** Who was there before anybody came: nothing of it is ever touched. */
  readonly #strangers: readonly Holder[];

  constructor(members: GridMembers) {
    this.#members = members;
    this.#strangers = members.holders();
  }

  get live(): ReadonlyMap<string, Told> {
    return this.#live;
  }

  /** Those of the living that nothing is promised to now: an operator restarts them. */
  get excused(): string[] {
    return [...this.#excused].filter((mark) => this.#live.has(mark));
  }

  /**
   * An ADD was answered.
   * @param host `hasLostState`: of two reservations of one container it does not know which one was told (docs/reliability.md)
   */
  told(mark: string, told: Told, { hasLostState }: { readonly hasLostState: boolean }): void {
    const before = this.#live.get(mark);
    const isKnown = before !== undefined && before.address === told.address;
    const isToBeOwed = isKnown ? before.isOwed : this.#members.isInBlock(told, mark);
    for (const [other, { view, address, isOwed }] of this.#live) {
      // One of them finds its address taken, and is named: a person, or a grid that gives addresses of ranges, has given it away.
      if (isOwed !== isToBeOwed) continue;
      if (other === mark || view !== told.view || address !== told.address || this.#excused.has(other)) continue;
      this.#broken.push(`${address} was told to ${mark} while ${other} has it`);
    }
    const isAnother = before !== undefined && before.address !== told.address;
    if (isAnother && !hasLostState && !this.#excused.delete(mark)) {
      this.#broken.push(`${mark} has ${before.address} and was told ${told.address} by a repeated ADD`);
    }
    this.#live.set(mark, { ...told, isOwed: isToBeOwed });
  }

  /**
   * The core has said that a container has lost its address to somebody, or the state of its host is lost: nothing is promised any more if
   * its reservation was owed.
   */
  namedLost(mark: string): void {
    if (this.#live.get(mark)?.isOwed) this.#excused.add(mark);
  }

  /** Living containers whose address was told and never reserved. */
  owed(): string[] {
    return [...this.#live].flatMap(([mark, { isOwed }]) => (isOwed && !this.#excused.has(mark) ? [mark] : []));
  }

  /** CHECK says that a container has lost its reservation. */
  saidLost(mark: string, why: string): void {
    if (this.#live.has(mark) && !this.#excused.has(mark)) this.#broken.push(`CHECK of ${mark}: ${why}`);
  }

  /** A block was deleted in which leases lie. */
  deletes(broken: readonly string[]): void {
    this.#broken.push(...broken);
  }

  /** The core has met what its tables call impossible. */
  saidImpossible(line: string): void {
    this.#broken.push(line);
  }

  /** A container claims nothing any more. */
  left(mark: string): void {
    this.#live.delete(mark);
    this.#excused.delete(mark);
  }

  /** Somebody else has removed the reservation, or the grid has lost it. */
  excuse(mark: string): void {
    // Also of one that is about to be told.
    this.#excused.add(mark);
  }

  /** What is broken now, one line each. */
  broken(): string[] {
    const held = new Set(this.#members.holders().map(keyOf));
    const lost: string[] = [];
    for (const [mark, live] of this.#live) {
      const { view, address } = live;
      if (held.has(keyOf({ comment: mark, view, address }))) {
        this.#excused.delete(mark);
        live.isOwed = false;
      } else if (live.isOwed) {
        // Its block is this host's: the reservation follows.
      } else if (!this.#excused.has(mark)) lost.push(`${address} was told to ${mark} and is not reserved for it`);
    }
    const touched = this.#strangers.filter((holder) => !held.has(keyOf(holder)));
    return [...this.#broken, ...lost, ...touched.map(({ address, comment }) => `${address} of ${comment} was touched`)];
  }

  /** Reservations for containers that no living container was told. */
  leftOver(): { readonly mark: string; readonly text: string }[] {
    const wanted = new Set([...this.#live].map(([comment, told]) => keyOf({ comment, ...told })));
    return this.#members
      .holders()
      .filter((holder) => holder.comment.startsWith('infoblox-cni cluster=sim ') && !wanted.has(keyOf(holder)))
      .map(({ address, comment }) => ({ mark: comment, text: `${address} stays reserved for ${comment}` }));
  }
}

function keyOf({ view, address, comment }: Holder): string {
  return `${view}/${address}/${comment}`;
}
