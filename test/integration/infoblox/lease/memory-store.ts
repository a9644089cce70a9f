/** A lease store without a disk, for tests and the simulation: what is durable is in an object that outlives it. */
import { type Clock, hostClock } from '../../../../src/infoblox/concurrency/clock.ts';
import { Conditions } from '../../../../src/infoblox/conditions.ts';
import { GridError } from '../../../../src/infoblox/errors.ts';
import type { Block } from '../../../../src/infoblox/lease/block/block.ts';
import { type DoubtWindow, defaultDoubtWindow } from '../../../../src/infoblox/lease/doubt.ts';
import type { Lease } from '../../../../src/infoblox/lease/lease.ts';
import { type Batch, BatchedLeaseStore, type Change } from '../../../../src/infoblox/lease/store/batched-store.ts';

/** What a crash leaves. */
export class MemoryDisk {
  readonly leases = new Map<string, Lease>();
  readonly blocks = new Map<string, Block>();
  readonly facts = new Map<string, string>();
}

interface MemoryStoreOptions {
  readonly clock?: Clock;
  readonly window?: DoubtWindow;
  readonly conditions?: Conditions;
  /** Makes each commit; may fail it. */
  readonly aroundCommit?: (commit: () => void) => void;
}

export class MemoryLeaseStore extends BatchedLeaseStore {
  readonly #disk: MemoryDisk;
  readonly #aroundCommit: (commit: () => void) => void;

  constructor(disk: MemoryDisk, options: MemoryStoreOptions = {}) {
    const { clock = hostClock(), window = defaultDoubtWindow, conditions = new Conditions(clock) } = options;
    super(
      { leases: [...disk.leases.values()], blocks: [...disk.blocks.values()], facts: [...disk.facts] },
      { clock, window, conditions },
    );
    this.#disk = disk;
    this.#aroundCommit = options.aroundCommit ?? ((commit) => commit());
  }

  protected override write({ leases, blocks, facts }: Batch): void {
    try {
      this.#aroundCommit(() => {
        keep(this.#disk.leases, leases);
        keep(this.#disk.blocks, blocks);
        for (const [name, value] of facts) this.#disk.facts.set(name, value);
      });
    } catch (cause) {
      throw new GridError('state', `the state cannot be written: ${String(cause)}`, { cause });
    }
  }
}

function keep<T>(disk: Map<string, T>, changes: readonly Change<T>[]): void {
  for (const { mark, after } of changes) {
    if (after === undefined) disk.delete(mark);
    else disk.set(mark, after);
  }
}
