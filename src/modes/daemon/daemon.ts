/** Puts the daemon together from its options, and takes it down again in the right order. */

import { ExtensibleAttributes } from '../../infoblox/attributes.ts';
import { KeyedMutex } from '../../infoblox/concurrency/keyed-mutex.ts';
import { Conditions } from '../../infoblox/conditions.ts';
import { type GridError, hasReason } from '../../infoblox/errors.ts';
import { Health } from '../../infoblox/health.ts';
import { type Machine, type Owner, readMachine } from '../../infoblox/host/machine.ts';
import { Allocator } from '../../infoblox/lease/allocate.ts';
import { FormerNames } from '../../infoblox/lease/former-names.ts';
import { Import } from '../../infoblox/lease/import.ts';
import { type DoubtWindow, defaultDoubtWindow } from '../../infoblox/lease/lease.ts';
import { Observer } from '../../infoblox/lease/observe.ts';
import { Reaper } from '../../infoblox/lease/reaper.ts';
import { Reconciler } from '../../infoblox/lease/reconciler.ts';
import { Releaser } from '../../infoblox/lease/release.ts';
import { hostSandboxes } from '../../infoblox/lease/sandbox.ts';
import { SqliteLeaseStore } from '../../infoblox/lease/store.ts';
import { hostPrefix, type Origin } from '../../infoblox/mark.ts';
import { Exhaustion } from '../../infoblox/network/exhaustion.ts';
import { Networks } from '../../infoblox/network/networks.ts';
import { RenamedViews } from '../../infoblox/network/renamed-views.ts';
import { createAgent } from '../../infoblox/wapi/agent.ts';
import { WapiClient } from '../../infoblox/wapi/client.ts';
import { Credentials } from '../../infoblox/wapi/credentials.ts';
import { GridHosts, type WriterMemory } from '../../infoblox/wapi/hosts.ts';
import { maxConnections, Session } from '../../infoblox/wapi/session.ts';
import { createTransport } from '../../infoblox/wapi/transport.ts';
import { commit, version } from '../build-info.ts';
import type { Options } from './config/options.ts';
import { GridMonitor } from './grid-monitor.ts';
import { Commands } from './handlers/commands.ts';
import type { Log } from './log/log.ts';
import type { Metrics } from './metrics.ts';
import { warnOfUnseen } from './process/unseen-namespaces.ts';
import { callFields } from './rpc/call-fields.ts';
import { ReleaseNotes } from './rpc/release-notes.ts';
import { CallServer } from './rpc/server.ts';
import { makeRoom, prepareSocket, protectSocket, StartError } from './rpc/socket-file.ts';
import { SocketWatch } from './rpc/socket-watch.ts';
import { unverifiedNotice, warnOfUnverified } from './unverified.ts';

/** Milliseconds between looks for release notes, which a plugin may leave while the daemon is slow. */
const notesPause = 15_000;

/** Milliseconds between looks whether the state file is still in its place. */
const statePause = 5_000;

export interface Daemon {
  /** Resolves if the daemon can be of no use any more, with the reason; to be stopped then. */
  readonly lost: Promise<StartError>;
  /** Takes no more calls, lets those in flight end, and leaves the grid. */
  stop(): Promise<void>;
}

/** What surrounds the daemon; other than the default only in tests. */
export interface Surroundings {
  /** How long a write whose answer was lost is held for possible. */
  readonly doubtWindow?: DoubtWindow | undefined;
  readonly machine?: Machine | undefined;
  /** Makes the store that the daemon uses of the one that it has opened. */
  readonly wrapStore?: ((store: SqliteLeaseStore) => SqliteLeaseStore) | undefined;
}

/**
 * Starts the daemon: it listens when this returns, whether or not the grid can be reached.
 * @throws StartError when it cannot listen or keep its state
 */
export async function startDaemon(options: Options, log: Log, surroundings: Surroundings = {}): Promise<Daemon> {
  const { doubtWindow: window = defaultDoubtWindow, machine = readMachine(), wrapStore = same } = surroundings;
  const unverified = unverifiedNotice(options.tls);
  const stopWarning = unverified === undefined ? undefined : warnOfUnverified(log);
  const file = await prepareSocket(options.socketDir, options.driverName);
  const origin = { cluster: options.clusterName, node: options.nodeName };
  const conditions = new Conditions();
  const owner = { ...machine, name: hostPrefix(origin).trim() };
  const store = wrapStore(openStore(options.stateDir, { conditions, owner, log }));
  const moment = () => ({ now: Date.now(), window });
  const names = formerNames(store, origin);
  const health = new Health({ onTrouble: (trouble) => contact.onTrouble(trouble), onWell: () => contact.onWell() });
  const metrics = await createMetrics(options, { store, health, unverified });
  const transport = createTransport(
    createAgent(options.tls, maxConnections, (host, key) => {
      log.info('a grid host is seen for the first time; its public key is trusted from now on', { host, key });
    }),
  );
  const session = new Session({
    transport: metrics?.watch(transport) ?? transport,
    hosts: new GridHosts(options.gridHosts, undefined, writerMemory(store)),
    credentials: new Credentials(options.wapiUsername, options.readPassword),
    port: options.wapiPort,
    version: options.wapiVersion,
    userAgent: `infoblox-cni/${version}`,
    onOutcome: (trouble, writes) => health.report(trouble, writes),
    onSwitch: (from, to) => {
      log.warn(`the grid is served by ${to} now, no longer by ${from}`);
      reconciler.gridIsBack(true);
    },
  });
  const labels = new ExtensibleAttributes(options.clusterName, options.labels, (name) => {
    log.warn(`the grid does not take the attribute ${name} of --labels: it is left out`);
  });
  const grid = new WapiClient(session, labels, ({ kind, name, view }) => {
    const message = `made ${kind} ${name} on the grid`;
    if (kind !== 'network view') return log.info(message, { view });
    return log.warn(message, { view, hint: 'if it is not meant to be: correct network-view, and remove the view' });
  });
  const marksIn = (view: string, limit: number) => store.boundIn(view, limit).map(({ mark }) => mark);
  const networks = new Networks(grid, labels, new RenamedViews({ grid, marksIn, host: origin }));
  const exhaustion = new Exhaustion(grid);
  const observer = new Observer({ wapi: grid, store, log });
  const sandboxes = warnOfUnseen(hostSandboxes(), log);
  const locks = new KeyedMutex();
  const onReleased = (view: string) => exhaustion.released(view);
  const deps = { wapi: grid, store, observer, attributes: labels, locks, moment, onReleased, log };
  const allocator = new Allocator({ ...deps, networks, exhaustion, names, sandboxes });
  const reconciler: Reconciler = new Reconciler(deps);
  const releaser = new Releaser({ ...deps, allocator, names, reconciler });
  const importer = new Import({ store, observer, allocator, origin, moment, log });
  const reaper = new Reaper({
    ...deps,
    sandboxes,
    grace: options.reapAfter,
    monotonic: () => performance.now(),
  });
  const contact: GridMonitor = new GridMonitor({
    grid,
    labels,
    view: options.networkView,
    health,
    reconciler,
    importer,
    log,
  });
  const notes = new ReleaseNotes({
    socketDir: options.socketDir,
    driverName: options.driverName,
    released: (call) => commands.takeRelease(call),
    notAnswered: (call) => commands.takeNotAnswered(call),
    log,
  });
  const commands: Commands = new Commands({
    leases: { ...deps, allocator, names, reconciler },
    allocator,
    releaser,
    networks,
    health,
    conditions,
    exhaustion,
    notes,
    defaults: options,
    ...(unverified === undefined ? {} : { unverified }),
    addTimeout: options.addTimeout,
    probe: () => contact.probe(),
    log,
  });

  reconciler.start();
  const server = new CallServer({
    run: (command, call, gone) => commands.run(command, call, gone),
    describe: (request) => callFields(request, options.networkView),
    longest: (command) => commands.longest(command),
    onCall: (command, code, seconds) => metrics?.call(command, code, seconds),
    log,
  });
  const stopMetrics = options.metricsListen && (await metrics?.serve(options.metricsListen));
  await listen(server, file);
  log.info(`infoblox-cni-daemon ${version} listens at ${file}`, {
    commit,
    grid: options.gridHosts.join(','),
    node: options.nodeName,
    held: store.count('bound'),
    owed: store.count('releasing'),
  });
  contact.start();
  if (options.reapAfter > 0) reaper.start();
  const takeNotes = () =>
    notes.takeAll().catch((error) => log.warn('cannot read release notes', { reason: String(error) }));
  void takeNotes();
  const timer = setInterval(takeNotes, notesPause);
  const { promise: lost, resolve: onLost } = Promise.withResolvers<StartError>();
  const listenAgain = async () => {
    await prepareSocket(options.socketDir, options.driverName);
    await listen(server, file);
  };
  const socketWatch = new SocketWatch({ file, listenAgain, onLost, log });
  const stateTimer = setInterval(() => {
    const { loss } = store;
    if (loss !== undefined) onLost(new StartError(inOneLine(loss)));
  }, statePause);

  return {
    lost,
    async stop() {
      clearInterval(timer);
      clearInterval(stateTimer);
      await socketWatch.stop();
      reconciler.stop();
      importer.stop();
      reaper.stop();
      contact.stop();
      stopWarning?.();
      stopMetrics?.();
      await server.close();
      await locks.idle();
      await session.close(AbortSignal.timeout(2_000));
      store.close();
    },
  };
}

interface Watched {
  readonly store: SqliteLeaseStore;
  readonly health: Health;
  readonly unverified: string | undefined;
}

async function createMetrics(options: Options, { store, health, unverified }: Watched): Promise<Metrics | undefined> {
  if (options.metricsListen === undefined) return undefined;
  const { Metrics } = await import('./metrics.ts');
  return new Metrics({
    held: () => store.count('bound'),
    owed: () => store.count('releasing'),
    obstacle: () => health.obstacle,
    unverified,
  });
}

async function listen(server: CallServer, file: string) {
  try {
    await makeRoom(file);
    await server.listen(file);
    protectSocket(file);
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(`cannot listen at ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function same(store: SqliteLeaseStore): SqliteLeaseStore {
  return store;
}

interface StoreOptions {
  readonly conditions: Conditions;
  readonly owner: Owner;
  readonly log: Log;
}

function openStore(directory: string, { conditions, owner, log }: StoreOptions): SqliteLeaseStore {
  try {
    const { store, setAside } = SqliteLeaseStore.open(directory, conditions, owner);
    if (setAside !== undefined) {
      const { file, reason, foreign } = setAside;
      const what = foreign ? 'is of another machine' : 'cannot be used';
      log.error(`the state file ${what} and was set aside; reservations will be read back from the grid`, {
        ...{ file, reason },
        hint: `nothing has to be done${foreign ? ' on a copy of a host' : ''}; releases that were owed are in that file, GC makes up for them`,
      });
    }
    return store;
  } catch (error) {
    if (hasReason(error, 'state')) throw new StartError(inOneLine(error));
    throw error;
  }
}

/** The host that accepts writes, in the state. If that cannot be written, it is known until the daemon ends. */
function writerMemory(store: SqliteLeaseStore): WriterMemory {
  return {
    remembered: store.fact('writer'),
    remember: (host) => {
      try {
        store.setFact('writer', host);
      } catch (error) {
        if (!hasReason(error, 'state')) throw error;
      }
    },
  };
}

function formerNames(store: SqliteLeaseStore, origin: Origin): FormerNames {
  try {
    return new FormerNames(store, origin);
  } catch (error) {
    if (hasReason(error, 'state')) throw new StartError(inOneLine(error));
    throw error;
  }
}

function inOneLine(error: GridError): string {
  return error.hint === undefined ? error.message : `${error.message} - ${error.hint}`;
}
