/** What everybody who works on leases needs: built once, in core.ts. */
import type { Clock } from '../concurrency/clock.ts';
import type { KeyedMutex } from '../concurrency/locks.ts';
import type { SingleFlight } from '../concurrency/single-flight.ts';
import type { Conditions } from '../conditions.ts';
import type { Grid, Pool } from '../grid.ts';
import type { Host } from '../host.ts';
import type { Log } from '../log.ts';
import type { Exhaustion } from '../network/exhaustion.ts';
import type { Networks, ReadyNetwork } from '../network/networks.ts';
import type { NetworkSpec } from '../network/spec.ts';
import type { Target } from '../network/succession.ts';
import type { Trace } from '../trace.ts';
import type { Blocks } from './block/blocks.ts';
import type { Answers } from './callers.ts';
import type { Moment } from './doubt.ts';
import type { FormerNames } from './former-names.ts';
import type { Observer } from './observe.ts';
import type { Obtained } from './obtain.ts';
import type { LeaseStore } from './store/lease-store.ts';

/** Leases that a long loop changes at most between two turns of the event loop. */
export const maxChangesAtOnce = 50;

/**
 * Milliseconds that what is under way may take to end when the daemon stops. A grid that is well answers by then, and a delete that is
 * cut short keeps its address for as long as it is in doubt. Calls wait at the socket meanwhile, for 3 s at most.
 */
export const maxStopMs = 1_000;

/** Counted since the start, for figures. */
export interface Tally {
  /** Leases that were released because their sandbox is gone. */
  reaped: number;
  /** Reservations that the grid had lost. */
  recreated: number;
}

/** What an ADD has ended with. */
export interface Given {
  readonly spec: NetworkSpec;
  readonly network: ReadyNetwork;
  readonly isOwed: boolean;
}

export interface LeaseDeps {
  readonly grid: Grid;
  readonly networks: Networks;
  readonly exhaustion: Exhaustion;
  readonly store: LeaseStore;
  readonly names: FormerNames;
  readonly observer: Observer;
  readonly host: Host;
  /** The blocks of this host, of which ADDs are given addresses without the grid. */
  readonly blocks: Blocks;
  /** Says what the grid is asked for the next address of: a block of this host, taken if need be, where hosts share a range in blocks. */
  readonly poolIn: (target: Target, full: ReadonlySet<string>, signal: AbortSignal) => Promise<Pool>;
  /** Told of each ADD that was given an address: blocks are taken after the first one, and what is owed is sent when its lock is free. */
  readonly noteAdd: (given: Given) => void;
  /** Releases what carries a mark of which a lease has ended here. */
  readonly releaseLeftover: (mark: string, view: string) => void;
  /** The ADDs that are under way, by `attachmentKey`: what others know of it may be older. */
  readonly adds: SingleFlight<readonly Obtained[]>;
  /** What is known of those that were answered, likewise. */
  readonly answers: Answers;
  /** One for each lease, by its mark. */
  readonly locks: KeyedMutex;
  readonly clock: Clock;
  readonly moment: () => Moment;
  /** Milliseconds that the reservation of a released lease is kept of which no configuration says it. */
  readonly cooldownMs: number;
  readonly conditions: Conditions;
  readonly tally: Tally;
  readonly trace: Trace;
  readonly log: Log;
}
