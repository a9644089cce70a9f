/** Builds the daemon from its options, and takes it down again in good order. */
import { type Clock, hostClock } from '../../infoblox/concurrency/clock.ts';
import { Conditions } from '../../infoblox/conditions.ts';
import { buildCore } from '../../infoblox/core.ts';
import type { Host } from '../../infoblox/host.ts';
import { type DoubtWindow, defaultDoubtWindow } from '../../infoblox/lease/doubt.ts';
import type { SqliteLeaseStore } from '../../infoblox/lease/store/sqlite-store.ts';
import type { Log } from '../../infoblox/log.ts';
import { hostPrefix } from '../../infoblox/mark.ts';
import type { Transport } from '../../infoblox/wapi/connection/transport.ts';
import { commit, version } from '../about.ts';
import { socketFile } from '../protocol.ts';
import { buildCalls } from './calls.ts';
import type { Options } from './config/options.ts';
import { trustOf, unverifiedNotice, warnOfUnverified } from './config/trust.ts';
import { buildGridAccess } from './grid-access.ts';
import { thisHost } from './host/this-host.ts';
import { logConditions } from './log/condition-log.ts';
import { rememberErrors } from './log/log.ts';
import type { Metrics } from './metrics/metrics.ts';
import { prepareSocket } from './rpc/socket-file.ts';
import { listen, listenOnPassed } from './rpc/socket-watch.ts';
import type { StartError } from './start-error.ts';
import { openStore, watchState, writerMemory } from './state.ts';
import { noTracing, type Tracing } from './tracing/tracing.ts';

export interface Daemon {
  /** Resolves, with the reason, when the daemon cannot serve any more; to be stopped then. */
  readonly lost: Promise<StartError>;
  /** Takes no more calls, lets those in flight end, and leaves the grid. */
  stop(): Promise<void>;
}

/** What surrounds the daemon; all but traces and socket is other than the default only in tests. */
interface Surroundings {
  /** Descriptor of a socket that the service manager has made for the daemon. */
  readonly passedSocket?: number | undefined;
  readonly tracing?: Tracing | undefined;
  readonly clock?: Clock | undefined;
  /** How long a write whose answer was lost counts as in doubt. */
  readonly doubtWindow?: DoubtWindow | undefined;
  /** What is other on this host than the kernel says. */
  readonly host?: Partial<Host> | undefined;
  /** Makes each commit of the state. */
  readonly aroundCommit?: ((commit: () => void) => void) | undefined;
  /** Wraps the store that the daemon has opened. */
  readonly wrapStore?: ((store: SqliteLeaseStore) => SqliteLeaseStore) | undefined;
}

/**
 * Starts the daemon: it listens when this returns, whether or not the grid can be reached.
 * @throws StartError when it cannot listen or keep its state
 */
export async function startDaemon(options: Options, plainLog: Log, surroundings: Surroundings = {}): Promise<Daemon> {
  const { tracing = noTracing } = surroundings;
  const log = tracing.correlate(plainLog);
  const stopWarning = unverifiedNotice(options.tls) === undefined ? undefined : warnOfUnverified(log);
  const { passedSocket } = surroundings;
  const { socketDir, driverName } = options;
  const isOurs = passedSocket === undefined;
  const file = isOurs ? await prepareSocket(socketDir, driverName) : socketFile(socketDir, driverName);
  const parts = await build(options, log, { ...surroundings, tracing });
  const { store, access, core, server, notes, pages, metrics, sources } = parts;

  void access.meetHosts();
  core.start();
  const stopMetrics = options.metricsListen && (await metrics?.serve(options.metricsListen, sources, pages));
  const { promise: lost, resolve: onLost } = Promise.withResolvers<StartError>();
  const watch = { file, onLost, log };
  const socketWatch = await (isOurs ? listen(server, options, watch) : listenOnPassed(server, passedSocket, watch));
  log.info('listening', {
    ...{ socket: file, version, commit, grid: options.gridHosts.join(','), node: options.nodeName },
    bound: store.count('bound'),
    releasing: store.count('releasing'),
  });
  notes.start();
  const stopStateWatch = watchState(store, onLost);

  return {
    lost,
    async stop() {
      notes.stop();
      stopStateWatch();
      await socketWatch.stop();
      core.stop();
      stopWarning?.();
      stopMetrics?.();
      await server.close();
      await core.leases.locks.idle();
      await access.close();
      store.close();
      await tracing.close();
    },
  };
}

/** Builds the parts, each after those that it needs. Nothing runs yet; the state is open. */
async function build(options: Options, passedLog: Log, surroundings: Surroundings & { readonly tracing: Tracing }) {
  const { log, recentErrors } = rememberErrors(passedLog);
  const { doubtWindow = defaultDoubtWindow, clock = hostClock(), wrapStore, aroundCommit, tracing } = surroundings;
  const host = { ...thisHost({ clock, log }), ...surroundings.host };
  const unverified = unverifiedNotice(options.tls);
  const origin = { cluster: options.clusterName, node: options.nodeName };
  const owner = { ...host.machine, name: hostPrefix(origin).trim() };
  const conditions = new Conditions(clock);
  logConditions(conditions, log);
  const opened = openStore(options.stateDir, {
    conditions,
    owner,
    historyAgeMs: options.leaseHistoryMs,
    clock,
    window: doubtWindow,
    aroundCommit,
    log,
  });
  const store = wrapStore?.(opened) ?? opened;
  store.subscribe({
    changed: (mark, lease) => {
      // One that is pending is due only if its ADD dies.
      if (lease?.dueAt != null && lease.phase !== 'pending') tracing.leaseDue(mark);
    },
  });
  const metrics = await createMetrics(options);
  const watch = (transport: Transport) => {
    const traced = tracing.watch(transport);
    return metrics?.watch(traced) ?? traced;
  };
  const { random } = host;
  const access = buildGridAccess({ options, conditions, clock, memory: writerMemory(store), watch, random, log });
  const core = buildCore({
    grid: access.grid,
    learnAttributes: access.learnAttributes,
    gridState: access.gridState,
    store,
    clock,
    host,
    settings: {
      origin,
      networkView: options.networkView,
      doubtWindow,
      reapAfterMs: options.reapAfterMs,
      originalTenant: options.releaseOriginal,
    },
    conditions,
    trace: tracing,
    log,
  });
  const calls = buildCalls({
    options,
    store,
    access,
    core,
    metrics,
    tracing,
    conditions,
    recentErrors,
    unverified,
    log,
  });
  const { clientCertificate } = options;
  const sources = {
    conditions,
    store,
    tally: core.leases.tally,
    usage: core.usage,
    exhaustion: core.leases.exhaustion,
    certificates: access.certificates,
    clientCertificate,
    trust: trustOf(options.tls),
    server: calls.server,
    session: access.session,
    unverified,
  };
  return { store, access, core, metrics, sources, ...calls };
}

/** Loads the library of metrics only where they are served. */
async function createMetrics(options: Options): Promise<Metrics | undefined> {
  if (options.metricsListen === undefined) return undefined;
  const { Metrics } = await import('./metrics/metrics.ts');
  return new Metrics();
}
