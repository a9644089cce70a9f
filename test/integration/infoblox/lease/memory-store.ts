/** A lease store without a disk, for tests and the simulation: what is durable is in an object that outlives it. */
import { type Clock, hostClock } from '../../../../src/infoblox/concurrency/clock.ts';
import { Conditions } from '../../../../src/infoblox/conditions.ts';
import { GridError } from '../../../../src/infoblox/errors.ts';
import { type DoubtWindow, defaultDoubtWindow } from '../../../../src/infoblox/lease/doubt.ts';
import type { Lease } from '../../../../src/infoblox/lease/lease.ts';
import { type Batch, BatchedLeaseStore } from '../../../../src/infoblox/lease/store/batched-store.ts';

/** What a crash leaves. */
export class MemoryDisk {
  readonly leases = new Map<string, Lease>();
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
    super({ leases: [...disk.leases.values()], facts: [...disk.facts] }, { clock, window, conditions });
    this.#disk = disk;
    this.#aroundCommit = options.aroundCommit ?? ((commit) => commit());
  }

  protected override write({ leases, facts }: Batch): void {
    try {
      this.#aroundCommit(() => {
        for (const { mark, after } of leases) {
          if (after === undefined) this.#disk.leases.delete(mark);
          else this.#disk.leases.set(mark, after);
        }
        for (const [name, value] of facts) this.#disk.facts.set(name, value);
      });
    } catch (cause) {
      throw new GridError('state', `the state cannot be written: ${String(cause)}`, { cause });
    }
  }
}
