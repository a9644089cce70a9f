/** Which blocks this host needs: those of networks with ADDs of the last day, as long as few of their addresses are free. */
import { shortNetworkName } from '../../mark.ts';
import type { ReadyNetwork } from '../../network/networks.ts';
import { type NetworkSpec, sourceText } from '../../network/spec.ts';
import type { Block } from './block.ts';
import type { Room } from './blocks.ts';
import type { VisitDeps } from './visit.ts';

/** Milliseconds after which an unused block is released, and an empty one if others have free addresses. */
const maxIdleMs = 86_400_000;
const maxEmptyMs = 3_600_000;
/** Share of free addresses below which another block is taken. */
const minFree = 1 / 4;

/** A network with ADDs. */
export interface Wanted {
  spec: NetworkSpec;
  network: ReadyNetwork;
  /** Time of the last successful ADD, as the clock's `now`. */
  addedAt: number;
  /** Earliest time to take a block, as the clock's `now`. */
  takeAt: number;
  failures: number;
}

export class Demand {
  readonly #deps: Pick<VisitDeps, 'blocks' | 'store' | 'clock'>;
  /** By network and place. */
  readonly #wanted = new Map<string, Wanted>();
  /** Since when each block is empty, by mark, as the clock's `now`. */
  readonly #emptySince = new Map<string, number>();

  constructor(deps: Pick<VisitDeps, 'blocks' | 'store' | 'clock'>) {
    this.#deps = deps;
  }

  /** Records a successful ADD. */
  noteAdd(spec: NetworkSpec, network: ReadyNetwork): void {
    // The latest configuration of each place counts: blocks of an earlier one are released.
    const key = JSON.stringify([spec.view, spec.name, sourceText(spec)]);
    const wanted = this.#wanted.get(key) ?? { spec, network, addedAt: 0, takeAt: 0, failures: 0 };
    wanted.spec = spec;
    wanted.network = network;
    wanted.addedAt = this.#deps.clock.now();
    this.#wanted.set(key, wanted);
  }

  /** Ends the pauses after failures. */
  retry(): void {
    for (const wanted of this.#wanted.values()) wanted.takeAt = 0;
  }

  /**
   * Lists the networks that need another block: the serving ones are nearly full, and none of its kind is being taken, is unclear, or has
   * its reservations refused, which would also happen in another one.
   */
  unmet(isUnclear: (block: Block) => boolean): Wanted[] {
    const { blocks, store, clock } = this.#deps;
    if (blocks.areReleased || !store.isWhole) return [];
    const keepsFromTaking = (block: Block, spec: NetworkSpec) =>
      blocks.isOf(block, spec) && (block.phase === 'taking' || isUnclear(block) || blocks.isRefused(block));
    return [...this.#wanted.values()].filter(({ spec, network, addedAt }) => {
      if (network.blockSize === 0 || clock.now() - addedAt >= maxIdleMs) return false;
      return !store.blocks().some((block) => keepsFromTaking(block, spec)) && isScarce(blocks.room(spec));
    });
  }

  /** Forgets a block that this host no longer has. */
  forget({ mark }: Block): void {
    this.#emptySince.delete(mark);
  }

  /** Tells whether this host does not need a block, if it is empty. Asked at each visit, to learn since when it is. */
  isSurplus(block: Block): boolean {
    const { blocks, clock } = this.#deps;
    const { mark, view, network, usedAt } = block;
    const emptySince = blocks.leasesIn(block).length > 0 ? undefined : (this.#emptySince.get(mark) ?? clock.now());
    if (emptySince === undefined) {
      this.#emptySince.delete(mark);
      return false;
    }
    this.#emptySince.set(mark, emptySince);
    const wanted = [...this.#wanted.values()].map(({ spec }) => spec);
    const ofNetwork = wanted.filter((one) => one.view === view && shortNetworkName(one.name) === network);
    const spec = ofNetwork.find((one) => blocks.isOf(block, one));
    const idleMs = clock.wall() - usedAt;
    if (blocks.areReleased || idleMs >= maxIdleMs || (ofNetwork.length > 0 && spec === undefined)) return true;
    const isEmptyForLong = clock.now() - emptySince >= maxEmptyMs && idleMs >= maxEmptyMs;
    return isEmptyForLong && spec !== undefined && !isScarce(blocks.room(spec, mark));
  }
}

/** Tells whether another block must be taken. */
function isScarce({ size, free }: Room): boolean {
  return free < size * minFree || size === 0;
}
