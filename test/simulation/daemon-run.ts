/** One run of the daemon: the unchanged core of the product with a simulated grid, store, clock and host. */
import { familyOf, type Interval } from '../../src/infoblox/address.ts';
import { deadline, withDeadline } from '../../src/infoblox/concurrency/clock.ts';
import { Conditions } from '../../src/infoblox/conditions.ts';
import { buildCore } from '../../src/infoblox/core.ts';
import { GridState } from '../../src/infoblox/grid-state.ts';
import { add } from '../../src/infoblox/lease/add.ts';
import type { BlockKeeper } from '../../src/infoblox/lease/block/keeper.ts';
import { checkLease } from '../../src/infoblox/lease/check.ts';
import type { LeaseDeps } from '../../src/infoblox/lease/deps.ts';
import { defaultDoubtWindow } from '../../src/infoblox/lease/doubt.ts';
import { collectGarbage } from '../../src/infoblox/lease/gc.ts';
import { noteNotAnswered, releaseAttachment } from '../../src/infoblox/lease/release.ts';
import { type Fields, type Log, untraced } from '../../src/infoblox/log.ts';
import { hostPrefix } from '../../src/infoblox/mark.ts';
import { addressSets } from '../../src/infoblox/network/sets.ts';
import { ExtensibleAttributes } from '../../src/infoblox/wapi/attributes.ts';
import { GridHosts } from '../../src/infoblox/wapi/connection/hosts.ts';
import type { Transport } from '../../src/infoblox/wapi/connection/transport.ts';
import { Credentials } from '../../src/infoblox/wapi/credentials.ts';
import { Session } from '../../src/infoblox/wapi/session.ts';
import { WapiGrid } from '../../src/infoblox/wapi/wapi-grid.ts';
import {
  gcByHandHandler,
  hostReservationsHandler,
  releaseHandler,
  releaseHostBlocksHandler,
  releaseHostHandler,
} from '../../src/modes/daemon/operator/release.ts';
import type { Chance } from './chance.ts';
import { type GridMembers, type HttpRequest, type MemberName, memberNames } from './grid-members.ts';
import { MemoryLeaseStore } from './memory-store.ts';
import { type Arranged, type Interrupt, type PathTroubles, pathToGrid } from './network-path.ts';
import type { SimHost } from './sim-host.ts';
import { processClock, type VirtualTime } from './virtual-time.ts';

export const network = 'net-1';
export const cluster = 'sim';

/** The network configuration of all hosts. */
export interface NetworkConfig {
  readonly view: string;
  /** Absent: a network of `prefixLength` bits from `containers`. */
  readonly subnet?: string | undefined;
  readonly containers?: string | undefined;
  readonly prefixLength?: number | undefined;
  readonly gateway: string;
  /** Part of `subnet`: only these addresses. */
  readonly range?: Interval | undefined;
  readonly exclude?: readonly string[] | undefined;
  readonly blockSize?: number | undefined;
  /** Milliseconds that a released address rests; 0 if absent. */
  readonly cooldownMs?: number | undefined;
  /** Of a second address of all containers, if they have one; its first address is its gateway. */
  readonly secondSubnet?: string | undefined;
}

/** Settings of all hosts. */
export interface World {
  readonly time: VirtualTime;
  readonly members: GridMembers;
  readonly chance: Chance;
  readonly config: (host: string) => NetworkConfig;
  /** `--reap-after`, in milliseconds; a minute if absent. */
  readonly reapAfterMs?: number;
  /** Grid members that hosts know; default: all. */
  readonly gridHosts?: readonly MemberName[];
  /** `--block-validity`, in milliseconds; 10 minutes if absent. */
  readonly blockValidityMs?: number;
  /** `--release-original`. */
  readonly originalTenant?: string;
  /** Makes the transport to the grid; default: network-path.ts. @param client names a run of a daemon */
  readonly transport?: (client: string) => Transport;
  readonly troubles: () => PathTroubles;
  readonly arranged?: (request: HttpRequest, client: string) => Arranged | undefined;
  readonly interrupt?: Interrupt;
  readonly onArrival: (request: HttpRequest, client: string) => void;
  readonly log: (line: string) => void;
}

export interface AddCall {
  readonly containerId: string;
  readonly netns: string;
  readonly callId: string;
  readonly requested?: string | undefined;
}

/** An address of a container, and the CIDR of its network. */
interface Given {
  readonly address: string;
  readonly network: string;
}

export interface Answered {
  /** Of each set. */
  readonly given: readonly Given[];
  undelivered(): void;
}

/** A run of the daemon. Calls in progress when it ends are never answered. */
export interface DaemonRun {
  /** Resolves when it is killed. */
  readonly lost: Promise<void>;
  /** Whether an ADD was answered. */
  readonly hasServed: boolean;
  add(call: AddCall, gone: AbortSignal): Promise<Answered>;
  del(containerId: string): Promise<void>;
  check(containerId: string, addresses: readonly string[]): Promise<void>;
  gc(valid: readonly string[]): Promise<void>;
  /** The command `release`. @returns how many leases it has ended */
  release(containerId: string, options: { readonly evenIfAlive: boolean }): Promise<number>;
  /** The command `gc`. */
  gcByHand(): Promise<unknown>;
  /** The command `gc --host`. */
  gcOfHost(node: string): Promise<void>;
  /** For tests of what the core knows. */
  readonly leases: LeaseDeps;
  readonly keeper: BlockKeeper;
  /** Errors, one line each. */
  conditions(): string[];
  /** Takes over new notes. */
  takeNotes(): void;
  end(): void;
}

/** Milliseconds until notes of plugins are taken. */
const notesIntervalMs = 2_000;
const addTimeoutMs = 30_000;
const gcTimeoutMs = 55_000;
const never = new AbortController().signal;
/** The caller of an operator's command, who waits for its end. */
const person = { gone: never, stopping: never, tell: () => {} };

/** Starts the daemon of a host. @param client names the run */
export function startRun(world: World, host: SimHost, client: string): DaemonRun {
  const { interrupt = () => false } = world;
  const { promise: lost, resolve: onLost } = Promise.withResolvers<void>();
  let isOver = false;
  let hasServed = false;
  const config = () => world.config(host.name);
  const port = host.port(client);
  const { clock, end } = processClock(world.time, () => host.setBy);
  const conditions = new Conditions(clock);
  const origin = { cluster, node: host.name };
  host.disk.claim({ ...port.machine, name: hostPrefix(origin).trim() });
  const aroundCommit = (commit: () => void) => {
    if (interrupt(client, 'commit', 'before')) return;
    commit();
    interrupt(client, 'commit', 'after');
  };
  const store = new MemoryLeaseStore(host.disk, { clock, conditions, aroundCommit });
  const gridState = new GridState(conditions, clock);
  const path = { client, clock, isOver: () => isOver, isDropped: host.isLostSince() };
  const session = new Session({
    transport: world.transport?.(client) ?? pathToGrid(world, path),
    hosts: new GridHosts(world.gridHosts ?? memberNames, clock, store),
    credentials: new Credentials({ username: 'admin', readPassword: () => 'infoblox', clock, random: port.random }),
    random: port.random,
    clock,
    port: 443,
    version: '2.3',
    userAgent: 'simulation',
    onOutcome: (trouble, request) => gridState.report(trouble, request),
    onSwitch: () => gridState.switched(),
  });
  const grid = new WapiGrid(session, new ExtensibleAttributes(cluster), store);
  const core = buildCore({
    grid,
    learnAttributes: (signal) => grid.learnAttributes(signal),
    gridState,
    store,
    clock,
    host: port,
    settings: {
      origin,
      networkView: config().view,
      doubtWindow: defaultDoubtWindow,
      reapAfterMs: world.reapAfterMs ?? 60_000,
      blockValidityMs: world.blockValidityMs ?? 600_000,
      cooldownMs: config().cooldownMs ?? 0,
      originalTenant: world.originalTenant ?? '',
    },
    conditions,
    trace: untraced,
    log: logOf((line) => isOver || world.log(`${client} ${line}`)),
  });
  const { leases, keeper } = core;
  const sets = () => {
    const {
      containers = '',
      prefixLength = 26,
      blockSize = 0,
      cooldownMs = 0,
      subnet,
      secondSubnet,
      range,
      exclude,
      ...rest
    } = config();
    const first = { name: network, keepFirst: false, containers, prefixLength, blockSize, cooldownMs, ...rest };
    const part = { rangeStart: range?.first, rangeEnd: range?.last, exclude };
    const place = subnet === undefined ? {} : { subnet, ...part };
    const second =
      secondSubnet === undefined
        ? []
        : [[{ ...first, subnet: secondSubnet, gateway: familyOf(secondSubnet) === 4 ? '0.0.0.1' : '::1' }]];
    return addressSets([[{ ...first, ...place }], ...second]);
  };
  const attachmentOf = (containerId: string) => ({ network, containerId, ifName: 'eth0' });
  const release = (containerId: string, at?: number) =>
    releaseAttachment(leases, { attachment: attachmentOf(containerId), view: config().view, at });
  const takeNotes = async (isWanted: (note: (typeof host.notes)[number]) => boolean) => {
    for (const note of host.notes.filter(isWanted)) {
      if (note.kind === 'DEL') await release(note.containerId, note.at);
      else await noteNotAnswered(leases, leases.names.markOf(attachmentOf(note.containerId)), note.callId);
      const index = host.notes.indexOf(note);
      if (index >= 0) host.notes.splice(index, 1);
    }
  };
  const takeNotesSoon = () =>
    void clock.after(notesIntervalMs, () => {
      // Retry if the state is not writable.
      takeNotes(() => true).catch(takeNotesSoon);
    });
  /** Never resolves after the run has ended. */
  const answered = <T>(work: Promise<T>) =>
    new Promise<T>((resolve, reject) => {
      work.then(
        (result) => isOver || resolve(result),
        (error) => isOver || reject(error),
      );
    });
  core.start();
  takeNotesSoon();
  return {
    lost,
    get hasServed() {
      return hasServed;
    },
    leases,
    keeper,
    conditions: () => conditions.all().map(({ kind, error }) => `${kind} ${error.message}`),
    takeNotes: takeNotesSoon,
    end() {
      isOver = true;
      end();
      onLost();
    },
    add: ({ containerId, netns, callId, requested }, gone) => {
      const give = async () => {
        await takeNotes((note) => note.kind === 'DEL' && note.containerId === containerId);
        const neededBy = clock.now() + addTimeoutMs;
        const workload = { containerId };
        const attachment = attachmentOf(containerId);
        const request = { attachment, sets: sets(), requested: [requested], netns, callId, neededBy, workload };
        const limits = { milliseconds: addTimeoutMs, signal: gone };
        const allocation = await withDeadline(clock, limits, (signal) => add(leases, request, signal));
        const { taken, undelivered } = allocation;
        hasServed = true;
        const given = taken.map(({ address, network: { cidr } }) => ({ address, network: cidr.text }));
        return { given, undelivered };
      };
      return answered(give());
    },
    del: (containerId) => answered(release(containerId).then(() => undefined)),
    check: (containerId, addresses) => {
      const request = { attachment: attachmentOf(containerId), view: config().view, addresses };
      return answered(checkLease(leases, request, deadline(clock, addTimeoutMs)));
    },
    gc: (ids) => {
      const valid = ids.map((containerId) => ({ containerId, ifName: 'eth0' }));
      const signals = { signal: deadline(clock, gcTimeoutMs), stopping: never };
      return answered(collectGarbage(leases, { network, view: config().view, valid }, signals).then(() => undefined));
    },
    release: (container, { evenIfAlive }) => {
      const request = { who: container, isWhole: true, evenIfAlive };
      return answered(
        releaseHandler(leases)
          .run(request, person)
          .then(({ result }) => result.leases.length),
      );
    },
    gcByHand: () => answered(gcByHandHandler(leases).run({ dryRun: false }, person)),
    gcOfHost: (node) => {
      const collect = async () => {
        const { result } = await hostReservationsHandler(leases, keeper).run({ host: node }, person);
        await releaseHostHandler(leases).run({ host: node, ...result }, person);
        await releaseHostBlocksHandler(leases, keeper).run({ host: node, isOff: true }, person);
      };
      return answered(collect());
    },
  };
}

function logOf(say: (line: string) => void): Log {
  const write =
    (level: string) =>
    (message: string, fields: Fields = {}) =>
      say(`${level} ${message} ${JSON.stringify(fields)}`);
  return { error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug') };
}
