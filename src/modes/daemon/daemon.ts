/** Builds the daemon from its options, each part after those that it needs, and takes it down again in good order. */
import { ExtensibleAttributes } from '../../infoblox/attributes.ts';
import { KeyedMutex } from '../../infoblox/concurrency/keyed-mutex.ts';
import { Conditions } from '../../infoblox/conditions.ts';
import { type Machine, readMachine } from '../../infoblox/host/machine.ts';
import { Allocator } from '../../infoblox/lease/allocate.ts';
import { Import } from '../../infoblox/lease/import.ts';
import { type DoubtWindow, defaultDoubtWindow } from '../../infoblox/lease/lease.ts';
import { Observer } from '../../infoblox/lease/observe.ts';
import { Reaper } from '../../infoblox/lease/reaper.ts';
import { Reconciler } from '../../infoblox/lease/reconciler.ts';
import { Releaser } from '../../infoblox/lease/release.ts';
import { hostSandboxes } from '../../infoblox/lease/sandbox.ts';
import type { SqliteLeaseStore } from '../../infoblox/lease/store.ts';
import type { Log } from '../../infoblox/log.ts';
import { hostPrefix } from '../../infoblox/mark.ts';
import { Exhaustion } from '../../infoblox/network/exhaustion.ts';
import { Networks } from '../../infoblox/network/networks.ts';
import { NetworkViews } from '../../infoblox/network/views.ts';
import { GridState, gridTrouble } from '../../infoblox/wapi/grid-state.ts';
import { commit, version } from '../build-info.ts';
import type { Options } from './config/options.ts';
import { createClient, openSession } from './grid-access.ts';
import { GridMonitor } from './grid-monitor.ts';
import { addHandler, recordUnanswered } from './handlers/add.ts';
import { callFields } from './handlers/call-fields.ts';
import { checkHandler } from './handlers/check.ts';
import { delHandler, releaseCall } from './handlers/del.ts';
import { gcHandler } from './handlers/gc.ts';
import { statusHandler } from './handlers/status.ts';
import { logConditions } from './log/condition-log.ts';
import type { Metrics, MetricsSources } from './metrics.ts';
import { warnOfUnseen } from './process/unseen-namespaces.ts';
import { listen } from './rpc/listener.ts';
import { ReleaseNotes } from './rpc/release-notes.ts';
import { CallServer } from './rpc/server.ts';
import { prepareSocket } from './rpc/socket-file.ts';
import type { StartError } from './start-error.ts';
import { openStore, readFormerNames, watchState, writerMemory } from './state.ts';
import { unverifiedNotice, warnOfUnverified } from './unverified.ts';

export interface Daemon {
  /** Resolves, with the reason, when the daemon cannot serve any more; to be stopped then. */
  readonly lost: Promise<StartError>;
  /** Takes no more calls, lets those in flight end, and leaves the grid. */
  stop(): Promise<void>;
}

/** What surrounds the daemon; other than the default only in tests. */
export interface Surroundings {
  /** How long a write whose answer was lost counts as in doubt. */
  readonly doubtWindow?: DoubtWindow | undefined;
  readonly machine?: Machine | undefined;
  /** Wraps the store that the daemon has opened. */
  readonly wrapStore?: ((store: SqliteLeaseStore) => SqliteLeaseStore) | undefined;
}

/**
 * Starts the daemon: it listens when this returns, whether or not the grid can be reached.
 * @throws StartError when it cannot listen or keep its state
 */
export async function startDaemon(options: Options, log: Log, surroundings: Surroundings = {}): Promise<Daemon> {
  const { doubtWindow: window = defaultDoubtWindow, machine = readMachine(), wrapStore } = surroundings;
  const unverified = unverifiedNotice(options.tls);
  const stopWarning = unverified === undefined ? undefined : warnOfUnverified(log);
  const file = await prepareSocket(options.socketDir, options.driverName);

  // What is known: conditions, the durable state, the grid.
  const origin = { cluster: options.clusterName, node: options.nodeName };
  const conditions = new Conditions();
  const gridState = new GridState(conditions);
  logConditions(conditions, log);
  const opened = openStore(options.stateDir, {
    conditions,
    owner: { ...machine, name: hostPrefix(origin).trim() },
    log,
  });
  const store = wrapStore?.(opened) ?? opened;
  const names = readFormerNames(store, origin);
  const metrics = await createMetrics(options, {
    bound: () => store.count('bound'),
    releasing: () => store.count('releasing'),
    gridTrouble: () => gridTrouble(conditions)?.error,
    unverified,
  });
  const attributes = new ExtensibleAttributes(options.clusterName, options.labels, (name) => {
    log.warn('extensible attribute left out: the grid does not accept it', { name });
  });
  const session = openSession({ options, memory: writerMemory(store), gridState, metrics, log });
  const wapi = createClient(session, attributes, log);

  // Networks and leases.
  const marksIn = (view: string, limit: number) => store.boundIn(view, limit).map(({ mark }) => mark);
  const views = new NetworkViews({ wapi, marksIn, host: origin });
  const networks = new Networks({ wapi, attributes, views });
  const exhaustion = new Exhaustion(wapi, conditions);
  const moment = () => ({ now: Date.now(), window });
  const observer = new Observer({ wapi, store, log });
  const sandboxes = warnOfUnseen(hostSandboxes(), log);
  const locks = new KeyedMutex();
  const onReleased = (view: string) => exhaustion.released(view);
  const leaseDeps = { wapi, store, observer, attributes, locks, moment, onReleased, log };
  const allocator = new Allocator({ ...leaseDeps, networks, exhaustion, names, sandboxes });

  // In the background.
  const reconciler = new Reconciler(leaseDeps);
  const releaser = new Releaser({ ...leaseDeps, allocator, names, reconciler });
  const importer = new Import({ store, observer, allocator, origin, moment, log });
  const monotonic = () => performance.now();
  const reaper = new Reaper({ ...leaseDeps, sandboxes, grace: options.reapAfter, monotonic });
  const view = options.networkView;
  const monitor = new GridMonitor({ wapi, attributes, view, conditions, gridState, reconciler, importer, log });

  // Calls.
  const { socketDir, driverName, addTimeout } = options;
  const defaults = options;
  const del = { releaser, defaults };
  const notes = new ReleaseNotes({
    socketDir,
    driverName,
    release: (call) => releaseCall(del, call),
    recordUnanswered: (call) => recordUnanswered({ allocator, names }, call),
    log,
  });
  const handlers = {
    ADD: addHandler({ allocator, conditions, notes, defaults, addTimeout, log }),
    DEL: delHandler(del),
    CHECK: checkHandler({ store, observer, names, moment, defaults }),
    GC: gcHandler({ ...leaseDeps, allocator, names, reconciler, defaults }),
    STATUS: statusHandler({ conditions, monitor, networks, exhaustion, defaults, unverified }),
  };
  const server = new CallServer({
    handlers,
    describe: (request) => callFields(request, view),
    onCall: (command, code, seconds) => metrics?.call(command, code, seconds),
    log,
  });

  reconciler.start();
  const stopMetrics = options.metricsListen && (await metrics?.serve(options.metricsListen));
  const { promise: lost, resolve: onLost } = Promise.withResolvers<StartError>();
  const socketWatch = await listen({ server, file, options, onLost, log });
  log.info('listening', {
    ...{ socket: file, version, commit, grid: options.gridHosts.join(','), node: options.nodeName },
    bound: store.count('bound'),
    releasing: store.count('releasing'),
  });
  monitor.probe();
  if (options.reapAfter > 0) reaper.start();
  notes.start();
  const stopStateWatch = watchState(store, onLost);

  return {
    lost,
    async stop() {
      notes.stop();
      stopStateWatch();
      await socketWatch.stop();
      reconciler.stop();
      importer.stop();
      reaper.stop();
      monitor.stop();
      stopWarning?.();
      stopMetrics?.();
      await server.close();
      await locks.idle();
      await session.close(AbortSignal.timeout(2_000));
      store.close();
    },
  };
}

/** Loads the library of metrics only where they are served. */
async function createMetrics(options: Options, sources: MetricsSources): Promise<Metrics | undefined> {
  if (options.metricsListen === undefined) return undefined;
  const { Metrics } = await import('./metrics.ts');
  return new Metrics(sources);
}
