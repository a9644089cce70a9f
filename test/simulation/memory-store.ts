/** The lease store of the simulation: what was committed lasts, all else ends with the run that applied it. */
import type { Clock } from '../../src/infoblox/concurrency/clock.ts';
import type { Conditions } from '../../src/infoblox/conditions.ts';
import type { Block } from '../../src/infoblox/lease/block/block.ts';
import { defaultDoubtWindow } from '../../src/infoblox/lease/doubt.ts';
import type { Lease } from '../../src/infoblox/lease/lease.ts';
import { type Batch, BatchedLeaseStore, type Change } from '../../src/infoblox/lease/store/batched-store.ts';

/** The disk of a host. */
export class Disk {
  readonly leases = new Map<string, Lease>();
  readonly blocks = new Map<string, Block>();
  readonly facts = new Map<string, string>();

  /** Nothing of it is left. */
  lose(): void {
    this.leases.clear();
    this.blocks.clear();
    this.facts.clear();
  }
}

export class MemoryLeaseStore extends BatchedLeaseStore {
  readonly #disk: Disk;

  constructor(disk: Disk, clock: Clock, conditions: Conditions) {
    super(
      { leases: [...disk.leases.values()], blocks: [...disk.blocks.values()], facts: [...disk.facts] },
      { clock, conditions, window: defaultDoubtWindow },
    );
    this.#disk = disk;
  }

  protected write({ leases, blocks, facts }: Batch): void {
    keep(this.#disk.leases, leases);
    keep(this.#disk.blocks, blocks);
    for (const [name, value] of facts) this.#disk.facts.set(name, value);
  }
}

function keep<T>(disk: Map<string, T>, changes: readonly Change<T>[]): void {
  for (const { mark, after } of changes) {
    if (after === undefined) disk.delete(mark);
    else disk.set(mark, after);
  }
}
