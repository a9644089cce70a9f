/**
 * The LeaseStore port: leases and blocks of this host, and some facts. A change is visible at once, and durable when its commit, shared
 * with other changes, returns. Callers are answered, and writes sent to the grid, only after that. A failed commit fails for all who wait,
 * and undoes its changes. If the state is lost, no address is: the marks on the grid are enough to find them.
 */
import type { GridError } from '../../errors.ts';
import type { BoundLeases } from '../../network/views.ts';
import type { Block } from '../block/block.ts';
import type { Lease } from '../lease.ts';

/** A change of a lease; undefined: no lease. */
export type Transition = (lease: Lease | undefined) => Lease | undefined;

/** A change of a block; undefined: no block. */
export type BlockTransition = (block: Block | undefined) => Block | undefined;

export interface StoreListener {
  /** Called for each lease that changed, or whose change was undone; undefined: it no longer exists. */
  changed?(mark: string, lease: Lease | undefined): void;
  /** Called when a commit failed. */
  failed?(error: GridError): void;
}

/** Marks to leave out. */
export type Except = Pick<ReadonlySet<string>, 'has'>;

export interface LeaseStore extends BoundLeases {
  /** Returns the same object only while the lease has not changed. */
  get(mark: string): Lease | undefined;
  /** Lists matching leases in no particular order. */
  where(matches: (lease: Lease) => boolean): Lease[];
  /** Lists the leases of a mark's attachment, one for each address. */
  ofAttachment(mark: string): Lease[];
  /** Lists the leases of any phase at an address of a view. */
  at(view: string, address: string): Lease[];
  /** Finds the bound lease of another mark at an address of a view. */
  boundAt(view: string, address: string, except: string): Lease | undefined;
  /** Returns the highest uptime, in seconds, recorded with a lease of a boot; null if there is none. */
  lastUptime(bootId: string | null): number | null;
  /**
   * Returns the most urgent due lease: owed creates come first, then releases, then the longest due.
   * @param now as the clock's `now`
   */
  due(now: number, except?: Except): Lease | undefined;
  /** Returns when a lease is due next, as the clock's `now`; undefined: never. */
  nextDue(except?: Except): number | undefined;

  /** Applies a transition to the present lease. @returns the lease afterwards */
  apply(mark: string, transition: Transition): Lease | undefined;
  /** Lists all host blocks in no particular order. */
  blocks(): Block[];
  /** Applies a transition to a block. Changes of leases and blocks in one turn share a commit. */
  applyBlock(mark: string, transition: BlockTransition): Block | undefined;

  /**
   * Waits until all changes so far are durable. Call it in the same turn of the event loop as the change: later, a commit may already have
   * failed and undone it.
   * @throws GridError `state` if the commit fails: its changes are undone
   */
  durable(): Promise<void>;

  /** Returns a durable fact, such as the address families in use. */
  fact(name: string): string | undefined;
  setFact(name: string, value: string): void;
  /** Whether the state knows all reservations of this host; false until the import into a new state. */
  readonly isWhole: boolean;
  /** Records that the import has ended. @param at milliseconds since 1970 */
  setWhole(at: number): void;

  /** Adds a listener. @returns a function that removes it */
  subscribe(listener: StoreListener): () => void;
}

/** Applies a transition to a lease if it still exists. */
export function apply(
  store: Pick<LeaseStore, 'apply'>,
  mark: string,
  transition: (lease: Lease) => Lease | undefined,
): Lease | undefined {
  return store.apply(mark, (lease) => (lease === undefined ? undefined : transition(lease)));
}
