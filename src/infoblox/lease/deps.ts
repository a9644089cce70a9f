/** Shared dependencies of all code that works on leases, built once in core.ts. */
import type { Clock } from '../concurrency/clock.ts';
import type { KeyedMutex, SingleFlight } from '../concurrency/locks.ts';
import type { Conditions } from '../conditions.ts';
import type { Grid } from '../grid.ts';
import type { Host } from '../host.ts';
import type { Log, Trace } from '../log.ts';
import type { Exhaustion } from '../network/exhaustion.ts';
import type { Networks } from '../network/networks.ts';
import type { Blocks } from './block/blocks.ts';
import type { BlockKeeper } from './block/keeper.ts';
import type { Answers } from './callers.ts';
import type { Moment } from './doubt.ts';
import type { FormerNames } from './former-names.ts';
import type { Observer } from './observe.ts';
import type { Obtained } from './obtain.ts';
import type { LeaseStore } from './store/lease-store.ts';

/** Maximum leases that a long loop changes per turn of the event loop. */
export const maxChangesAtOnce = 50;

/**
 * Milliseconds for work in progress to end when the daemon stops. A healthy grid answers by then; an aborted delete keeps its address
 * reserved while in doubt. Calls wait at the socket meanwhile, 3 s at most.
 */
export const maxStopMs = 1_000;

/** Counts since the start, for metrics. */
export interface Tally {
  /** Leases released because their sandbox is gone. */
  reaped: number;
  /** Reservations that the grid had lost. */
  recreated: number;
}

export interface LeaseDeps {
  readonly grid: Grid;
  readonly networks: Networks;
  readonly exhaustion: Exhaustion;
  readonly store: LeaseStore;
  readonly names: FormerNames;
  readonly observer: Observer;
  readonly host: Host;
  /** The blocks of this host, from which ADDs get addresses without the grid. */
  readonly blocks: Blocks;
  /** Takes blocks for this host, and confirms them. */
  readonly keeper: Pick<BlockKeeper, 'firstLook' | 'noteAdd' | 'shared'>;
  /** Releases objects with the mark of an ended lease. */
  readonly releaseLeftover: (mark: string, view: string) => void;
  /** ADDs in progress, by `attachmentKey`: other evidence may be older. */
  readonly adds: SingleFlight<readonly Obtained[]>;
  /** Answered ADDs, by `attachmentKey`. */
  readonly answers: Answers;
  /** One lock for each lease, by its mark. */
  readonly locks: KeyedMutex;
  readonly clock: Clock;
  readonly moment: () => Moment;
  /** Default cool-down in milliseconds, for leases without a configuration. */
  readonly cooldownMs: number;
  readonly conditions: Conditions;
  readonly tally: Tally;
  readonly trace: Trace;
  readonly log: Log;
}
