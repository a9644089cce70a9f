/**
 * One run: a plan is carried out in virtual time, the invariants hold after each event; then all troubles end, and everything has to
 * come to rest: what lives is reserved, and nothing else is.
 */
import { addressAt, isWithin, parseCidr } from '../../src/infoblox/address.ts';
import type { WapiObject } from '../simulator/grid-contents.ts';
import { chanceOf } from './chance.ts';
import type { World } from './daemon-run.ts';
import { network } from './daemon-run.ts';
import { GridMembers } from './grid-members.ts';
import { Ledger } from './ledger.ts';
import type { PathTroubles } from './network-path.ts';
import type { Happening, HappeningKind, Plan } from './plan.ts';
import { Runtime } from './runtime.ts';
import { SimHost } from './sim-host.ts';
import { VirtualTime } from './virtual-time.ts';

/** What the core says when it meets what its tables call impossible. */
const cannotBe = /\b(shows what cannot be|was to end where it cannot)\b/;
/** What the core says of a container whose address somebody else has. */
const saidLost = /has lost the reservation of a live attachment and does not take it again \{"attachment":"([^"]+)"/;
/** Of all containers. */
const subnet = '10.0.0.0/26';
/** Of the second address of all containers, where they have one. */
const secondSubnet = '10.0.1.0/26';
/** Virtual milliseconds for everything to come to rest once nothing troubles it. */
const restMs = 3_600_000;

/** A reservation that comes back after its release, or whose release is forgotten with the state or with the notes of plugins. */
const onlyCollected: readonly HappeningKind[] = ['fail over', 'state lost', 'altered by hand', 'reboot'];
/** What an administrator writes behind the mark of a reservation. */
const note = ' (ask the DDI team)';

export interface Outcome {
  readonly events: number;
  readonly requests: number;
  /** What happened, in order; the same for the same plan. */
  readonly trace: readonly string[];
}

/** A run that broke an invariant, with what led to it. */
export class Broken extends Error {
  readonly trace: readonly string[];

  constructor(what: readonly string[], trace: readonly string[]) {
    super(what.join('\n'));
    this.trace = trace;
  }
}

/** Carries a plan out. @throws Broken */
export async function simulate(plan: Plan): Promise<Outcome> {
  const simulation = new Simulation(plan);
  return simulation.run();
}

class Simulation {
  readonly #plan: Plan;
  readonly #time = new VirtualTime();
  readonly #members: GridMembers;
  readonly #ledger: Ledger;
  readonly #hosts: SimHost[];
  readonly #runtimes: Runtime[];
  readonly #trace: string[] = [];
  #troubles: PathTroubles;
  /** Marks of reservations that somebody has altered. */
  readonly #altered = new Set<string>();
  #events = 0;
  #requests = 0;
  /** Something was written to the grid or answered since the invariants were looked at. */
  #isChanged = false;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#troubles = plan.troubles;
    this.#members = new GridMembers(
      this.#time,
      (contents) => {
        contents.add('network', { network: subnet });
        if (plan.sets === 2) contents.add('network', { network: secondSubnet });
        const reservation = { match_client: 'RESERVED', mac: '00:00:00:00:00:00' };
        contents.add('fixedaddress', { ...reservation, ipv4addr: '10.0.0.5', comment: 'theirs: printer' });
        contents.add('fixedaddress', {
          ...reservation,
          ipv4addr: '10.0.0.7',
          name: 'theirs',
          comment: `infoblox-cni cluster=other node=host-0 network=${network} container=c1 interface=eth0`,
        });
      },
      plan.lagMs,
      plan.quirks,
    );
    this.#ledger = new Ledger(this.#members);
    const chance = chanceOf(plan.seed);
    const world: World = {
      time: this.#time,
      members: this.#members,
      subnet,
      secondSubnet: plan.sets === 2 ? secondSubnet : undefined,
      chance,
      blockSizeOf: (host) => (chance('blocks') < 0.7 && chance(host, 'blocks') < 0.7 ? 8 : 0),
      troubles: () => this.#troubles,
      onArrival: ({ method, url, body }, client) => {
        this.#requests += 1;
        this.#say(`${client} ${method} ${shown(url)} ${body}`);
        if (method !== 'GET') this.#isChanged = true;
        if (method === 'DELETE') this.#ledger.deletes(this.#blockGivenBack(url, client));
      },
      log: (line) => {
        this.#say(line);
        if (cannotBe.test(line)) this.#ledger.saidImpossible(line);
        const [, lost] = saidLost.exec(line) ?? [];
        if (lost !== undefined) this.#ledger.namedLost(lost);
      },
    };
    this.#hosts = Array.from({ length: plan.hosts }, (_, index) => new SimHost(`host-${index}`, world));
    const ledger = this.#ledger;
    this.#runtimes = this.#hosts.map((host) => new Runtime({ time: this.#time, ledger, sets: plan.sets }, host));
  }

  async run(): Promise<Outcome> {
    for (const host of this.#hosts) host.start();
    for (const { afterMs, happening } of this.#plan.steps) {
      await this.#pass(afterMs);
      this.#say(describe(happening));
      this.#happen(happening);
      this.#isChanged = true;
    }
    await this.#rest();
    return { events: this.#events, requests: this.#requests, trace: this.#trace };
  }

  #happen(happening: Happening): void {
    switch (happening.kind) {
      case 'start':
        this.#runtime(happening).start(happening.slot, happening);
        break;
      case 'add again':
        this.#runtime(happening).addAgain(happening.slot);
        break;
      case 'check':
        this.#runtime(happening).check(happening.slot);
        break;
      case 'stop':
        this.#runtime(happening).stop(happening.slot);
        break;
      case 'die':
        this.#runtime(happening).die(happening.slot);
        break;
      case 'collect':
        this.#runtime(happening).collect();
        break;
      case 'kill': {
        const host = this.#host(happening);
        host.kill();
        this.#time.after(happening.downMs, () => host.start());
        break;
      }
      case 'restart': {
        const host = this.#host(happening);
        host.kill();
        host.start();
        break;
      }
      case 'reboot': {
        const host = this.#host(happening);
        host.reboot();
        this.#runtime(happening).lostAll();
        this.#time.after(15_000, () => host.start());
        break;
      }
      case 'state lost': {
        // Who it was that accepts writes is lost, too, and the first host of --grid-host is believed (docs/reliability.md).
        if (!this.#members.isFirstMaster) return;
        const host = this.#host(happening);
        // What was owed is lost with it (docs/reliability.md).
        for (const mark of this.#runtime(happening).marks) this.#ledger.namedLost(mark);
        host.loseState();
        host.start();
        break;
      }
      case 'set clock':
        this.#host(happening).setClock(happening.byMs);
        break;
      case 'grid away':
        this.#members.setUp(false);
        this.#time.after(happening.forMs, () => this.#members.setUp(true));
        break;
      case 'read-only':
        this.#members.setReadOnly(true);
        this.#time.after(happening.forMs, () => this.#members.setReadOnly(false));
        break;
      case 'fail over':
        for (const mark of this.#members.failOver()) this.#ledger.excuse(mark);
        this.#time.after(happening.backMs, () => this.#members.rejoin());
        break;
      case 'removed by hand':
        this.#byHand(happening, (ref, mark) => {
          this.#ledger.excuse(mark);
          this.#members.byHand('DELETE', ref);
        });
        break;
      case 'altered by hand':
        this.#byHand(happening, (ref, mark) => {
          this.#ledger.excuse(mark);
          this.#altered.add(mark);
          this.#members.byHand('PUT', ref, { comment: `${mark}${note}` });
          this.#time.after(30_000, () => this.#restoreAltered());
        });
        break;
      case 'stranger takes': {
        const fields = {
          ipv4addr: `func:nextavailableip:${subnet}`,
          match_client: 'RESERVED',
          mac: '00:00:00:00:00:00',
        };
        this.#members.byHand('POST', 'fixedaddress', { ...fields, comment: 'a person' });
        break;
      }
      case 'taken in a block': {
        const range = this.#blockOf(happening);
        const first = parseCidr(`${range?.start_addr}/32`);
        const ipv4addr = first && addressAt(first, happening.part);
        const fields = { ipv4addr, match_client: 'RESERVED', mac: '00:00:00:00:00:00', comment: 'a person' };
        if (range !== undefined) this.#members.byHand('POST', 'fixedaddress', fields);
        break;
      }
      case 'block removed by hand': {
        const range = this.#blockOf(happening);
        if (range !== undefined) this.#members.removeBlockByHand(range);
        break;
      }
      case 'stranger leaves': {
        const all = this.#members.contents.fixedAddresses();
        const theirs = all.find(({ comment }) => comment === 'a person');
        if (theirs !== undefined) this.#members.byHand('DELETE', theirs._ref);
        break;
      }
    }
  }

  /** The leases of a host in the block that it deletes. */
  #blockGivenBack(url: string, client: string): readonly string[] {
    const range = this.#members.contents.objects('range').find(({ _ref }) => decodeURIComponent(url).includes(_ref));
    const run = this.#hosts.find(({ name }) => client.startsWith(`${name}.`))?.run;
    if (range === undefined || run === undefined) return [];
    const interval = { first: String(range.start_addr), last: String(range.end_addr) };
    const inside = run.leases.store.where(({ address }) => address !== null && isWithin(address, interval));
    return inside.map(({ mark, address }) => `the block of ${address} was deleted while ${mark} has it`);
  }

  /** Leases of one host that are bound to one address. */
  #doubles(): string[] {
    return this.#hosts.flatMap(({ run }) => {
      const bound = run?.leases.store.where(({ phase }) => phase === 'bound') ?? [];
      const byPlace = Map.groupBy(bound, ({ view, address }) => `${address} (${view})`);
      return [...byPlace].flatMap(([place, leases]) =>
        leases.length > 1 ? [`${place} has ${leases.length} leases`] : [],
      );
    });
  }

  #blockOf({ index }: { readonly index: number }): WapiObject | undefined {
    const ranges = this.#members.contents.objects('range');
    return ranges[index % Math.max(ranges.length, 1)];
  }

  /** Does something to the reservation of a container. */
  #byHand(
    { host, slot }: { readonly host: number; readonly slot: number },
    act: (ref: string, mark: string) => void,
  ): void {
    const marks = this.#runtimes[host]?.marks ?? [];
    const mark = marks[slot % Math.max(marks.length, 1)];
    if (mark === undefined || !this.#ledger.live.has(mark)) return;
    const object = this.#members.contents.fixedAddresses().find(({ comment }) => comment === mark);
    if (object !== undefined) act(object._ref, mark);
  }

  #restoreAltered(): void {
    for (const { _ref: ref, comment = '' } of this.#members.contents.fixedAddresses()) {
      if (comment.endsWith(note)) this.#members.byHand('PUT', ref, { comment: comment.slice(0, -note.length) });
    }
  }

  async #pass(milliseconds: number): Promise<void> {
    const end = this.#time.now + milliseconds;
    while (await this.#time.step(end)) {
      this.#events += 1;
      if (this.#isChanged) this.#hold();
    }
    this.#time.goTo(end);
  }

  /** The invariants hold. */
  #hold(): void {
    this.#isChanged = false;
    const broken = [...this.#ledger.broken(), ...this.#doubles()];
    if (broken.length > 0) throw new Broken(broken, this.#trace);
  }

  /** No more troubles: everything has to come to rest. */
  async #rest(): Promise<void> {
    this.#say('troubles end');
    this.#troubles = {};
    // What a plan has begun ends by itself: outages, late writes, members that are lost.
    await this.#pass(180_000);
    this.#restoreAltered();
    for (const host of this.#hosts) host.start();
    for (let round = 0; round < 3; round += 1) {
      const excused = this.#ledger.excused;
      for (const runtime of this.#runtimes) runtime.stopAll(excused);
      await this.#pass(restMs / 6);
      if (round === 2 && !this.#needsCollection) this.#settled('though no runtime has collected garbage');
      if (this.#needsCollection) for (const runtime of this.#runtimes) runtime.collect();
      await this.#pass(restMs / 6);
    }
    this.#settled('after a while');
    for (const runtime of this.#runtimes) runtime.stopAll();
    await this.#pass(restMs / 4);
    this.#settled('after all containers have ended');
    await this.#giveBlocksBack();
  }

  /** A person has all hosts give their blocks back. What a state that is lost has taken, or a promoted master shows again, waits for a reboot. */
  async #giveBlocksBack(): Promise<void> {
    for (const { run } of this.#hosts) {
      run?.leases.blocks.release(true);
      void run?.keeper.lookAtAll();
    }
    await this.#pass(900_000);
    this.#hold();
    const mayStay = this.#plan.steps.some(({ happening: { kind } }) => kind === 'state lost' || kind === 'fail over');
    const left = this.#members.contents.objects('range').map(({ comment }) => `${comment} is left`);
    if (left.length > 0 && !mayStay) throw new Broken(left, this.#trace);
  }

  /** Whether something has happened of which only a GC can clear up what is left (docs/reliability.md, what is not promised). */
  get #needsCollection(): boolean {
    return this.#plan.steps.some(({ happening: { kind } }) => onlyCollected.includes(kind));
  }

  #settled(when: string): void {
    this.#hold();
    const busy = this.#runtimes.filter((runtime) => runtime.busy > 0).length;
    const live = new Set(this.#ledger.live.keys());
    const leases = this.#hosts.flatMap((host) => [...host.disk.leases.values()]);
    // A host that has lost its state has not imported what was altered by hand at that moment, and of two reservations of one container it
    // does not know which one was told.
    const forgetful = this.#hosts.flatMap((host, index) =>
      host.hasLostState ? (this.#runtimes[index]?.marks ?? []) : [],
    );
    const known = new Set([...leases.map(({ mark }) => mark), ...forgetful]);
    // What was altered is left alone, also by the DEL of an earlier container of that name.
    const mayHaveTwo = new Set([...forgetful, ...this.#altered]);
    const left = this.#ledger.leftOver().filter(({ mark }) => !(live.has(mark) && mayHaveTwo.has(mark)));
    const odd = leases.filter(({ mark, phase, dueAt }) => !live.has(mark) || phase !== 'bound' || dueAt !== null);
    const broken = [
      ...(busy > 0 ? [`${busy} calls have not ended`] : []),
      ...left.map(({ text }) => text),
      ...this.#ledger.owed().map((mark) => `${mark} was told an address of a block and is not reserved`),
      ...odd.map((lease) => `a lease is left: ${JSON.stringify(lease)}`),
      ...[...live].filter((mark) => !known.has(mark)).map((mark) => `${mark} has no lease`),
    ];
    if (broken.length > 0) throw new Broken([`${when}:`, ...broken], this.#trace);
  }

  #host({ host }: { readonly host: number }): SimHost {
    return at(this.#hosts, host);
  }

  #runtime({ host }: { readonly host: number }): Runtime {
    return at(this.#runtimes, host);
  }

  #say(line: string): void {
    this.#trace.push(`${((this.#time.now - 1_700_000_000_000) / 1_000).toFixed(3)} ${line}`);
  }
}

function shown(url: string): string {
  const { hostname, pathname, search } = new URL(url);
  return `${hostname} ${decodeURIComponent(pathname).replace('/wapi/v2.3/', '')} ${decodeURIComponent(search).replace(/&_return.*/, '')}`;
}

function describe({ kind, ...rest }: Happening): string {
  return `-- ${kind} ${JSON.stringify(rest)}`;
}

function at<T>(list: readonly T[], index: number): T {
  const item = list[index % list.length];
  if (item === undefined) throw new Error('nothing to choose from');
  return item;
}
