/** A lease store without a disk: commits survive; other changes are lost with the run. */
import type { Clock } from '../../src/infoblox/concurrency/clock.ts';
import type { Conditions } from '../../src/infoblox/conditions.ts';
import { GridError } from '../../src/infoblox/errors.ts';
import type { Block } from '../../src/infoblox/lease/block/block.ts';
import { type DoubtWindow, defaultDoubtWindow } from '../../src/infoblox/lease/doubt.ts';
import type { Lease } from '../../src/infoblox/lease/lease.ts';
import { type Batch, BatchedLeaseStore } from '../../src/infoblox/lease/store/batched-store.ts';
import { type Owner, ownerText, parseOwner, strangerOf } from '../../src/infoblox/lease/store/owner.ts';
import type { Changes } from '../../src/infoblox/lease/store/values.ts';

/** The disk of a host. */
export class Disk {
  readonly leases = new Map<string, Lease>();
  readonly blocks = new Map<string, Block>();
  readonly facts = new Map<string, string>();
  /** Whether it is not writable. */
  isFull = false;

  /** Loses all content. */
  lose(): void {
    this.leases.clear();
    this.blocks.clear();
    this.facts.clear();
  }

  /** Makes it a copy of another disk. */
  become({ leases, blocks, facts }: Disk): void {
    this.lose();
    for (const [mark, lease] of leases) this.leases.set(mark, lease);
    for (const [mark, block] of blocks) this.blocks.set(mark, block);
    for (const [name, value] of facts) this.facts.set(name, value);
  }

  /** Sets aside the state of another machine, as the state file does. */
  claim(owner: Owner): void {
    const recorded = parseOwner(this.facts.get('owner') ?? '');
    if (recorded !== undefined && strangerOf(recorded, owner) !== undefined) this.lose();
    this.facts.set('owner', ownerText(recorded, owner));
  }
}

interface MemoryStoreOptions {
  readonly clock: Clock;
  readonly conditions: Conditions;
  readonly window?: DoubtWindow;
  /** Makes each commit, fails it, or leaves it out. */
  readonly aroundCommit?: (commit: () => void) => void;
}

export class MemoryLeaseStore extends BatchedLeaseStore {
  readonly #disk: Disk;
  readonly #aroundCommit: (commit: () => void) => void;

  constructor(disk: Disk, { window = defaultDoubtWindow, aroundCommit, ...deps }: MemoryStoreOptions) {
    const { leases, blocks, facts } = disk;
    super({ leases: [...leases.values()], blocks: [...blocks.values()], facts: [...facts] }, { ...deps, window });
    this.#disk = disk;
    this.#aroundCommit = aroundCommit ?? ((commit) => commit());
  }

  protected override write({ leases, blocks, facts }: Batch): void {
    try {
      if (this.#disk.isFull) throw new Error('the disk is full');
      this.#aroundCommit(() => {
        keep(this.#disk.leases, leases);
        keep(this.#disk.blocks, blocks);
        keep(this.#disk.facts, facts);
      });
    } catch (cause) {
      throw new GridError('state', `cannot use the state file: ${String(cause)}`, { cause });
    }
  }
}

function keep<T>(disk: Map<string, T>, changes: Changes<T>): void {
  for (const [key, value] of changes) {
    if (value === undefined) disk.delete(key);
    else disk.set(key, value);
  }
}
