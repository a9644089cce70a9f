/** The states of all blocks, for people and metrics. */
import type { LeaseDeps } from '../deps.ts';
import type { Block } from './block.ts';
import { subjectOf } from './block-conditions.ts';
import { blockConditions } from './blocks.ts';

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

type StatesDeps = Pick<LeaseDeps, 'blocks' | 'store' | 'conditions'>;

/** Lists the states of all blocks, also of those of others that this host releases, in no particular order. */
export function statesOf(deps: StatesDeps): BlockState[] {
  const { blocks, store } = deps;
  return store.blocks().map((block) => {
    const leases = blocks.leasesIn(block);
    const resting = leases.filter(({ phase }) => phase === 'releasing').length;
    return {
      block,
      state: stateOf(deps, block),
      free: blocks.serves(block) ? blocks.freeIn(block).length : 0,
      held: leases.length - resting,
      resting,
      confirmedAt: blocks.confirmedAt(block) ?? null,
      expiresAt: blocks.servesUntil(block),
    };
  });
}

function stateOf({ blocks, conditions }: StatesDeps, block: Block): BlockState['state'] {
  if (block.phase === 'taking') return 'taking';
  if (block.phase === 'draining' || blocks.areReleased) return 'draining';
  if (blocks.serves(block)) return 'serving';
  const isStopped = blockConditions.some((kind) => conditions.find(kind, subjectOf(block)) !== undefined);
  return isStopped ? 'stopped' : 'waiting';
}
