/** Visits a block: looks at the grid, asks block-plan.ts, executes its step, until there is nothing more to do now. */
import { GridError, hasReason } from '../../errors.ts';
import type { Occupant, Range } from '../../grid.ts';
import { beginsAs, parseBlockMark } from '../../mark.ts';
import type { LeaseDeps } from '../deps.ts';
import { sendDelete } from '../doubt.ts';
import { type Block, drain, hold, intervalOf, networkOfBlock, waited } from './block.ts';
import { noteCauses, noteOwed } from './block-conditions.ts';
import { type BlockStep, type Inside, planBlock } from './block-plan.ts';

export type VisitDeps = Pick<
  LeaseDeps,
  | 'blocks'
  | 'grid'
  | 'networks'
  | 'store'
  | 'names'
  | 'host'
  | 'clock'
  | 'moment'
  | 'conditions'
  | 'log'
  | 'releaseLeftover'
>;

interface Visit {
  readonly mark: string;
  /** Whether this host does not need it when empty. */
  readonly isSurplus: boolean;
  /** Milliseconds since the last visit of this run. */
  readonly sinceLastMs: number;
}

/** A look at a block. Leases may change after it. */
interface Shown {
  readonly ranges: readonly Range[];
  readonly occupants: readonly Occupant[];
  readonly now: number;
  readonly wall: number;
  readonly unconfirmed?: GridError;
}

/** Visits a block once. @throws GridError if the grid or the state fails */
export async function visit(
  deps: VisitDeps,
  { mark, isSurplus, sinceLastMs }: Visit,
  signal: AbortSignal,
): Promise<void> {
  const { store, blocks, host, moment, log } = deps;
  const current = () => store.blocks().find((block) => block.mark === mark);
  store.applyBlock(mark, (block) => block && waited(block, sinceLastMs, host.boot()));
  const visited = current();
  if (visited === undefined) return;
  noteOwed(blocks, visited);
  if (mustWait(deps, visited)) return;
  if (await hasReturned(deps, visited, signal)) return;
  const shown = await lookAt(deps, visited, signal);
  for (;;) {
    const block = current();
    if (block === undefined) return;
    const look = lookOf(deps, block, shown);
    const step = planBlock(block, look, moment());
    if (step.impossible !== undefined)
      log.error('a block shows an impossible combination', { block: mark, because: step.impossible });
    if (look.unconfirmed === undefined) noteCauses(blocks, block, { ...look, step });
    const isSeen = step.kind === 'confirm' || step.kind === 'stop';
    if (isSeen && isSurplus && blocks.leasesIn(block).length === 0) {
      store.applyBlock(mark, (one) => one && drain(one));
    } else if (!(await carryOut(deps, { block, step, shown }, signal))) return;
  }
}

/** Tells whether a draining block must wait, whatever a look shows: it is in use, or a lost host may still assign its addresses. */
function mustWait({ blocks, host }: VisitDeps, block: Block): boolean {
  if (block.phase !== 'draining') return false;
  const { bootId, uptime } = block;
  const isLost = bootId !== null && !host.hasBootedSince({ bootId, bootedAt: null, uptime });
  const mayBeInUse = isLost && !blocks.areReleased;
  return block.waitMs > 0 || mayBeInUse || blocks.leasesIn(block).length > 0;
}

/** Forgets a block of a lost host that has reservations again, so is alive. @returns whether it did */
async function hasReturned(deps: VisitDeps, block: Block, signal: AbortSignal): Promise<boolean> {
  const host = parseBlockMark(block.mark)?.origin;
  // Taken by this host, or by a lost state of it.
  if (host === undefined || block.takenAt !== null || block.bootId !== null) return false;
  for await (const { address } of deps.grid.list({ marks: host, confirm: true }, signal)) {
    deps.log.warn('a host that was reported lost has addresses again: its block is kept', {
      block: block.mark,
      address,
      hint: `use gc --host=${host.node} again when it is gone for good`,
    });
    forget(deps, block);
    return true;
  }
  return false;
}

async function lookAt({ grid, moment }: VisitDeps, block: Block, signal: AbortSignal): Promise<Shown> {
  const [network, interval, { view }] = [networkOfBlock(block), intervalOf(block), block];
  const { now, wall } = moment();
  try {
    const [ranges, occupants] = await Promise.all([
      grid.ranges({ network, view, touching: interval, confirm: true }, signal),
      grid.occupants(interval, { network, view, confirm: true }, signal),
    ]);
    return { ranges, occupants, now, wall };
  } catch (error) {
    if (!hasReason(error, 'unconfirmed')) throw error;
    return { ranges: [], occupants: [], now, wall, unconfirmed: error };
  }
}

/** Combines a look with the present leases. @returns `stray`: a reservation under a mark of the block's host without a lease */
function lookOf(deps: VisitDeps, block: Block, { ranges, occupants, now, unconfirmed }: Shown) {
  const { store, blocks, releaseLeftover } = deps;
  const origin = parseBlockMark(block.mark)?.origin ?? deps.names.present;
  const unknown = occupants.filter(({ comment }) => beginsAs(comment, origin) && store.get(comment) === undefined);
  const leftovers = unknown.filter(({ comment }) => blocks.hasEnded(comment));
  // A promoted master may still have released reservations: release them again.
  for (const { comment } of leftovers) releaseLeftover(comment, block.view);
  const stray = unknown.find(({ comment }) => !blocks.hasEnded(comment));
  let inside: Inside = blocks.leasesIn(block).length + leftovers.length > 0 ? 'leases' : 'empty';
  if (stray !== undefined) inside = 'unknown marks';
  return { ranges, inside, stray, askedAt: now, unconfirmed };
}

/** Executes a step. @returns whether there is more to do now */
async function carryOut(
  deps: VisitDeps,
  { block, step, shown }: { readonly block: Block; readonly step: BlockStep; readonly shown: Shown },
  signal: AbortSignal,
): Promise<boolean> {
  const { store, blocks, log } = deps;
  const { mark } = block;
  switch (step.kind) {
    case 'hold':
      store.applyBlock(mark, (one) => one && hold(one));
      return true;
    case 'drain':
      store.applyBlock(mark, (one) => one && drain(one));
      if (step.seen !== 'touched') return true;
      log.warn('a block of addresses overlaps another range: it will be returned', {
        block: mark,
        ...intervalOf(block),
      });
      return true;
    case 'confirm':
      // What the grid has refused is tried again; until it is accepted, the block assigns nothing.
      if (!blocks.isRefused(block)) blocks.confirm(block, { ...shown, others: others(deps, block, shown) });
      return false;
    case 'remove':
      await remove(deps, { block, object: step.object }, signal);
      return false;
    case 'forget': {
      forget(deps, block);
      const altered = shown.ranges.find(({ comment }) => comment === mark);
      if (altered !== undefined) {
        const { first, last } = altered;
        const hint = 'delete it on the grid when it is no longer needed';
        log.warn('a block of addresses was changed on the grid: it is left alone', { block: mark, first, last, hint });
      }
      return false;
    }
    case 'stop':
    case 'wait':
      return false;
  }
}

async function remove(
  deps: VisitDeps,
  { block, object }: { readonly block: Block; readonly object: Range },
  signal: AbortSignal,
): Promise<void> {
  const { grid, store, blocks, log } = deps;
  const { mark, view } = block;
  const change = (transition: (one: Block) => Block) => store.applyBlock(mark, (one) => one && transition(one));
  await sendDelete(deps, { before: block, change }, async () => {
    if (!store.blocks().some((one) => one.mark === mark) || blocks.leasesIn(block).length > 0)
      throw new GridError('busy', `${mark} is in use again`);
    await grid.remove(object, signal);
  });
  forget(deps, block);
  log.info('gave a block of addresses back', { block: mark, view, ...intervalOf(block) });
}

function forget({ store, blocks }: VisitDeps, block: Block): void {
  store.applyBlock(block.mark, () => undefined);
  blocks.forget(block);
}

/** Lists addresses inside without a lease of this host. */
function others({ blocks }: VisitDeps, block: Block, { occupants }: Shown): ReadonlySet<string> {
  const leases = blocks.leasesIn(block);
  // Not all grids return the comment here.
  const isOurs = ({ address, comment }: Occupant) =>
    leases.some((lease) => lease.address === address && (comment === '' || comment === lease.mark));
  return new Set(occupants.filter((one) => !isOurs(one)).map(({ address }) => address));
}
