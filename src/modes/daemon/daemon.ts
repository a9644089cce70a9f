/** Builds, starts and stops the daemon. */
import { type Clock, hostClock, repeat } from '../../infoblox/concurrency/clock.ts';
import { Conditions } from '../../infoblox/conditions.ts';
import { buildCore, type Core } from '../../infoblox/core.ts';
import type { Host } from '../../infoblox/host.ts';
import { type DoubtWindow, defaultDoubtWindow } from '../../infoblox/lease/doubt.ts';
import { SqliteLeaseStore, type StoreOptions } from '../../infoblox/lease/store/sqlite-store.ts';
import type { Log } from '../../infoblox/log.ts';
import { hostPrefix } from '../../infoblox/mark.ts';
import { commit, version } from '../about.ts';
import { socketFile } from '../protocol.ts';
import { buildCalls } from './calls.ts';
import type { Options } from './config/options.ts';
import { warnOfUnverified } from './config/trust.ts';
import { Epoch } from './epoch.ts';
import { buildGridAccess, type GridAccess } from './grid-access.ts';
import { thisHost } from './host/this-host.ts';
import { logConditions, type RecentError, rememberErrors } from './log/log.ts';
import type { Metrics } from './metrics/metrics.ts';
import { keepSocket, listen, prepareSocket, type SocketPlace } from './rpc/socket.ts';
import { orStartError, StartError } from './start-error.ts';
import { noTracing, type Tracing } from './tracing/tracing.ts';

/** Interval of the check that the state file still exists: root can remove it. */
const stateLookIntervalMs = 5_000;

/** The parts of the daemon: its settings, its state, the grid, and the core on top of them. */
export interface Parts {
  readonly options: Options;
  readonly store: SqliteLeaseStore;
  readonly access: GridAccess;
  readonly core: Core;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** Returns the last errors of the log, newest last. */
  readonly recentErrors: () => readonly RecentError[];
}

export interface Daemon {
  /** Resolves with the reason when the daemon cannot continue; the caller then stops it. */
  readonly lost: Promise<StartError>;
  /** Stops accepting calls, waits for those in flight, and logs out of the grid. */
  stop(): Promise<void>;
}

/** Surroundings of the daemon. Only tests set more than `tracing` and `passedSocket`. */
interface Surroundings {
  /** Descriptor of a socket that systemd created for the daemon. */
  readonly passedSocket?: number | undefined;
  readonly tracing?: Tracing | undefined;
  readonly clock?: Clock | undefined;
  /** How long a write with a lost answer stays in doubt. */
  readonly doubtWindow?: DoubtWindow | undefined;
  /** Overrides the kernel's facts about this host. */
  readonly host?: Partial<Host> | undefined;
  /** Runs each commit of the state. */
  readonly aroundCommit?: ((commit: () => void) => void) | undefined;
  /** Wraps the opened store. */
  readonly wrapStore?: ((store: SqliteLeaseStore) => SqliteLeaseStore) | undefined;
}

/**
 * Starts the daemon. It listens when this returns, even if the grid is unreachable.
 * @throws StartError if it cannot listen or keep its state
 */
export async function startDaemon(options: Options, plainLog: Log, surroundings: Surroundings = {}): Promise<Daemon> {
  const { tracing = noTracing, clock = hostClock(), passedSocket } = surroundings;
  const { log, recentErrors } = rememberErrors(tracing.correlate(plainLog));
  const { socketDir, driverName, metricsListen } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  warnOfUnverified(options.tls, log);
  const place: SocketPlace = { socketDir, driverName, passedSocket };
  if (passedSocket === undefined) await prepareSocket(place);
  const parts = await build(options, { ...surroundings, tracing, clock }, { log, recentErrors });
  const { store, epoch, access, core, server, notes, metrics } = parts;
  const { promise: lost, resolve: onLost } = Promise.withResolvers<StartError>();

  void access.meetHosts();
  core.start();
  const stopMetrics = metricsListen && (await metrics?.serve(metricsListen, parts, parts.pages));
  await listen(server, place);
  await epoch.renew(store);
  log.info('listening', {
    socket: socketFile(socketDir, driverName),
    version,
    commit,
    grid: options.gridHosts.join(','),
    node: options.nodeName,
    bound: store.count('bound'),
    resting: store.count('resting'),
    releasing: store.count('releasing'),
  });
  const background = [
    notes.keepTaking(signal),
    keepSocket({ server, place, onLost, clock, log }, signal),
    repeat(clock, { intervalMs: stateLookIntervalMs, signal }, () => {
      if (store.loss !== undefined) onLost(new StartError(store.loss.message, store.loss.hint));
    }),
  ];
  return {
    lost,
    async stop() {
      stopping.abort();
      await Promise.all(background);
      core.stop();
      stopMetrics?.();
      await server.close();
      await core.leases.locks.idle();
      await access.close();
      await epoch.renew(store);
      store.close();
      await tracing.close();
    },
  };
}

/** Builds the parts of the daemon and opens the state. Nothing runs yet. */
async function build(
  options: Options,
  surroundings: Surroundings & { readonly tracing: Tracing; readonly clock: Clock },
  { log, recentErrors }: ReturnType<typeof rememberErrors>,
) {
  const { tracing, clock, doubtWindow = defaultDoubtWindow, wrapStore, aroundCommit } = surroundings;
  const host = { ...thisHost({ clock, log }), ...surroundings.host };
  const origin = { cluster: options.clusterName, node: options.nodeName };
  const conditions = new Conditions(clock);
  logConditions(conditions, log);
  const { socketDir, driverName } = options;
  const epoch = new Epoch({ socketDir, driverName, bootId: host.bootId, log });
  const opened = openStore(options.stateDir, log, {
    conditions,
    owner: { ...host.machine, name: hostPrefix(origin).trim() },
    isCopy: (recorded) => epoch.isCopy(recorded),
    historyAgeMs: options.leaseHistoryMs,
    clock,
    window: doubtWindow,
    aroundCommit,
  });
  const store = wrapStore?.(opened) ?? opened;
  const metrics = await createMetrics(options);
  const access = buildGridAccess({
    options,
    conditions,
    clock,
    facts: store,
    observers: metrics === undefined ? [tracing.exchange] : [tracing.exchange, metrics.exchange],
    random: host.random,
    log,
  });
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
      blockValidityMs: options.blockValidityMs,
      cooldownMs: options.ipCooldownMs,
      originalTenant: options.releaseOriginal,
    },
    conditions,
    trace: tracing,
    log,
  });
  const parts: Parts = { options, store, access, core, startedAt: clock.wall(), recentErrors };
  const calls = buildCalls(parts, metrics, tracing);
  return { ...parts, epoch, metrics, ...calls };
}

/** Opens the state. @throws StartError if the directory is unusable or another daemon uses it */
function openStore(directory: string, log: Log, { conditions, ...options }: StoreOptions & { conditions: Conditions }) {
  const { store, setAside } = orStartError(() => SqliteLeaseStore.open(directory, conditions, options));
  if (setAside !== undefined) {
    const { file, reason, foreign } = setAside;
    const hint = 'no action needed; GC performs the releases that were recorded in that file';
    log.error('state file set aside; importing the reservations of this host from the grid', {
      file,
      reason,
      foreign,
      hint,
    });
  }
  return store;
}

/** Creates the metrics; loads their library only if --metrics-listen is set. */
async function createMetrics(options: Options): Promise<Metrics | undefined> {
  if (options.metricsListen === undefined) return undefined;
  const { Metrics } = await import('./metrics/metrics.ts');
  return new Metrics();
}
