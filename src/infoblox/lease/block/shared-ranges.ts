/**
 * Ranges that hosts share in blocks: each next address is one of a block of this host, and an ADD takes another block if those are full.
 */
import { type Interval, isPartOf } from '../../address.ts';
import { abortable, withDeadline } from '../../concurrency/clock.ts';
import { GridError, hasReason } from '../../errors.ts';
import type { Pool } from '../../grid.ts';
import { subjectOf } from '../../network/exhaustion.ts';
import { poolsOf } from '../../network/fit.ts';
import type { ReadyNetwork } from '../../network/networks.ts';
import { specKey } from '../../network/spec.ts';
import type { Target } from '../../network/succession.ts';
import { type Block, intervalOf } from './block.ts';
import { attemptTimeoutMs, hasPlace, takeBlock } from './taking.ts';
import type { VisitDeps } from './visit.ts';

const noRoomHint =
  'hosts have all of it in blocks: use a larger range or a smaller block-size, or release addresses of this host';

interface Stop {
  readonly stopping: AbortSignal;
  /** Called after each attempt to take a block. */
  readonly onTaken: () => void;
}

export class SharedRanges {
  readonly #deps: VisitDeps;
  readonly #stop: Stop;
  /** Blocks being taken, by spec and part. */
  readonly #taking = new Map<string, Promise<void>>();

  constructor(deps: VisitDeps, stop: Stop) {
    this.#deps = deps;
    this.#stop = stop;
  }

  /**
   * Returns the pool to ask for a next address: in a shared range a block of this host, serving or not, or a new one. ADDs that wait for
   * the same block share the taking of it.
   * @param full `subjectOf` blocks that are full or missing
   * @throws GridError `no-free-address` if no block is available; `conflict` if other hosts were faster; or the grid's error
   */
  async poolIn({ spec, network, pool }: Target, full: ReadonlySet<string>, signal: AbortSignal): Promise<Pool> {
    const { store, blocks } = this.#deps;
    const { view, nextOf: whole } = pool;
    if ('text' in whole || network.blockSize === 0) return pool;
    if (blocks.areReleased) {
      throw new GridError('no-free-address', 'this host is releasing its blocks, and takes no others', {
        hint: 'run "infoblox-cni release --blocks --undo" to use blocks again',
      });
    }
    const own = () => {
      const isUsable = (block: Block) =>
        block.phase !== 'draining' && blocks.isOf(block, spec) && blocks.leasesIn(block).length < block.size;
      const pools = store.blocks().flatMap((block) => (isUsable(block) ? { view, nextOf: intervalOf(block) } : []));
      return pools.find((one) => isPartOf(one.nextOf, whole) && !full.has(subjectOf(one)));
    };
    const found = own();
    if (found !== undefined) return found;
    const taking = this.#take({ spec, network: partOf(network, whole) });
    const late = () => new GridError('timeout', `no block of ${subjectOf(pool)} was available in time`);
    const failure = await abortable(taking, signal, late).catch((error: unknown) => error);
    // Check even after a failure: an address of this host may be free again.
    const taken = own();
    if (taken !== undefined) return taken;
    throw failure ?? new GridError('conflict', `a new block of ${subjectOf(pool)} is in use already`);
  }

  /** Tells whether a pool has a free address, as the grid's `hasRoom`; of a shared range, whether a block can be taken there. */
  async hasRoom(pool: Pool, signal: AbortSignal): Promise<boolean | undefined> {
    const { blocks, networks, grid } = this.#deps;
    const { nextOf: whole } = pool;
    const isOfIt = (one: Pool) => subjectOf(one) === subjectOf(pool);
    const shared = networks.all().find(({ network }) => network.blockSize > 0 && poolsOf(network).some(isOfIt));
    if ('text' in whole || shared === undefined) return grid.hasRoom(pool, signal);
    // This host takes none.
    if (blocks.areReleased) return undefined;
    return hasPlace(this.#deps, partOf(shared.network, whole), signal);
  }

  /** Takes a block, shared by all ADDs that wait for the same one. @throws GridError as `poolIn` */
  #take({ spec, network }: Pick<Target, 'spec' | 'network'>): Promise<void> {
    const key = JSON.stringify([specKey(spec), network.part]);
    const take = async () => {
      const { stopping, onTaken } = this.#stop;
      try {
        await withDeadline(this.#deps.clock, { milliseconds: attemptTimeoutMs, signal: stopping }, (signal) =>
          takeBlock(this.#deps, { name: spec.name, network }, signal),
        );
      } catch (error) {
        if (!hasReason(error, 'no-free-network')) throw error;
        throw new GridError('no-free-address', `no block is available: ${error.message}`, {
          hint: noRoomHint,
          cause: error,
        });
      } finally {
        this.#taking.delete(key);
        onTaken();
      }
    };
    const taking = this.#taking.get(key) ?? take();
    this.#taking.set(key, taking);
    return taking;
  }
}

/** Limits a network to one of its ranges. */
function partOf(network: ReadyNetwork, whole: Interval): ReadyNetwork {
  return { ...network, part: { intervals: [whole], excluded: network.part?.excluded ?? [] } };
}
