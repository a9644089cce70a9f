/**
 * What to do about a host block: the one place where it is decided, as plan.ts decides about leases. The table is in
 * docs/architecture.md, too, written from here.
 */
import type { GridError } from '../../errors.ts';
import type { Range } from '../../grid.ts';
import { doubtOf, type Moment } from '../doubt.ts';
import { type Block, type BlockPhase, intervalOf } from './block.ts';

/**
 * Which reservations lie in it: none of its host; only such as leases of this host have; or some under a mark of its host of which
 * this state knows no lease.
 */
export const insides = ['empty', 'leases', 'unknown marks'] as const;
export type Inside = (typeof insides)[number];

/** A look at the grid. */
export interface BlockLook {
  /** What carries its mark, and what else shares addresses with it. */
  readonly ranges: readonly Range[];
  readonly inside: Inside;
  /** When the grid was asked, as the clock's `now`. */
  readonly askedAt: number;
  /** Set if no host that is known to accept writes could be asked: why. */
  readonly unconfirmed?: GridError | undefined;
}

/** `touched`: other ranges share addresses with it. `altered`: its mark is on a range that is not as it was made. */
export const blockSights = ['nothing', 'alone', 'touched', 'altered', 'unconfirmed'] as const;
export type BlockSeen = (typeof blockSights)[number];

export const blockDoubts = ['none', 'create', 'delete', 'both'] as const;
type DoubtKind = (typeof blockDoubts)[number];

export type BlockStep =
  /** `hold`: it becomes `held`. `confirm`: it may give addresses. `drain`: it is to go back. `wait`: look again later. */
  | { readonly kind: 'hold' | 'confirm' | 'drain' | 'forget' | 'wait' }
  | { readonly kind: 'remove'; readonly object: Range }
  /** It gives no address until a look confirms it. */
  | { readonly kind: 'stop'; readonly seen: BlockSeen; readonly inside: Inside };

/** A set of combinations; any of what is left out. */
interface Row {
  readonly phase: BlockPhase;
  readonly seen?: readonly BlockSeen[];
  readonly doubt?: readonly DoubtKind[];
  readonly inside?: readonly Inside[];
  readonly because: string;
}

/** One rule of the table. Every combination meets exactly one, or one impossibility. */
export interface BlockRule extends Row {
  readonly step: BlockStep['kind'];
}

const aCreate: readonly DoubtKind[] = ['create', 'both'];
const noCreate: readonly DoubtKind[] = ['none', 'delete'];
const aDelete: readonly DoubtKind[] = ['delete', 'both'];
const noDelete: readonly DoubtKind[] = ['none', 'create'];
const known: readonly Inside[] = ['empty', 'leases'];
const used: readonly Inside[] = ['leases', 'unknown marks'];
const there: readonly BlockSeen[] = ['alone', 'touched', 'altered'];
const asMade: readonly BlockSeen[] = ['alone', 'touched'];

// biome-ignore format: a table reads as a table
export const blockTable: readonly BlockRule[] = [
  { phase: 'taking', doubt: ['create'], step: 'wait', because: 'the create may still be carried out, and that of another host at the same place' },
  { phase: 'taking', doubt: ['none'], seen: ['nothing'], step: 'forget', because: 'the create was not carried out' },
  { phase: 'taking', doubt: ['none'], seen: ['alone'], inside: known, step: 'hold', because: 'nobody else has taken it in the time in which that could be' },
  { phase: 'taking', doubt: ['none'], seen: ['alone'], inside: ['unknown marks'], step: 'drain', because: 'somebody gives addresses of it under the name of this host' },
  { phase: 'taking', doubt: ['none'], seen: ['touched', 'altered'], step: 'drain', because: 'it is not this host\'s alone, or somebody has changed it' },
  { phase: 'taking', doubt: ['none'], seen: ['unconfirmed'], step: 'wait', because: 'a host that may lag behind does not show who else has taken it' },

  { phase: 'held', doubt: ['none'], seen: ['alone'], inside: known, step: 'confirm', because: 'it is this host\'s alone' },
  { phase: 'held', doubt: ['none'], seen: ['alone'], inside: ['unknown marks'], step: 'stop', because: 'another machine may live on a copy of this state' },
  { phase: 'held', doubt: ['none'], seen: ['nothing', 'altered'], step: 'stop', because: 'somebody has removed or changed it, or a promoted master has lost it' },
  { phase: 'held', doubt: ['none'], seen: ['touched'], step: 'stop', because: 'another host may give the same addresses' },
  { phase: 'held', doubt: ['none'], seen: ['unconfirmed'], step: 'wait', because: 'a host that may lag behind confirms nothing' },

  { phase: 'draining', seen: ['nothing'], doubt: aCreate, step: 'wait', because: 'the create may still be carried out' },
  { phase: 'draining', seen: ['nothing'], doubt: noCreate, step: 'forget', because: 'nothing is left that carries the mark, and nothing can come any more' },
  { phase: 'draining', seen: there, inside: used, step: 'wait', because: 'addresses of it are in use' },
  { phase: 'draining', seen: ['altered'], inside: ['empty'], step: 'forget', because: 'somebody has changed it on purpose: it is left to them' },
  { phase: 'draining', seen: asMade, inside: ['empty'], doubt: noDelete, step: 'remove', because: 'nobody needs it any more' },
  { phase: 'draining', seen: asMade, inside: ['empty'], doubt: aDelete, step: 'wait', because: 'one delete is on its way; a second one could hit a later owner of the place' },
  { phase: 'draining', seen: ['unconfirmed'], step: 'wait', because: 'a host that may lag behind does not show what lies in it' },
];

/** What cannot be. If it is all the same, nothing is written: the grid is looked at again later. */
export const blockImpossibilities: readonly Row[] = [
  { phase: 'taking', doubt: aDelete, because: 'only what is draining is deleted' },
  {
    phase: 'held',
    doubt: ['create', 'delete', 'both'],
    because: 'a create had its time, and only what is draining is deleted',
  },
];

/** Decides what to do about a block. @returns one step; `impossible`: why it cannot be, if it cannot */
export function planBlock(block: Block, look: BlockLook, moment: Moment): BlockStep & { readonly impossible?: string } {
  const { create, delete: removal } = doubtOf(block, { ...moment, askedAt: look.askedAt });
  const doubt = create === null ? (removal === null ? 'none' : 'delete') : removal === null ? 'create' : 'both';
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
      return { kind: step, seen, inside: look.inside };
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

/** The one rule for a combination, or the one impossibility. */
export function blockRule(combination: Combination): { step: BlockRule['step'] | 'impossible'; because: string } {
  const { phase, seen, doubt, inside } = combination;
  const isMet = (row: Row) =>
    row.phase === phase &&
    row.seen?.includes(seen) !== false &&
    row.doubt?.includes(doubt) !== false &&
    row.inside?.includes(inside) !== false;
  const rule = blockTable.find(isMet);
  if (rule !== undefined) return rule;
  const impossible = blockImpossibilities.find(isMet);
  if (impossible === undefined) throw new Error(`no rule for ${phase}, ${seen}, doubt ${doubt}, ${inside}`);
  return { step: 'impossible', because: impossible.because };
}

function seenOf(block: Block, { ranges, unconfirmed }: BlockLook, object: Range | undefined): BlockSeen {
  if (unconfirmed !== undefined) return 'unconfirmed';
  if (object === undefined) return 'nothing';
  const { first, last } = intervalOf(block);
  if (!object.isReserved || object.first !== first || object.last !== last) return 'altered';
  return ranges.length > 1 ? 'touched' : 'alone';
}
