/** Reports the states of blocks, for people and metrics. */
import type { LeaseStore } from '../store/lease-store.ts';
import type { Block } from './block.ts';
import type { Blocks } from './blocks.ts';

/** `waiting`: not confirmed yet. `stopped`: by a condition. */
export const blockStates = ['taking', 'serving', 'waiting', 'stopped', 'draining'] as const;

export interface BlockState {
  readonly block: Block;
  readonly state: (typeof blockStates)[number];
  /** Addresses that can be assigned now. */
  readonly free: number;
  /** Addresses in use by containers. */
  readonly held: number;
  /** Addresses in cool-down or being released. */
  readonly resting: number;
  /** Time of the last confirmation, milliseconds since 1970; null: none in this run. */
  readonly confirmedAt: number | null;
  /** Until when it serves without another confirmation, milliseconds since 1970; null: it does not serve. */
  readonly expiresAt: number | null;
}

/** Lists the blocks of this host, and those of others that it releases, in no particular order. */
export function statesOf(blocks: Blocks, store: Pick<LeaseStore, 'blocks'>): BlockState[] {
  return store.blocks().map((block) => {
    const leases = blocks.leasesIn(block);
    const resting = leases.filter(({ phase }) => phase === 'releasing').length;
    return {
      block,
      state: stateOf(blocks, block),
      free: blocks.freeIn(block),
      held: leases.length - resting,
      resting,
      confirmedAt: blocks.confirmedAt(block),
      expiresAt: blocks.expiresAt(block),
    };
  });
}

function stateOf(blocks: Blocks, block: Block): BlockState['state'] {
  if (block.phase === 'taking') return 'taking';
  if (block.phase === 'draining' || blocks.areReleased) return 'draining';
  if (blocks.serves(block)) return 'serving';
  return blocks.isStopped(block) ? 'stopped' : 'waiting';
}
