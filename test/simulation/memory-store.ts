/** The lease store of the simulation: what was committed lasts, all else ends with the run that applied it. */
import type { Clock } from '../../src/infoblox/concurrency/clock.ts';
import type { Conditions } from '../../src/infoblox/conditions.ts';
import { defaultDoubtWindow } from '../../src/infoblox/lease/doubt.ts';
import type { Lease } from '../../src/infoblox/lease/lease.ts';
import { type Batch, BatchedLeaseStore } from '../../src/infoblox/lease/store/batched-store.ts';

/** The disk of a host. */
export class Disk {
  readonly leases = new Map<string, Lease>();
  readonly facts = new Map<string, string>();

  /** Nothing of it is left. */
  lose(): void {
    this.leases.clear();
    this.facts.clear();
  }
}

export class MemoryLeaseStore extends BatchedLeaseStore {
  readonly #disk: Disk;

  constructor(disk: Disk, clock: Clock, conditions: Conditions) {
    super(
      { leases: [...disk.leases.values()], facts: [...disk.facts] },
      { clock, conditions, window: defaultDoubtWindow },
    );
    this.#disk = disk;
  }

  protected write({ leases, facts }: Batch): void {
    for (const { mark, after } of leases) {
      if (after === undefined) this.#disk.leases.delete(mark);
      else this.#disk.leases.set(mark, after);
    }
    for (const [name, value] of facts) this.#disk.facts.set(name, value);
  }
}
