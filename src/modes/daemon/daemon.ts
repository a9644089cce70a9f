/** Puts the daemon together from its options, and takes it down again in the right order. */
import { Collector } from '../../infoblox/collector.ts';
import { Credentials } from '../../infoblox/credentials.ts';
import { type GridError, hasReason } from '../../infoblox/errors.ts';
import { Exhaustion } from '../../infoblox/exhaustion.ts';
import { Grid } from '../../infoblox/grid.ts';
import { GridHosts, type WriterMemory } from '../../infoblox/grid-hosts.ts';
import { Health } from '../../infoblox/health.ts';
import { hostPrefix, type Origin } from '../../infoblox/identity.ts';
import { Ipam } from '../../infoblox/ipam.ts';
import { Labels } from '../../infoblox/labels.ts';
import { type Machine, type Owner, readMachine } from '../../infoblox/machine.ts';
import { hostNamespaces } from '../../infoblox/namespaces.ts';
import { Networks } from '../../infoblox/networks.ts';
import { Origins } from '../../infoblox/origins.ts';
import { Reaper } from '../../infoblox/reaper.ts';
import { defaultSettling, Releases, type Settling } from '../../infoblox/releases.ts';
import { RenamedViews } from '../../infoblox/renamed-views.ts';
import { Reservations } from '../../infoblox/reservations.ts';
import { maxConnections, Session } from '../../infoblox/session.ts';
import { Store } from '../../infoblox/store.ts';
import { createAgent, createTransport } from '../../infoblox/transport.ts';
import { Turns } from '../../infoblox/turns.ts';
import { Upkeep } from '../../infoblox/upkeep.ts';
import { commit, version } from '../build-info.ts';
import { callFields } from './call-fields.ts';
import { Commands } from './commands.ts';
import { Contact } from './contact.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Options } from './options.ts';
import { ReleaseNotes } from './release-notes.ts';
import { CallServer } from './server.ts';
import { makeRoom, prepareSocket, protectSocket, StartError } from './socket-file.ts';
import { SocketWatch } from './socket-watch.ts';
import { warnOfUnseen } from './unseen-namespaces.ts';
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
  /** How long to mistrust a lost answer. */
  readonly settling?: Settling | undefined;
  readonly machine?: Machine | undefined;
}

/**
 * Starts the daemon: it listens when this returns, whether or not the grid can be reached.
 * @throws StartError when it cannot listen or keep its state
 */
export async function startDaemon(options: Options, log: Log, surroundings: Surroundings = {}): Promise<Daemon> {
  const { settling = defaultSettling, machine = readMachine() } = surroundings;
  const unverified = unverifiedNotice(options.tls);
  const stopWarning = unverified === undefined ? undefined : warnOfUnverified(log);
  const file = await prepareSocket(options.socketDir, options.driverName);
  const origin = { cluster: options.clusterName, node: options.nodeName };
  const store = openStore(options.stateDir, { ...machine, name: hostPrefix(origin).trim() }, log);
  const now = () => Date.now();
  const origins = rememberedOrigins(store, origin);
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
      upkeep.gridIsBack(true);
    },
  });
  const labels = new Labels(options.clusterName, options.labels, (name) => {
    log.warn(`the grid does not take the attribute ${name} of --labels: it is left out`);
  });
  const grid = new Grid(session, labels, ({ kind, name, view }) => {
    const message = `made ${kind} ${name} on the grid`;
    if (kind !== 'network view') return log.info(message, { view });
    return log.warn(message, { view, cure: 'if it is not meant to be: correct network-view, and remove the view' });
  });
  const networks = new Networks(grid, labels, new RenamedViews({ grid, store, origins }));
  const reservations = new Reservations(grid, ({ ipv4addr, network_view, comment, mac, match_client }) =>
    log.warn('a reservation with the mark of this host was altered on the grid: it is left alone', {
      ...{ address: ipv4addr, view: network_view, comment, mac, match_client },
      cure: 'let its comment be the mark alone again, or delete it when its container is gone',
    }),
  );
  const exhaustion = new Exhaustion(grid);
  const turns = new Turns();
  const namespaces = warnOfUnseen(hostNamespaces(), log);
  const onDue = () => upkeep.wake();
  const releases = new Releases({ reservations, exhaustion, store, settling, now, onDue, log });
  const ipam = new Ipam({
    networks,
    reservations,
    exhaustion,
    labels,
    store,
    turns,
    namespaces,
    origins,
    releases,
    onDue,
    log,
  });
  const upkeep: Upkeep = new Upkeep({
    releases,
    labels,
    store,
    turns,
    reservations,
    origin: origins.present,
    now,
    log,
  });
  const reaper = new Reaper({ ipam, store, namespaces, grace: options.reapAfter, now: () => performance.now(), log });
  const contact: Contact = new Contact({ grid, labels, view: options.networkView, health, upkeep, log });
  const collector = new Collector({ ipam, store, turns, reservations, origins });
  const notes = new ReleaseNotes({
    socketDir: options.socketDir,
    driverName: options.driverName,
    releaseLater: (call) => commands.releaseLater(call),
    unanswered: (call) => commands.unanswered(call),
    log,
  });
  const commands: Commands = new Commands({
    ipam,
    collector,
    networks,
    health,
    exhaustion,
    store,
    notes,
    defaults: options,
    ...(unverified === undefined ? {} : { unverified }),
    addTimeout: options.addTimeout,
    probe: () => contact.probe(),
    log,
  });

  upkeep.start();
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
    held: store.count('held'),
    owed: store.count('owed'),
  });
  contact.start();
  upkeep.wake();
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
      upkeep.stop();
      reaper.stop();
      contact.stop();
      stopWarning?.();
      stopMetrics?.();
      await server.close();
      await turns.idle();
      await session.close(AbortSignal.timeout(2_000));
      store.close();
    },
  };
}

interface Watched {
  readonly store: Store;
  readonly health: Health;
  readonly unverified: string | undefined;
}

async function createMetrics(options: Options, { store, health, unverified }: Watched): Promise<Metrics | undefined> {
  if (options.metricsListen === undefined) return undefined;
  const { Metrics } = await import('./metrics.ts');
  return new Metrics({
    held: () => store.count('held'),
    owed: () => store.count('owed'),
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

function openStore(directory: string, owner: Owner, log: Log): Store {
  try {
    const { store, setAside } = Store.open(directory, owner);
    if (setAside !== undefined) {
      const { file, reason, foreign } = setAside;
      const what = foreign ? 'is of another machine' : 'cannot be used';
      log.error(`the state file ${what} and was set aside; reservations will be read back from the grid`, {
        ...{ file, reason },
        cure: `nothing has to be done${foreign ? ' on a copy of a host' : ''}; releases that were owed are in that file, GC makes up for them`,
      });
    }
    return store;
  } catch (error) {
    if (hasReason(error, 'state')) throw new StartError(inOneLine(error));
    throw error;
  }
}

/** The host that accepts writes, in the state. If that cannot be written, it is known until the daemon ends. */
function writerMemory(store: Store): WriterMemory {
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

function rememberedOrigins(store: Store, origin: Origin): Origins {
  try {
    return new Origins(store, origin);
  } catch (error) {
    if (hasReason(error, 'state')) throw new StartError(inOneLine(error));
    throw error;
  }
}

function inOneLine(error: GridError): string {
  return error.cure === undefined ? error.message : `${error.message} - ${error.cure}`;
}
