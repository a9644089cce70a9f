/** The port to the state. */
import type { Lease } from './lease.ts';

/** A change of a lease. From and to undefined: there is none. */
export type Transition = (lease: Lease | undefined) => Lease | undefined;

/** What everybody who works on leases needs of the state; a database in the daemon, a map in tests. */
export interface LeaseStore {
  get(mark: string): Lease | undefined;
  /** Applies a transition to the lease as it is now. @returns the lease as it is then. @throws GridError `state` */
  apply(mark: string, transition: Transition): Lease | undefined;
  /** False until what this host has on the grid has been imported into a new state. */
  readonly isWhole: boolean;
  /** The bound lease of another mark at an address of a view. */
  boundAt(view: string, address: string, except: string): Lease | undefined;
}
