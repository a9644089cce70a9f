/**
 * A site of the simulation: a grid, some hosts with their runtimes, and an administrator. Time passes event by event, and the
 * invariants are held after each.
 */
import {
  addressAt,
  addressBeside,
  type Family,
  familyOf,
  type Interval,
  isWithin,
  parseCidr,
} from '../../src/infoblox/address.ts';
import { parseBlockMark } from '../../src/infoblox/mark.ts';
import type { GridContents, WapiObject } from '../simulator/grid-contents.ts';
import type { Quirks } from '../simulator/store/database.ts';
import { chanceOf } from './chance.ts';
import { type NetworkConfig, network, type World } from './daemon-run.ts';
import { boundsOf, GridMembers, type HttpRequest } from './grid-members.ts';
import { Ledger } from './ledger.ts';
import type { Arranged, Interrupt, PathTroubles } from './network-path.ts';
import { Runtime } from './runtime.ts';
import { SimHost } from './sim-host.ts';
import { epoch, VirtualTime } from './virtual-time.ts';

/** What the core says when it meets what its tables call impossible. */
const cannotBe = /\b(shows what cannot be|was to end where it cannot)\b/;
/** What the core says of a container whose address somebody else has. */
const saidLost = /has lost the reservation of a live attachment and does not take it again \{"attachment":"([^"]+)"/;
/** What it says of an address that it gives before it has rested. */
const saidRestless = /no free address but those that rest: .*"address":"([^"]+)"/;
/** Addresses of the blocks of hosts that have some. */
const blockSize = 8;
/** What an administrator writes behind the mark of a reservation. */
const note = ' (ask the DDI team)';
const reserved = { match_client: 'RESERVED', mac: '00:00:00:00:00:00' };
/** Milliseconds for which a daemon prepares a network at most, whoever still waits for it. */
const prepareMs = 30_000;
/** Of which containers have their first address, where the configuration names a part of the network. */
const range: Interval = { first: '10.0.0.8', last: '10.0.0.55' };
/** Of the second address of all containers, where they have one. */
const secondSubnets = { 4: '10.0.1.0/26', 6: 'fd00:18:1::/64' };
export const originalTenant = 'original';

/** What was there before anybody came. */
export interface Setup {
  /** A configured network, or one from a network container for its name. */
  readonly place: 'subnet' | 'by name';
  readonly view: 'default' | 'blue';
  /** An administrator has made what the configuration names; else the first ADD does. There is always a network in the default view. */
  readonly isPrepared: boolean;
  /** Each host has an address in the network itself, of which the grid knows nothing. */
  readonly hasOwnAddresses: boolean;
  /** Containers still run that were started under the original driver. */
  readonly hasOriginals: boolean;
  /** Each container has a second address, of another network. */
  readonly hasTwoSets: boolean;
}

export const plainSetup: Setup = {
  place: 'subnet',
  view: 'default',
  isPrepared: true,
  hasOwnAddresses: false,
  hasOriginals: false,
  hasTwoSets: false,
};

export interface SiteOptions {
  readonly seed?: number;
  readonly hosts?: number;
  readonly setup?: Setup;
  readonly troubles?: PathTroubles;
  /** Milliseconds until the candidate has what the master has. */
  readonly lagMs?: number;
  readonly quirks?: Partial<Quirks>;
  /** Whether daemons look for dead containers. */
  readonly reaps?: boolean;
  /** Of the second address of all containers, where they have one; IPv4 if absent. */
  readonly secondFamily?: Family;
  /** The configuration names a part of its subnet, which hosts may share in blocks. */
  readonly hasRange?: boolean;
  /** Which hosts take blocks of addresses. */
  readonly blocks?: 'none' | 'some' | 'all';
  /** Milliseconds that released addresses rest. */
  readonly cooldownMs?: number;
  /** Masters may be promoted that lack what was confirmed last. */
  readonly mayLoseWrites?: boolean;
  /** Where the run of a daemon ends. */
  readonly interrupt?: (site: Site, ...at: Parameters<Interrupt>) => boolean;
}

/** Where the originals of a site have their addresses; the last one was altered by somebody. */
export const originals = ['original-0', 'original-1', 'original-2'] as const;

/** An invariant is broken; with what led to it. */
export class Broken extends Error {
  readonly trace: readonly string[];

  constructor(what: readonly string[], trace: readonly string[]) {
    super(what.join('\n'));
    this.trace = trace;
  }
}

export class Site {
  readonly time = new VirtualTime();
  readonly members: GridMembers;
  readonly ledger: Ledger;
  readonly hosts: SimHost[] = [];
  readonly runtimes: Runtime[] = [];
  readonly trace: string[] = [];
  /** Containers whose reservations somebody has altered, or moved with their view: they are left alone until their end. */
  readonly leftAlone = new Set<string>();
  troubles: PathTroubles;
  config: NetworkConfig;
  /** What the configuration of a host says otherwise. */
  differs: (host: string) => Partial<NetworkConfig> = () => ({});
  events = 0;
  requests = 0;
  readonly #setup: Setup;
  readonly #world: World;
  readonly #arranged: { readonly when: (request: HttpRequest, client: string) => boolean; readonly what: Arranged }[] =
    [];
  /** Something was written to the grid or answered since the invariants were looked at. */
  #isChanged = false;
  #renamed: { readonly from: string; readonly to: string } | undefined;

  constructor(options: SiteOptions = {}) {
    const { seed = 1, hosts = 1, setup = plainSetup, troubles = {}, lagMs = 1 } = options;
    const { blocks = 'none', cooldownMs = 0, reaps = true, mayLoseWrites = false } = options;
    const chance = chanceOf(seed);
    const hasBlocks = (host: string) => blocks === 'all' || (blocks === 'some' && chance(host, 'blocks') < 0.7);
    this.#setup = setup;
    this.troubles = troubles;
    const secondSubnet = setup.hasTwoSets ? secondSubnets[options.secondFamily ?? 4] : undefined;
    this.config = { ...configOf(setup), secondSubnet, cooldownMs };
    if (options.hasRange && this.config.subnet !== undefined) this.config = { ...this.config, range };
    this.members = new GridMembers(this.time, (contents) => fill(contents, setup, secondSubnet), lagMs, options.quirks);
    this.ledger = new Ledger(this.members, {
      now: () => this.time.now,
      mayMoveNetwork: mayLoseWrites,
      range: this.config.range,
    });
    this.#world = {
      time: this.time,
      members: this.members,
      chance,
      config: (host) => ({ ...this.config, ...this.differs(host), blockSize: hasBlocks(host) ? blockSize : 0 }),
      ...(!reaps && { reapAfterMs: 0 }),
      originalTenant: setup.hasOriginals ? originalTenant : '',
      troubles: () => this.troubles,
      arranged: (request, client) => this.#takeArranged(request, client),
      interrupt: (...at) => options.interrupt?.(this, ...at) === true,
      onArrival: ({ method, url, body }, client) => {
        this.requests += 1;
        // DUIDs are random, and nothing follows from them.
        this.say(`${client} ${method} ${shown(url)} ${body.replace(/"duid":"[^"]*"/, '"duid":"..."')}`);
        if (method !== 'GET') this.#isChanged = true;
        if (method === 'DELETE') this.#noteDelete(url, client);
      },
      log: (line) => {
        this.say(line);
        if (cannotBe.test(line)) this.ledger.saidImpossible(line);
        const [, lost] = saidLost.exec(line) ?? [];
        if (lost !== undefined) this.ledger.namedLost(this.ledger.containerOf(lost));
        const [, restless] = saidRestless.exec(line) ?? [];
        if (restless !== undefined) this.ledger.endsRest(restless);
      },
    };
    for (let index = 0; index < hosts; index += 1) this.addHost();
  }

  /** A further machine, whose daemon is not started yet. */
  addHost(): SimHost {
    const index = this.hosts.length;
    const host = new SimHost(`host-${index}`, this.#world);
    if (this.#setup.hasOwnAddresses) host.ownAddresses.add(this.addressOf(index + 2));
    this.hosts.push(host);
    const sets = this.#setup.hasTwoSets ? 2 : 1;
    const { time, ledger } = this;
    const { cooldownMs = 0 } = this.config;
    this.runtimes.push(new Runtime({ time, ledger, sets, cooldownMs }, host));
    return host;
  }

  host(index: number): SimHost {
    return at(this.hosts, index);
  }

  runtime(index: number): Runtime {
    return at(this.runtimes, index);
  }

  /** An address of the network, by its host part. */
  addressOf(part: number): string {
    const cidr = parseCidr(this.#cidr);
    if (cidr === undefined) throw new Error(`no network: ${this.#cidr}`);
    return addressAt(cidr, part);
  }

  /** What the next request meets that matches. */
  arrange(when: (request: HttpRequest, client: string) => boolean, what: Arranged): void {
    this.#arranged.push({ when, what });
  }

  say(line: string): void {
    this.trace.push(`${((this.time.now - epoch) / 1_000).toFixed(3)} ${line}`);
  }

  /** Lets time pass. @throws Broken */
  async pass(milliseconds: number): Promise<void> {
    const end = this.time.now + milliseconds;
    await this.time.settle();
    // What has happened before may have changed something, too.
    this.#isChanged = true;
    while (await this.time.step(end)) {
      this.events += 1;
      if (this.#isChanged) this.hold();
    }
    this.time.goTo(end);
  }

  /** The invariants hold. @throws Broken */
  hold(): void {
    this.#isChanged = false;
    const broken = [...this.ledger.broken(), ...this.#doubles()];
    if (broken.length > 0) throw new Broken(broken, this.trace);
  }

  /** Whether a host knows that containers use the view, so that it does not make it again where it was renamed (docs/reliability.md). */
  knowsView({ run }: SimHost): boolean {
    return this.#renamed === undefined || run?.hasServed === true;
  }

  /** The view of the configuration gets another name; not while a host may be about to use it for the first time. */
  renameView(to: string): boolean {
    const { view: from } = this.config;
    const isPreparing = this.runtimes.some(({ addedAt }, index) => {
      return this.hosts[index]?.run?.hasServed !== true && this.time.now - addedAt < prepareMs;
    });
    if (from === 'default' || isPreparing || this.#renamed !== undefined || !this.#rename(from, to)) return false;
    this.#renamed = { from, to };
    for (const container of this.runtimes.flatMap(({ places }) => places)) this.leftAlone.add(container);
    return true;
  }

  /** The view gets its name back, or, if it is `followed`, the configuration of all hosts says the new one. */
  endRename(end: 'undone' | 'followed'): void {
    if (this.#renamed === undefined) return;
    const { from, to } = this.#renamed;
    this.#renamed = undefined;
    // A host may have made the view again that nobody lived in: then that one is meant.
    if (this.#viewNamed(from) !== undefined) return;
    if (end === 'undone') this.#rename(to, from);
    else {
      this.config = { ...this.config, view: to };
      // What a host owes it owes in the old view: these containers are started again.
      for (const container of this.ledger.live.keys()) this.ledger.namedLost(container);
      // An ADD with the old configuration could make the old view again.
      for (const host of this.hosts.filter(({ run }) => run !== undefined)) host.restart();
    }
  }

  /** Somebody removes the reservation of a container, or one of several. */
  removeByHand(container: string, address?: string): void {
    this.#editByHand(container, (ref) => this.members.byHand('DELETE', ref), address);
  }

  /** Somebody writes something behind the mark. */
  alterByHand(container: string): void {
    this.#editByHand(container, (ref, comment) => {
      this.leftAlone.add(container);
      this.members.byHand('PUT', ref, { comment: `${comment}${note}` });
    });
  }

  restoreAltered(): void {
    for (const { ref, comment } of this.members.reservations) {
      if (comment.endsWith(note)) this.members.byHand('PUT', ref, { comment: comment.slice(0, -note.length) });
    }
  }

  removeGateway(): void {
    const gateway = this.members.contents
      .fixedAddresses()
      .find(({ comment }) => comment?.startsWith('infoblox-cni gateway of'));
    if (gateway !== undefined) this.members.byHand('DELETE', gateway._ref);
  }

  /** Somebody else takes the next free address. */
  strangerTakes(): void {
    const ipv4addr = `func:nextavailableip:${this.#cidr},${this.config.view}`;
    const fields = { ...reserved, ipv4addr, network_view: this.config.view };
    this.members.byHand('POST', 'fixedaddress', { ...fields, comment: 'a person' });
  }

  /** Somebody else gives the first one back. */
  strangerLeaves(): void {
    const theirs = this.members.contents.fixedAddresses().find(({ comment }) => comment === 'a person');
    if (theirs !== undefined) this.members.byHand('DELETE', theirs._ref);
  }

  /** The blocks that the grid has. */
  get blocks(): WapiObject[] {
    return this.members.ranges.filter(({ comment }) => parseBlockMark(String(comment)) !== undefined);
  }

  /** One of them. */
  blockAt(index: number): WapiObject | undefined {
    const ranges = this.blocks;
    return ranges[index % Math.max(ranges.length, 1)];
  }

  /** Somebody reserves an address inside a block. @param part how far it is above the first */
  strangerTakesIn(block: WapiObject, part: number): void {
    const address = addressBeside(boundsOf(block).first, part);
    const fields = { network_view: block.network_view, comment: 'a person' };
    if (familyOf(address) === 4) {
      this.members.byHand('POST', 'fixedaddress', { ...reserved, ...fields, ipv4addr: address });
    } else this.members.byHand('POST', 'ipv6fixedaddress', { ...fields, ipv6addr: address, duid: '00:01:02:03' });
  }

  /** A container of the original driver ends; its DEL comes to this one. */
  stopOriginal(number: number): void {
    const container = originals[number % originals.length] ?? '';
    const object = this.#original(container);
    if (object === undefined) return;
    this.say(`-- DEL of ${container}`);
    if (object.comment === undefined) this.ledger.givenUp({ view: object.network_view, address: object.ipv4addr });
    this.runtime(number).stopOriginal(container, () => {});
  }

  /** Whether the grid still has what the original driver has made for a container. */
  hasOriginal(number: number): boolean {
    return this.#original(originals[number % originals.length] ?? '') !== undefined;
  }

  /** A block must not go in which its host has leases. */
  #noteDelete(url: string, client: string): void {
    const range = this.members.ranges.find(({ _ref }) => decodeURIComponent(url).includes(_ref));
    const run = this.hosts.find(({ machine }) => client.startsWith(`${machine}.`))?.run;
    if (range === undefined || run === undefined) return;
    const inside = run.leases.store.where(({ address }) => address !== null && isWithin(address, boundsOf(range)));
    for (const { mark, address } of inside) {
      this.ledger.saidImpossible(`the block of ${address} was deleted while ${mark} has it`);
    }
  }

  /** Leases of one host that are bound to one address. */
  #doubles(): string[] {
    return this.hosts.flatMap(({ run }) => {
      const bound = run?.leases.store.where(({ phase }) => phase === 'bound') ?? [];
      const byPlace = Map.groupBy(bound, ({ view, address }) => `${address} (${view})`);
      return [...byPlace].flatMap(([place, leases]) =>
        leases.length > 1 ? [`${place} has ${leases.length} leases`] : [],
      );
    });
  }

  #original(container: string) {
    const isIts = ({ extattrs }: { readonly extattrs: Readonly<Record<string, { readonly value: unknown }>> }) =>
      extattrs['VM ID']?.value === container && extattrs['Tenant ID']?.value === originalTenant;
    return this.members.contents.fixedAddresses().find(isIts);
  }

  #editByHand(container: string, edit: (ref: string, comment: string) => void, wanted?: string): void {
    if (!this.ledger.live.has(container)) return;
    const object = this.members.reservations.find(({ comment, address }) => {
      return this.ledger.containerOf(comment) === container && (wanted ?? address) === address;
    });
    if (object === undefined) return;
    this.ledger.excuse(container);
    edit(object.ref, object.comment);
  }

  #rename(from: string, to: string): boolean {
    const view = this.#viewNamed(from);
    return view !== undefined && this.members.byHand('PUT', view._ref, { name: to }).status === 200;
  }

  #viewNamed(wanted: string) {
    return this.members.contents.objects('networkview').find(({ name }) => name === wanted);
  }

  /** Where containers have their addresses, or will have. */
  get #cidr(): string {
    const [told] = this.ledger.live.values();
    return told?.network ?? this.config.subnet ?? (this.config.view === 'default' ? '10.0.0.64/26' : '10.0.0.0/26');
  }

  #takeArranged(request: HttpRequest, client: string): Arranged | undefined {
    const index = this.#arranged.findIndex(({ when }) => when(request, client));
    return index < 0 ? undefined : this.#arranged.splice(index, 1)[0]?.what;
  }
}

function configOf({ place, view }: Setup): NetworkConfig {
  const gateway = '0.0.0.1';
  return place === 'subnet'
    ? { view, gateway, subnet: '10.0.0.0/26' }
    : { view, gateway, containers: '10.0.0.0/24', prefixLength: 26 };
}

/** Puts into a new grid what is there before anybody comes. */
function fill(contents: GridContents, setup: Setup, secondSubnet: string | undefined): void {
  const { place, view, isPrepared, hasOriginals } = setup;
  const subnet = '10.0.0.0/26';
  const container = { network: '10.0.0.0/24', network_view: view };
  if (isPrepared && view !== 'default') contents.add('networkview', { name: view });
  if (isPrepared && place === 'by name') contents.add('networkcontainer', container);
  const named = hasOriginals ? { extattrs: { 'Network Name': { value: network } } } : {};
  contents.add('network', { network: subnet, ...named });
  if (isPrepared && place === 'subnet' && view !== 'default') {
    contents.add('network', { network: subnet, network_view: view });
  }
  if (isPrepared && secondSubnet !== undefined) {
    const type = familyOf(secondSubnet) === 4 ? 'network' : 'ipv6network';
    contents.add(type, { network: secondSubnet, network_view: view });
  }
  contents.add('fixedaddress', { ...reserved, ipv4addr: '10.0.0.5', comment: 'theirs: printer' });
  const comment = `infoblox-cni cluster=other node=host-0 network=${network} container=c1 interface=eth0`;
  contents.add('fixedaddress', { ...reserved, ipv4addr: '10.0.0.7', name: 'theirs', comment });
  if (!hasOriginals) return;
  for (const [index, id] of originals.entries()) {
    const values = { 'Cloud API Owned': 'True', 'CMP Type': 'Kubernetes', 'Tenant ID': originalTenant, 'VM ID': id };
    const extattrs = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value }]));
    const altered = index === originals.length - 1 ? { comment: 'do not touch' } : {};
    contents.add('fixedaddress', { ...reserved, ...altered, ipv4addr: `10.0.0.${10 + index}`, extattrs });
  }
}

function shown(url: string): string {
  const { hostname, pathname, search } = new URL(url);
  return `${hostname} ${decodeURIComponent(pathname).replace('/wapi/v2.3/', '')} ${decodeURIComponent(search).replace(/&_return.*/, '')}`;
}

function at<T>(list: readonly T[], index: number): T {
  const item = list[index % list.length];
  if (item === undefined) throw new Error('nothing to choose from');
  return item;
}
