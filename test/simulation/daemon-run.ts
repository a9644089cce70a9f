/** One run of the daemon in the simulation: the core of the product as it is, over a grid, a store, a clock and a host that are simulated. */
import { deadline } from '../../src/infoblox/concurrency/clock.ts';
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
import type { Fields, Log } from '../../src/infoblox/log.ts';
import { addressSets } from '../../src/infoblox/network/sets.ts';
import { untraced } from '../../src/infoblox/trace.ts';
import { ExtensibleAttributes } from '../../src/infoblox/wapi/attributes.ts';
import { GridHosts } from '../../src/infoblox/wapi/connection/hosts.ts';
import type { Transport } from '../../src/infoblox/wapi/connection/transport.ts';
import { Credentials } from '../../src/infoblox/wapi/credentials.ts';
import { Session } from '../../src/infoblox/wapi/session.ts';
import { WapiGrid } from '../../src/infoblox/wapi/wapi-grid.ts';
import type { Chance } from './chance.ts';
import { type GridMembers, type HttpRequest, memberNames } from './grid-members.ts';
import { MemoryLeaseStore } from './memory-store.ts';
import { type PathTroubles, pathToGrid } from './network-path.ts';
import type { SimHost } from './sim-host.ts';
import { processClock, type VirtualTime } from './virtual-time.ts';

export const network = 'net-1';
export const cluster = 'sim';
const view = 'default';

/** What all hosts share. */
export interface World {
  readonly time: VirtualTime;
  readonly members: GridMembers;
  readonly chance: Chance;
  /** Of all containers; 10.0.0.1 is its gateway. */
  readonly subnet: string;
  /** Of a second address of all containers, if they have one. */
  readonly secondSubnet?: string | undefined;
  /** The way to the grid; by default that of network-path.ts. @param client names a run of a daemon */
  readonly transport?: (client: string) => Transport;
  readonly troubles: () => PathTroubles;
  readonly onArrival: (request: HttpRequest, client: string) => void;
  readonly log: (line: string) => void;
  /** Addresses of the blocks of a host; 0 if absent. */
  readonly blockSizeOf?: (host: string) => number;
  /** 10.0.0.1 if absent. */
  readonly gateway?: () => string;
  /** 10 minutes if absent. */
  readonly blockValidityMs?: number;
}

export interface AddCall {
  readonly containerId: string;
  readonly netns: string;
  readonly callId: string;
  readonly requested?: string;
}

export interface Answered {
  readonly view: string;
  readonly address: string;
  /** By set. */
  readonly addresses: readonly string[];
  delivered(): void;
  undelivered(): void;
}

export interface DaemonRun {
  /** Resolves when it is killed: nobody gets an answer from it any more. */
  readonly lost: Promise<void>;
  add(call: AddCall, gone: AbortSignal): Promise<Answered>;
  del(containerId: string): Promise<void>;
  check(containerId: string, addresses: readonly string[]): Promise<void>;
  gc(valid: readonly string[]): Promise<void>;
  /** What only a test of blocks needs. */
  readonly leases: LeaseDeps;
  readonly keeper: BlockKeeper;
  /** What is wrong, one line each. */
  conditions(): string[];
  /** Notes have been left. */
  takeNotes(): void;
  end(): void;
}

/** Milliseconds until notes of plugins are taken. */
const notesIntervalMs = 2_000;
const addTimeoutMs = 20_000;
const gcTimeoutMs = 55_000;
const reapAfterMs = 60_000;

/** Starts the daemon of a host. @param client names the run */
export function startRun(world: World, host: SimHost, client: string): DaemonRun {
  const port = host.port(client);
  const { clock, end } = processClock(world.time, () => host.setBy);
  const conditions = new Conditions(clock);
  const store = new MemoryLeaseStore(host.disk, clock, conditions);
  const gridState = new GridState(conditions, clock);
  const session = new Session({
    transport: world.transport?.(client) ?? pathToGrid(world, { client, clock, isDropped: host.isLostSince() }),
    hosts: new GridHosts(memberNames, clock, store),
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
      origin: { cluster, node: host.name },
      networkView: view,
      doubtWindow: defaultDoubtWindow,
      reapAfterMs,
      blockValidityMs: world.blockValidityMs ?? 600_000,
      originalTenant: '',
      cooldownMs: 0,
    },
    conditions,
    trace: untraced,
    log: logOf(world, client),
  });
  const { leases } = core;
  const blockSize = world.blockSizeOf?.(host.name) ?? 0;
  const where = {
    subnet: world.subnet,
    containers: '',
    prefixLength: 26,
    gateway: world.gateway?.() ?? '10.0.0.1',
    blockSize,
  };
  const source = { name: network, view, ...where, keepFirst: false };
  const second = { ...source, subnet: world.secondSubnet, gateway: '0.0.0.1' };
  const sets = addressSets(world.secondSubnet === undefined ? [[source]] : [[source], [second]]);
  const attachmentOf = (containerId: string) => ({ network, containerId, ifName: 'eth0' });
  const release = (containerId: string, at?: number) =>
    releaseAttachment(leases, { attachment: attachmentOf(containerId), view, at });
  const takeNotes = async (wanted: (containerId: string) => boolean) => {
    for (const note of host.notes.filter(({ containerId }) => wanted(containerId))) {
      if (note.kind === 'DEL') await release(note.containerId, note.at);
      else await noteNotAnswered(leases, leases.names.markOf(attachmentOf(note.containerId)), note.callId);
      await store.durable();
      host.notes.splice(host.notes.indexOf(note), 1);
    }
  };
  const takeNotesSoon = () => void clock.after(notesIntervalMs, () => void takeNotes(() => true));
  const { promise: lost, resolve: onLost } = Promise.withResolvers<void>();
  core.start();
  takeNotesSoon();
  return {
    lost,
    takeNotes: takeNotesSoon,
    end() {
      end();
      onLost();
    },
    async add({ containerId, netns, callId, requested }, gone) {
      await takeNotes((id) => id === containerId);
      const request = {
        attachment: attachmentOf(containerId),
        sets,
        requested: [requested],
        netns,
        callId,
        workload: { containerId },
      };
      const signal = AbortSignal.any([gone, deadline(clock, addTimeoutMs)]);
      const { taken, delivered, undelivered } = await add(leases, request, signal);
      const addresses = taken.map((one) => one.address);
      return { address: addresses[0] ?? '', addresses, view, delivered, undelivered };
    },
    async del(containerId) {
      await release(containerId);
    },
    check: (containerId, addresses) => {
      const request = { attachment: attachmentOf(containerId), view, addresses };
      return checkLease(leases, request, deadline(clock, addTimeoutMs));
    },
    leases,
    keeper: core.keeper,
    conditions: () => conditions.all().map(({ kind, error }) => `${kind} ${error.message}`),
    async gc(ids) {
      const valid = ids.map((containerId) => ({ containerId, ifName: 'eth0' }));
      const signals = { signal: deadline(clock, gcTimeoutMs), stopping: new AbortController().signal };
      await collectGarbage(leases, { network, view, valid }, signals);
    },
  };
}

function logOf({ log }: World, client: string): Log {
  const write =
    (level: string) =>
    (message: string, fields: Fields = {}) =>
      log(`${client} ${level} ${message} ${JSON.stringify(fields)}`);
  return { error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug') };
}
