/**
 * Decides what to do about a host block, as plan.ts does about leases. docs/architecture.md has the table, written from here.
 */
import type { GridError } from '../../errors.ts';
import type { Range } from '../../grid.ts';
import { aCreate, aDelete, type DoubtKind, doubtOf, kindOf, type Moment, noCreate, noDelete } from '../doubt.ts';
import { type Block, type BlockPhase, intervalOf } from './block.ts';

/**
 * Reservations inside: none of its host; only those of this host's leases; or some under a mark of its host without a lease in this state.
 */
export const insides = ['empty', 'leases', 'unknown marks'] as const;
export type Inside = (typeof insides)[number];

/** A look at the grid. */
export interface BlockLook {
  /** Ranges with its mark, and others that overlap it. */
  readonly ranges: readonly Range[];
  readonly inside: Inside;
  /** When the grid was asked, as the clock's `now`. */
  readonly askedAt: number;
  /** Set, with the reason, if no host known to accept writes could be asked. */
  readonly unconfirmed?: GridError | undefined;
}

/** `touched`: other ranges overlap it. `altered`: the range with its mark was changed. */
export const blockSights = ['nothing', 'alone', 'touched', 'altered', 'unconfirmed'] as const;
export type BlockSeen = (typeof blockSights)[number];

export type BlockStep =
  /** `hold`: it becomes `held`. `confirm`: it may assign addresses. `wait`: look again later. */
  | { readonly kind: 'hold' | 'confirm' | 'forget' | 'wait' }
  | { readonly kind: 'remove'; readonly object: Range }
  /** `stop`: it assigns no address until a look confirms it. `drain`: release it when empty. */
  | { readonly kind: 'stop' | 'drain'; readonly seen: BlockSeen };

/**
 * One rule of the table: a set of combinations; omitted fields match anything. Every combination meets exactly one. `impossible`: if it
 * occurs, nothing is written, and the daemon looks again later.
 */
export interface BlockRule {
  readonly phase: BlockPhase;
  readonly seen?: readonly BlockSeen[];
  readonly doubt?: readonly DoubtKind[];
  readonly inside?: readonly Inside[];
  readonly step: BlockStep['kind'] | 'impossible';
  readonly because: string;
}

const known: readonly Inside[] = ['empty', 'leases'];
const used: readonly Inside[] = ['leases', 'unknown marks'];
const there: readonly BlockSeen[] = ['alone', 'touched', 'altered'];
const asMade: readonly BlockSeen[] = ['alone', 'touched'];

// biome-ignore format: a table reads as a table
export const blockTable: readonly BlockRule[] = [
  { phase: 'taking', doubt: ['create'], step: 'wait', because: 'the create may still be carried out, and so may that of another host at the same place' },
  { phase: 'taking', doubt: ['none'], seen: ['nothing'], step: 'forget', because: 'the create was not carried out' },
  { phase: 'taking', doubt: ['none'], seen: ['alone'], inside: known, step: 'hold', because: 'no other host has taken it while creates were in doubt' },
  { phase: 'taking', doubt: ['none'], seen: ['alone'], inside: ['unknown marks'], step: 'drain', because: 'another machine assigns addresses of it under the name of this host' },
  { phase: 'taking', doubt: ['none'], seen: ['touched', 'altered'], step: 'drain', because: 'another range overlaps it, or it was changed' },
  { phase: 'taking', doubt: ['none'], seen: ['unconfirmed'], step: 'wait', because: 'a host that may lag behind does not show other ranges there' },

  { phase: 'held', doubt: ['none'], seen: ['alone'], inside: known, step: 'confirm', because: 'only this host has it' },
  { phase: 'held', doubt: ['none'], seen: ['alone'], inside: ['unknown marks'], step: 'stop', because: 'another machine may run on a copy of this state' },
  { phase: 'held', doubt: ['none'], seen: ['nothing', 'altered'], step: 'stop', because: 'it was removed or changed, or a promoted master has lost it' },
  { phase: 'held', doubt: ['none'], seen: ['touched'], step: 'stop', because: 'another host may assign the same addresses' },
  { phase: 'held', doubt: ['none'], seen: ['unconfirmed'], step: 'wait', because: 'a host that may lag behind confirms nothing' },

  { phase: 'draining', seen: ['nothing'], doubt: aCreate, step: 'wait', because: 'the create may still be carried out' },
  { phase: 'draining', seen: ['nothing'], doubt: noCreate, step: 'forget', because: 'no range has its mark, and none can appear' },
  { phase: 'draining', seen: there, inside: used, step: 'wait', because: 'its addresses are in use' },
  { phase: 'draining', seen: ['altered'], inside: ['empty'], step: 'forget', because: 'it was changed on purpose, so it is left to its new owner' },
  { phase: 'draining', seen: asMade, inside: ['empty'], doubt: noDelete, step: 'remove', because: 'it is no longer needed' },
  { phase: 'draining', seen: asMade, inside: ['empty'], doubt: aDelete, step: 'wait', because: 'one delete may still be carried out; a second one could hit a later owner of the place' },
  { phase: 'draining', seen: ['unconfirmed'], step: 'wait', because: 'a host that may lag behind does not show the reservations inside' },

  { phase: 'taking', doubt: aDelete, step: 'impossible', because: 'only draining blocks are deleted' },
  { phase: 'held', doubt: ['create', 'delete', 'both'], step: 'impossible', because: 'the doubt of its create has ended, and only draining blocks are deleted' },
];

/** Decides what to do about a block. @returns one step; `impossible`: set, with the reason, for an impossible combination */
export function planBlock(block: Block, look: BlockLook, moment: Moment): BlockStep & { readonly impossible?: string } {
  const doubt = kindOf(doubtOf(block, { ...moment, askedAt: look.askedAt }));
  const object = look.ranges.find(({ comment }) => comment === block.mark);
  const seen = seenOf(block, look, object);
  const { step, because } = blockRule({ phase: block.phase, seen, doubt, inside: look.inside });
  switch (step) {
    case 'impossible':
      return { kind: 'wait', impossible: because };
    case 'remove':
      if (object === undefined) throw new Error('nothing to remove');
      return { kind: step, object };
    case 'stop':
    case 'drain':
      return { kind: step, seen };
    default:
      return { kind: step };
  }
}

interface Combination {
  readonly phase: BlockPhase;
  readonly seen: BlockSeen;
  readonly doubt: DoubtKind;
  readonly inside: Inside;
}

/** Finds the rule for a combination. */
export function blockRule({ phase, seen, doubt, inside }: Combination): BlockRule {
  const isMet = (row: BlockRule) =>
    row.phase === phase &&
    row.seen?.includes(seen) !== false &&
    row.doubt?.includes(doubt) !== false &&
    row.inside?.includes(inside) !== false;
  const rule = blockTable.find(isMet);
  if (rule === undefined) throw new Error(`no rule for ${phase}, ${seen}, doubt ${doubt}, ${inside}`);
  return rule;
}

function seenOf(block: Block, { ranges, unconfirmed }: BlockLook, object: Range | undefined): BlockSeen {
  if (unconfirmed !== undefined) return 'unconfirmed';
  if (object === undefined) return 'nothing';
  const { first, last } = intervalOf(block);
  if (!object.isReserved || object.first !== first || object.last !== last) return 'altered';
  return ranges.length > 1 ? 'touched' : 'alone';
}
