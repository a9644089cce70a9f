/**
 * A simulated site: a grid, hosts with their runtimes, and an administrator. Time advances event by event; the invariants are checked after
 * each.
 */
import {
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

/** Log messages of the core about impossible combinations. */
const cannotBe = /\b(shows an impossible combination|impossible end of a lease)\b/;
/** Log message of the core about a container whose address has another owner. */
const saidLost = /has lost the reservation of a live attachment and refuses to re-create it \{"attachment":"([^"]+)"/;
/** Log message of the core about an address assigned before the end of its cool-down. */
const saidRestless = /no free address except resting ones: .*"address":"([^"]+)"/;
/** A note that an administrator appends to the mark of a reservation. */
const note = ' (ask the DDI team)';
/** Comment of the reservations that a foreign client makes. */
const stranger = 'a person';
export const reserved = { match_client: 'RESERVED', mac: '00:00:00:00:00:00' };
/** Maximum milliseconds for which a daemon prepares a network, even without waiting callers. */
const prepareMs = 30_000;
/** Part of the network for first addresses, if the configuration names one. */
const range: Interval = { first: '10.0.0.8', last: '10.0.0.55' };
/** Network of the second address of all containers, if they have one. */
const secondSubnets = { 4: '10.0.1.0/26', 6: 'fd00:18:1::/64' };
export const originalTenant = 'original';

/** The initial situation of a site. */
export interface Setup {
  /** A configured network, or one from a network container for its name. */
  readonly place: 'subnet' | 'by name';
  readonly view: 'default' | 'blue';
  /** Whether an administrator has created the configured network; otherwise the first ADD does. The default view always has a network. */
  readonly isPrepared: boolean;
  /** Whether each host has an own address in the network, unknown to the grid. */
  readonly hasOwnAddresses: boolean;
  /** Whether containers from the original driver are still running. */
  readonly hasOriginals: boolean;
  /** Whether each container has a second address from another network. */
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
  /** Family of the second address; default: IPv4. */
  readonly secondFamily?: Family;
  /** Whether the configuration names a part of its subnet, which hosts may share in blocks. */
  readonly hasRange?: boolean;
  /** Which hosts take blocks of addresses. */
  readonly blocks?: 'none' | 'some' | 'all';
  /** Cool-down in milliseconds. */
  readonly cooldownMs?: number;
  /** Whether promoted masters may lack the latest writes. */
  readonly mayLoseWrites?: boolean;
  /** The point at which a run of a daemon is killed. */
  readonly interrupt?: (site: Site, ...at: Parameters<Interrupt>) => boolean;
}

/** Addresses from the original driver; the last one was altered. */
export const originals = ['original-0', 'original-1', 'original-2'] as const;

/** An address that a foreign client takes. */
interface Taking {
  readonly view: string;
  /** Or a function for the next one. */
  readonly address: string;
  readonly family: Family;
  /** Whether this driver had a reservation there a moment before. */
  readonly inPlace?: boolean;
}

/** A broken invariant, with the trace. */
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
  /** Containers whose reservations were altered, or moved with their view: left alone until their end. */
  readonly leftAlone = new Set<string>();
  troubles: PathTroubles;
  config: NetworkConfig;
  /** Block size of hosts with blocks. */
  blockSize = 8;
  /** Whether the grid allows a range over blocks, so that a host without blocks may be refused. */
  readonly rangesMayOverlap: boolean;
  /** Overrides of a host's configuration. */
  differs: (host: string) => Partial<NetworkConfig> = () => ({});
  events = 0;
  requests = 0;
  readonly #setup: Setup;
  readonly #world: World;
  readonly #arranged: { readonly when: (request: HttpRequest, client: string) => boolean; readonly what: Arranged }[] =
    [];
  /** Whether there was a write to the grid or an answer since the last check. */
  #isChanged = false;
  #renamed: { readonly from: string; readonly to: string } | undefined;
  #renameEndedAt = Number.NEGATIVE_INFINITY;
  #wasNetworkRemoved = false;

  constructor(options: SiteOptions = {}) {
    const { seed = 1, hosts = 1, setup = plainSetup, troubles = {}, lagMs = 1 } = options;
    const { blocks = 'none', cooldownMs = 0, reaps = true, mayLoseWrites = false } = options;
    const chance = chanceOf(seed);
    const hasBlocks = (host: string) => blocks === 'all' || (blocks === 'some' && chance(host, 'blocks') < 0.7);
    this.#setup = setup;
    this.troubles = troubles;
    this.rangesMayOverlap = options.quirks?.rangesMayOverlap === true;
    const secondSubnet = setup.hasTwoSets ? secondSubnets[options.secondFamily ?? 4] : undefined;
    this.config = { ...configOf(setup), secondSubnet, cooldownMs };
    if (options.hasRange) this.configure({ hasRange: true, blockSize: this.blockSize });
    this.members = new GridMembers(this.time, (contents) => fill(contents, setup, secondSubnet), lagMs, options.quirks);
    this.ledger = new Ledger(this.members, {
      now: () => this.time.now,
      mayMoveNetwork: mayLoseWrites,
    });
    this.#world = {
      time: this.time,
      members: this.members,
      chance,
      config: (host) => ({ ...this.config, ...this.differs(host), blockSize: hasBlocks(host) ? this.blockSize : 0 }),
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

  /** Adds a machine, without starting its daemon. */
  addHost(): SimHost {
    const index = this.hosts.length;
    const host = new SimHost(`host-${index}`, this.#world);
    if (this.#setup.hasOwnAddresses) host.ownAddresses.add(this.addressOf(index + 2));
    this.hosts.push(host);
    const sets = this.#setup.hasTwoSets ? 2 : 1;
    const { time, ledger } = this;
    const { cooldownMs = 0 } = this.config;
    const range = () => this.config.range;
    this.runtimes.push(new Runtime({ time, ledger, sets, cooldownMs, range }, host));
    return host;
  }

  host(index: number): SimHost {
    return at(this.hosts, index);
  }

  runtime(index: number): Runtime {
    return at(this.runtimes, index);
  }

  /** Changes the configuration of all hosts. @param hasRange whether it names a part of its subnet */
  configure({ hasRange, blockSize }: { readonly hasRange: boolean; readonly blockSize: number }): void {
    this.blockSize = blockSize;
    if (this.config.subnet !== undefined) this.config = { ...this.config, range: hasRange ? range : undefined };
  }

  /** Returns an address of the network by its host part. */
  addressOf(part: number): string {
    const cidr = parseCidr(this.#cidr);
    if (cidr === undefined) throw new Error(`no network: ${this.#cidr}`);
    return addressBeside(cidr.first, part);
  }

  /** Arranges a fault for the next matching request. */
  arrange(when: (request: HttpRequest, client: string) => boolean, what: Arranged): void {
    this.#arranged.push({ when, what });
  }

  say(line: string): void {
    this.trace.push(`${((this.time.now - epoch) / 1_000).toFixed(3)} ${line}`);
  }

  /** Advances time. @throws Broken */
  async pass(milliseconds: number): Promise<void> {
    const end = this.time.now + milliseconds;
    await this.time.settle();
    // Also check after earlier actions.
    this.#isChanged = true;
    while (await this.time.step(end)) {
      this.events += 1;
      if (this.#isChanged) this.hold();
    }
    this.time.goTo(end);
  }

  /** Checks the invariants. @throws Broken */
  hold(): void {
    this.#isChanged = false;
    const broken = [...this.ledger.broken(), ...this.#doubles()];
    if (broken.length > 0) throw new Broken(broken, this.trace);
  }

  /** Tells whether a host knows that containers use the view, so that it does not create a renamed view again (docs/reliability.md). */
  knowsView({ run }: SimHost): boolean {
    return this.#renamed === undefined || run?.hasServed === true;
  }

  /** Renames the configured view, unless a host may be about to use it for the first time. */
  renameView(to: string): boolean {
    const { view: from } = this.config;
    const isPreparing = this.runtimes.some(({ addedAt }, index) => {
      return this.hosts[index]?.run?.hasServed !== true && this.time.now - addedAt < prepareMs;
    });
    // A host that prepares the network again, as it was missing, may have looked already.
    const isSoon = this.time.now - this.#renameEndedAt < prepareMs;
    // Without the reservations that a person has deleted with the network, nothing shows a host that its view was renamed.
    if (from === 'default' || isPreparing || isSoon || this.#wasNetworkRemoved) return false;
    if (this.#renamed !== undefined || !this.#rename(from, to)) return false;
    this.#renamed = { from, to };
    for (const container of this.runtimes.flatMap(({ places }) => places)) this.leftAlone.add(container);
    return true;
  }

  /** Renames the view back, or, if `followed`, changes the configuration of all hosts. */
  endRename(end: 'undone' | 'followed'): void {
    if (this.#renamed === undefined) return;
    const { from, to } = this.#renamed;
    this.#renamed = undefined;
    this.#renameEndedAt = this.time.now;
    // A host may have created an unused view again: then that one counts.
    if (this.#viewNamed(from) !== undefined) return;
    if (end === 'undone') this.#rename(to, from);
    else {
      this.config = { ...this.config, view: to };
      // Owed creates belong to the old view: restart these containers.
      for (const container of this.ledger.live.keys()) this.ledger.namedLost(container);
      // An ADD with the old configuration could create the old view again.
      for (const host of this.hosts.filter(({ run }) => run !== undefined)) host.restart();
    }
  }

  /** Removes a reservation of a container, as an administrator. */
  removeByHand(container: string, address?: string): void {
    this.#editByHand(container, (ref) => this.members.byHand('DELETE', ref), address);
  }

  /** Appends a note to the mark of a reservation. */
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

  /**
   * Deletes the configured network with all that is in it, as an administrator who creates it again after some milliseconds, unless a host
   * does before.
   */
  removeNetwork(forMs: number): void {
    const cidr = parseCidr(this.#cidr);
    const network = this.members.contents.networks().find((one) => {
      return one.network === cidr?.text && one.network_view === this.config.view;
    });
    if (cidr === undefined || network === undefined) return;
    this.#wasNetworkRemoved = true;
    for (const block of this.blocks) if (isWithin(boundsOf(block).first, cidr)) this.members.removeBlockByHand(block);
    const told = [...this.ledger.live].flatMap(([container, one]) => (one.network === cidr.text ? container : []));
    const held = this.members.holders().filter(({ address }) => isWithin(address, cidr));
    for (const container of [...told, ...held.map(({ comment }) => this.ledger.containerOf(comment))]) {
      this.ledger.excuse(container);
    }
    this.members.byHand('DELETE', network._ref);
    this.ledger.forgetAbsent();
    const { network: subnet, network_view } = network;
    this.time.after(forMs, () => this.members.byHand('POST', 'network', { network: subnet, network_view }));
  }

  removeGateway(): void {
    const gateway = this.members.contents
      .fixedAddresses()
      .find(({ comment }) => comment?.startsWith('infoblox-cni gateway of'));
    if (gateway !== undefined) this.members.byHand('DELETE', gateway._ref);
  }

  /** Takes the next free address as a foreign client. */
  strangerTakes(): void {
    const { view } = this.config;
    this.#takeByHand({ view, address: `func:nextavailableip:${this.#cidr},${view}`, family: 4 });
  }

  /** Deletes a reservation of this driver and takes its address, as a foreign client. */
  strangerReplaces(index: number): void {
    const ours = this.members.holders().filter(({ comment }) => this.ledger.containerOf(comment) !== '');
    const one = ours[index % Math.max(ours.length, 1)];
    const object = this.members.reservations.find(({ comment }) => comment === one?.comment);
    if (one === undefined || object === undefined) return;
    this.ledger.excuse(this.ledger.containerOf(one.comment));
    this.members.byHand('DELETE', object.ref);
    this.#takeByHand({ ...one, family: familyOf(one.address), inPlace: true });
  }

  /** Releases the first address of the foreign client. */
  strangerLeaves(): void {
    const theirs = this.members.reservations.find(({ comment }) => comment === stranger);
    if (theirs === undefined) return;
    this.ledger.givenUp(theirs);
    this.members.byHand('DELETE', theirs.ref);
  }

  /** Lists the blocks on the grid. */
  get blocks(): WapiObject[] {
    return this.members.ranges.filter(({ comment }) => parseBlockMark(String(comment)) !== undefined);
  }

  /** One of them. */
  blockAt(index: number): WapiObject | undefined {
    const ranges = this.blocks;
    return ranges[index % Math.max(ranges.length, 1)];
  }

  /** Reserves an address inside a block as a foreign client. @param part offset from its first address */
  strangerTakesIn(block: WapiObject, part: number): void {
    const address = addressBeside(boundsOf(block).first, part);
    this.#takeByHand({ view: String(block.network_view), address, family: familyOf(address) });
  }

  #takeByHand({ view, address, family, inPlace = false }: Taking): void {
    const fields = { network_view: view, comment: stranger };
    const { status, body } =
      family === 4
        ? this.members.byHand('POST', 'fixedaddress', { ...reserved, ...fields, ipv4addr: address })
        : this.members.byHand('POST', 'ipv6fixedaddress', { ...fields, ipv6addr: address, duid: '00:01:02:03' });
    const made = this.members.reservations.find(({ ref }) => status === 201 && ref === JSON.parse(body));
    if (made !== undefined) this.ledger.appeared(made, { inPlace });
  }

  /** Ends a container of the original driver, with a DEL for this driver. */
  stopOriginal(number: number): void {
    const container = originals[number % originals.length] ?? '';
    const object = this.#original(container);
    if (object === undefined) return;
    this.say(`-- DEL of ${container}`);
    if (object.comment === undefined) this.ledger.givenUp({ address: object.ipv4addr, comment: '' });
    this.runtime(number).stopOriginal(container, () => {});
  }

  /** Tells whether the grid still has the original driver's address of a container. */
  hasOriginal(number: number): boolean {
    return this.#original(originals[number % originals.length] ?? '') !== undefined;
  }

  /** Checks that no block with leases was deleted. */
  #noteDelete(url: string, client: string): void {
    const range = this.members.ranges.find(({ _ref }) => decodeURIComponent(url).includes(_ref));
    const run = this.hosts.find(({ machine }) => client.startsWith(`${machine}.`))?.run;
    if (range === undefined || run === undefined) return;
    const { store } = run.leases;
    const view = store.blocks().find(({ mark }) => mark === range.comment)?.view;
    const inside = store.where((lease) => {
      return lease.address !== null && isWithin(lease.address, boundsOf(range)) && lease.view === (view ?? lease.view);
    });
    for (const { mark, address } of inside) {
      this.ledger.saidImpossible(`the block of ${address} was deleted while ${mark} has it`);
    }
  }

  /** Finds leases of one host that are bound to the same address. */
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

  /** Returns the network of the containers' addresses. */
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

/** Adds the initial objects to a new grid. */
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
