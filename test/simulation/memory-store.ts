/** The simulated lease store: commits survive; other changes are lost with the run. */
import type { Clock } from '../../src/infoblox/concurrency/clock.ts';
import type { Conditions } from '../../src/infoblox/conditions.ts';
import { GridError } from '../../src/infoblox/errors.ts';
import type { Block } from '../../src/infoblox/lease/block/block.ts';
import { defaultDoubtWindow } from '../../src/infoblox/lease/doubt.ts';
import type { Lease } from '../../src/infoblox/lease/lease.ts';
import { type Batch, BatchedLeaseStore, type Change } from '../../src/infoblox/lease/store/batched-store.ts';
import { type Owner, ownerText, parseOwner, strangerOf } from '../../src/infoblox/lease/store/owner.ts';

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

interface MemoryStoreDeps {
  readonly clock: Clock;
  readonly conditions: Conditions;
  /** @returns whether the run ends at this point */
  readonly interrupt?: (moment: 'before' | 'after') => boolean;
}

export class MemoryLeaseStore extends BatchedLeaseStore {
  readonly #disk: Disk;
  readonly #interrupt: (moment: 'before' | 'after') => boolean;

  constructor(disk: Disk, { clock, conditions, interrupt = () => false }: MemoryStoreDeps) {
    super(
      { leases: [...disk.leases.values()], blocks: [...disk.blocks.values()], facts: [...disk.facts] },
      { clock, conditions, window: defaultDoubtWindow },
    );
    this.#disk = disk;
    this.#interrupt = interrupt;
  }

  protected write({ leases, blocks, facts }: Batch): void {
    if (this.#disk.isFull) throw new GridError('state', 'cannot use the state file: the disk is full');
    if (this.#interrupt('before')) return;
    keep(this.#disk.leases, leases);
    keep(this.#disk.blocks, blocks);
    for (const [name, value] of facts) this.#disk.facts.set(name, value);
    this.#interrupt('after');
  }
}

function keep<T>(disk: Map<string, T>, changes: readonly Change<T>[]): void {
  for (const { mark, after } of changes) {
    if (after === undefined) disk.delete(mark);
    else disk.set(mark, after);
  }
}
