/**
 * The LeaseStore port: the leases of this host, its blocks, and a few lasting facts. A change is visible to everybody at once, and durable
 * when the commit that it shares with others returns: nobody answers a caller, or writes to the grid, before that. A commit that
 * fails fails all who waited for it, and undoes what was visible. Losing all of it loses no address: the marks on the grid are
 * enough to find them again.
 */
import type { GridError } from '../../errors.ts';
import type { BoundLeases } from '../../network/views.ts';
import type { Block } from '../block/block.ts';
import type { Lease } from '../lease.ts';

/** A change of a lease. From and to undefined: there is none. */
export type Transition = (lease: Lease | undefined) => Lease | undefined;

/** The same of a block. */
export type BlockTransition = (block: Block | undefined) => Block | undefined;

export interface StoreListener {
  /** Told of each lease that has changed, or whose change was undone; undefined: there is none any more. */
  changed?(mark: string, lease: Lease | undefined): void;
  /** Told why a commit has failed. */
  failed?(error: GridError): void;
}

/** Marks that are left out of an answer. */
export type Except = Pick<ReadonlySet<string>, 'has'>;

export interface LeaseStore extends BoundLeases {
  /** Returns the same object only while the lease has not changed. */
  get(mark: string): Lease | undefined;
  /** All leases that match, in no particular order. */
  where(matches: (lease: Lease) => boolean): Lease[];
  /** All leases of the attachment of a mark: one for each address that it has. */
  ofAttachment(mark: string): Lease[];
  /** The bound lease of another mark at an address of a view. */
  boundAt(view: string, address: string, except: string): Lease | undefined;
  /** The highest uptime, in seconds, that a lease of a boot of the host was written with; null if there is none. */
  lastUptime(bootId: string | null): number | null;
  /**
   * The leases that the reconciler has to act on: whose create is owed first, then what is to be released, then by the time at which they were due.
   * @param now as the clock has it
   */
  due(now: number, limit: number, except?: Except): Lease[];
  /** When the reconciler has to act next, as the clock has it; undefined: never. */
  nextDue(except?: Except): number | undefined;

  /** Applies a transition to the lease as it is now, by read-change-write. @returns the lease as it is then */
  apply(mark: string, transition: Transition): Lease | undefined;
  /** All host blocks, in no particular order. */
  blocks(): Block[];
  /** As `apply`, for a block: what both apply in one turn is made durable by one commit. */
  applyBlock(mark: string, transition: BlockTransition): Block | undefined;

  /**
   * Waits until everything that has been applied so far is durable. To be called in the turn of the event loop in which it was
   * applied: later, a commit may have failed already, and undone it.
   * @throws GridError `state` if the commit fails: all that it was to make durable is undone
   */
  durable(): Promise<void>;

  /** A lasting fact, such as the names that this host has had. */
  fact(name: string): string | undefined;
  setFact(name: string, value: string): void;
  /** False until what this host has on the grid has been imported into a new state. */
  readonly isWhole: boolean;
  /** @param at when the import has ended, milliseconds since 1970 */
  setWhole(at: number): void;

  /** @returns what ends it */
  subscribe(listener: StoreListener): () => void;
}
