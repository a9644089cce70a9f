/**
 * The core: everything that works on addresses, over the ports Grid, LeaseStore, Clock and Host. Built only here, for
 * the daemon and for the simulation.
 */
import type { Clock } from './concurrency/clock.ts';
import { KeyedMutex, SingleFlight } from './concurrency/locks.ts';
import type { Conditions } from './conditions.ts';
import type { Grid } from './grid.ts';
import { GridMonitor, type GridState } from './grid-state.ts';
import type { Host } from './host.ts';
import { Blocks } from './lease/block/blocks.ts';
import { BlockKeeper } from './lease/block/keeper.ts';
import { Answers } from './lease/callers.ts';
import type { LeaseDeps } from './lease/deps.ts';
import type { DoubtWindow } from './lease/doubt.ts';
import { endLease } from './lease/endings.ts';
import { FormerNames } from './lease/former-names.ts';
import { Import } from './lease/import.ts';
import { Observer } from './lease/observe.ts';
import { Reaper } from './lease/reaper.ts';
import { Reconciler } from './lease/reconciler.ts';
import type { LeaseStore } from './lease/store/lease-store.ts';
import type { Log, Trace } from './log.ts';
import { networkOf, type Origin } from './mark.ts';
import { Exhaustion } from './network/exhaustion.ts';
import { Networks } from './network/networks.ts';
import { NetworkUsage } from './network/usage.ts';

export interface CoreSettings {
  /** The name of this host in its marks. */
  readonly origin: Origin;
  /** The network view that probes of the grid look for. */
  readonly networkView: string;
  /** How long a write without an answer counts as in doubt. */
  readonly doubtWindow: DoubtWindow;
  /** Milliseconds between the two checks that find a namespace gone; 0: no checks. */
  readonly reapAfterMs: number;
  /** Milliseconds that a released address rests if its attachment's value is unknown, after an import. */
  readonly cooldownMs: number;
  /** Milliseconds that a block serves after its last confirmation by the grid. */
  readonly blockValidityMs: number;
  /** `Tenant ID` of the original driver's objects; empty: they are left alone. */
  readonly originalTenant: string;
}

interface CoreOptions {
  readonly grid: Grid;
  /** Learns the attribute definitions, which saves requests later. Started once, when the grid has answered. */
  readonly learnAttributes: (signal: AbortSignal) => Promise<void>;
  readonly gridState: GridState;
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly host: Host;
  readonly settings: CoreSettings;
  readonly conditions: Conditions;
  readonly trace: Trace;
  readonly log: Log;
}

export interface Core {
  /** Dependencies of ADD, DEL, CHECK, GC and the operator's commands. */
  readonly leases: LeaseDeps;
  readonly monitor: GridMonitor;
  readonly usage: NetworkUsage;
  readonly keeper: BlockKeeper;
  /** Continues the work of the last run, and starts background work. Must precede the first call. */
  start(): void;
  /** Starts no more background work; current work ends soon, under its locks. */
  stop(): void;
}

export function buildCore(options: CoreOptions): Core {
  const { grid, store, clock, host, settings, conditions, trace, log } = options;
  const { origin, originalTenant, reapAfterMs, cooldownMs, doubtWindow } = settings;
  const { random } = host;
  const moment = () => ({ now: clock.now(), wall: clock.wall(), window: doubtWindow });
  const usedViews = new Set<string>();
  const networks = new Networks({ grid, leases: store, host: origin, usedViews, clock, random, conditions, log });
  const names = new FormerNames(store, origin);
  const blocks = new Blocks({ store, networks, clock, conditions, validityMs: settings.blockValidityMs });
  const releaseLeftover = (mark: string, view: string) => {
    const identity = { mark, view, network: networkOf(mark) };
    endLease(leases, identity, { cause: 'GC', since: leases.answers.count, isValid: false });
  };
  const keeper = new BlockKeeper({
    blocks,
    grid,
    networks,
    store,
    names,
    host,
    clock,
    moment,
    conditions,
    log,
    releaseLeftover,
  });
  const leases: LeaseDeps = {
    grid,
    networks,
    exhaustion: new Exhaustion(keeper.shared, conditions, clock),
    store,
    names,
    observer: new Observer({ grid, store, moment, log, originalTenant }),
    host,
    blocks,
    keeper,
    releaseLeftover,
    adds: new SingleFlight(),
    answers: new Answers(),
    locks: new KeyedMutex(),
    clock,
    moment,
    cooldownMs,
    conditions,
    tally: { reaped: 0, recreated: 0 },
    trace,
    log,
  };
  const reconciler = new Reconciler(leases);
  const importer = new Import(leases);
  const reaper = new Reaper(leases, reapAfterMs);
  const monitor = new GridMonitor({
    grid,
    learnAttributes: options.learnAttributes,
    view: settings.networkView,
    gridState: options.gridState,
    onBack: (afterFailover) => {
      if (afterFailover) reconciler.recheckLately();
      // Blocks first: containers wait for them, but not for releases.
      void keeper.gridIsBack(afterFailover).then(() => reconciler.gridIsBack());
      void importer.attempt();
    },
    clock,
    random,
    conditions,
    log,
  });
  const usage = new NetworkUsage({
    grid,
    conditions,
    known: () => networks.all().map(({ network }) => network),
    leased: () => addressesAround(store),
    clock,
  });
  return {
    leases,
    monitor,
    usage,
    keeper,
    start() {
      reconciler.start();
      keeper.start();
      monitor.probe();
      if (reapAfterMs > 0) reaper.start();
    },
    stop() {
      reconciler.stop();
      keeper.stop();
      importer.stop();
      reaper.stop();
      monitor.stop();
    },
  };
}

/** Lists one bound address of this host per network name, view and all but the last part of the address. */
function addressesAround(store: LeaseStore) {
  const bound = store.where(({ phase }) => phase === 'bound');
  const around = Map.groupBy(bound, ({ network, view, address }) => {
    return `${network} ${view} ${address?.replace(/[^.:]*$/, '')}`;
  });
  return [...around.values()].flatMap(([lease]) =>
    lease?.address == null ? [] : [{ view: lease.view, address: lease.address }],
  );
}
