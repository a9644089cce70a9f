/** How the blocks of a host are, for people and figures. */
import type { LeaseStore } from '../store/lease-store.ts';
import type { Block } from './block.ts';
import type { Blocks } from './blocks.ts';

/** `waiting`: for the grid to confirm it. `stopped`: by what a look has shown, which a condition names. */
export const blockStates = ['taking', 'serving', 'waiting', 'stopped', 'draining'] as const;

export interface BlockState {
  readonly block: Block;
  readonly state: (typeof blockStates)[number];
  /** Addresses that can be given now. */
  readonly free: number;
  /** Those that containers have. */
  readonly held: number;
  /** Those that are kept after their release, or are being released. */
  readonly resting: number;
  /** When the grid was last seen to have it for this host alone, milliseconds since 1970; null: not in this run. */
  readonly confirmedAt: number | null;
  /** Until when it serves if the grid does not confirm it again, milliseconds since 1970; null: it does not serve. */
  readonly expiresAt: number | null;
}

/** The blocks of this host, and those of others that it gives back, in no particular order. */
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
