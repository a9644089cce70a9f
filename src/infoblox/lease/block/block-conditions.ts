/** Raises and clears conditions of blocks: altered on the grid, shared with another machine, or with refused reservations. */
import { GridError } from '../../errors.ts';
import type { Occupant, Range } from '../../grid.ts';
import { type Block, type BlockPlace, intervalOf } from './block.ts';
import type { BlockSeen, BlockStep } from './block-plan.ts';
import type { Blocks } from './blocks.ts';

/** A look at a block by a host that accepts writes, and what to do then. */
interface Judged {
  readonly step: BlockStep;
  readonly ranges: readonly Range[];
  /** A reservation under a mark of the block's host without a lease. */
  readonly stray: Occupant | undefined;
}

/** Stops a block for each cause that a look shows, and clears the conditions whose causes are gone. */
export function noteCauses(blocks: Blocks, block: Block, { step, ranges, stray }: Judged): void {
  const isStuck = step.kind === 'stop' || (step.kind === 'wait' && block.phase === 'draining');
  if (isStuck && stray !== undefined) blocks.stop(block, 'block-shared', sharedError(block, stray));
  else blocks.clear(block, 'block-shared');
  const isAltered = step.kind === 'stop' && step.seen !== 'alone';
  if (isAltered) blocks.stop(block, 'block-altered', alteredError(block, step.seen, ranges));
  else blocks.clear(block, 'block-altered');
}

/** Stops a block if a create has been owed for too long, and clears the condition if none is owed. */
export function noteOwed(blocks: Blocks, block: Block): void {
  const overdue = blocks.owedTooLong(block);
  if (overdue !== undefined) blocks.stop(block, 'block-refused', overdueError(block, overdue.address));
  else if (blocks.leasesIn(block).every(({ owedSince }) => owedSince === null)) blocks.clear(block, 'block-refused');
}

/** Names a block for people, and as the subject of its conditions. */
export function subjectOf(block: BlockPlace): string {
  const { first, last } = intervalOf(block);
  return `block ${first}-${last} (view ${block.view})`;
}

/** Makes the error for a refused reservation of an address of a block. */
export function refusedError(block: Block, address: string, why: GridError): GridError {
  const what = `${subjectOf(block)}: the grid refuses the reservation of ${address}: ${why.message}`;
  return new GridError(why.reason, what, { hint: why.hint, cause: why });
}

function overdueError(block: Block, address: string | null): GridError {
  const what = `${subjectOf(block)}: the grid has not accepted the reservation of ${address} for minutes`;
  const hint =
    "see the grid's answers in the log of the daemon; the block serves again when the reservation is accepted";
  return new GridError('rejected', what, { hint });
}

function sharedError(block: Block, { comment }: Occupant): GridError {
  const what = `${subjectOf(block)} has reservations of this host that its state does not know: ${comment}`;
  return new GridError('network-conflict', what, {
    hint: 'look for another machine with the name and the state of this one; if there is none, run CNI GC or delete the reservation',
  });
}

function alteredError(block: Block, seen: BlockSeen, ranges: readonly Range[]): GridError {
  const { first, last } = intervalOf(block);
  return new GridError('network-conflict', `${subjectOf(block)} ${alteration(block, seen, ranges)}`, {
    hint: `on the grid, make it the only range from ${first} to ${last} again, served by no member, with the comment "${block.mark}"; or leave it: the host takes another block, and forgets this one when its containers have ended`,
  });
}

function alteration({ mark }: Block, seen: BlockSeen, ranges: readonly Range[]): string {
  if (seen === 'nothing') return 'is gone from the grid';
  const other = ranges.find(({ comment }) => comment !== mark);
  if (seen === 'touched') return `overlaps the range ${other?.first}-${other?.last} "${other?.comment}"`;
  const isServed = ranges.some(({ comment, isReserved }) => comment === mark && !isReserved);
  return isServed ? 'is served to DHCP clients' : 'was changed on the grid';
}
