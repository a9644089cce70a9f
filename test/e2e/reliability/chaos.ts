/**
 * Runtimes make random calls on several hosts at once, during random faults. This long run supports the claim that no
 * address is lost or given twice. A seed repeats the choices, but not the timing.
 */
import { connect } from 'node:net';
import { requestFrame } from '../../../src/modes/protocol.ts';
import { Caller, type Outcome } from '../../fixture/calls.ts';
import type { Ledger } from '../../fixture/ledger.ts';
import type { ProcessHost } from '../../fixture/process-host.ts';
import { pause } from '../../fixture/world.ts';
import type { Grid } from '../../simulator/grid.ts';
import { makeTrouble } from './chaos-trouble.ts';
import { Random } from './random.ts';

export interface ChaosOptions {
  readonly grid: Grid;
  readonly ledger: Ledger;
  /** The hosts by node name. */
  readonly hosts: ReadonlyMap<string, ProcessHost>;
  readonly killable: readonly ProcessHost[];
  readonly seed: number;
  /** Containers that each host starts and stops at the same time. */
  readonly containers: number;
  /** Average milliseconds between two faults. */
  readonly troubleEvery: number;
  /** Asked between operations; ends the run by returning true. */
  readonly enough: (operations: number) => boolean;
}

export interface ChaosResult {
  readonly operations: number;
  readonly kills: number;
  /** The counts of outcomes, such as `ADD ok`. */
  readonly outcomes: ReadonlyMap<string, number>;
}

const subnet = { ipam: { subnet: '10.20.0.0/20', gateway: '10.20.0.1' }, config: { name: 'chaos' } };
/** CHECK of a live attachment may fail because the grid is away, never because the reservation is lost. */
const reservationLost = 104;
/** Maximum requests that the grid remembers. */
const longestLog = 20_000;

export class Chaos {
  readonly #options: ChaosOptions;
  readonly #outcomes = new Map<string, number>();
  readonly #broken: string[] = [];
  /** Containers of each host that a GC must spare: those that run, start or stop. */
  readonly #known = new Map<string, Set<string>>();
  #operations = 0;
  #serial = 0;

  constructor(options: ChaosOptions) {
    this.#options = options;
  }

  /** Runs for the given time, repairs everything, and checks the invariants. @throws Error with the broken ones */
  async run(): Promise<ChaosResult> {
    const { hosts, containers, troubleEvery, seed, grid, killable } = this.#options;
    const over = new AbortController();
    const trouble = makeTrouble({ every: troubleEvery, killable, grid, random: new Random(seed) }, over.signal);
    const lives = [...hosts].flatMap(([node, host], index) =>
      Array.from({ length: containers }, (_, number) =>
        this.#live(new Caller(host, this.#options.ledger, node), new Random(seed + 1000 * (index + 1) + number)),
      ),
    );
    const collections = [...hosts].map(([node, host]) => this.#collect(new Caller(host, this.#options.ledger, node)));
    await Promise.all(lives);
    over.abort();
    const kills = await trouble;
    await Promise.all(collections);
    await this.#end();
    return { operations: this.#operations, kills, outcomes: this.#outcomes };
  }

  get operations(): number {
    return this.#operations;
  }

  get #enough(): boolean {
    return this.#broken.length > 0 || this.#options.enough(this.#operations);
  }

  /** Runs one container after another, each started and ended in a random way. */
  async #live(caller: Caller, random: Random): Promise<void> {
    const { grid, ledger } = this.#options;
    let container = '';
    while (!this.#enough) {
      // One in four returns under its old name, like restarted containers of some runtimes.
      if (container === '' || random.chance(0.75)) {
        this.#serial += 1;
        container = `c${this.#serial}`;
      }
      const known = this.#knownOf(caller.node);
      known.add(container);
      await this.#start(caller, container, random);
      if (random.chance(0.3) && caller.knows(container, subnet)) {
        this.#checked(container, await this.#count('CHECK', caller.check(container, subnet)));
      }
      if (random.chance(0.1)) await pause(random.below(50));
      if (random.chance(0.05)) {
        caller.dies(container, subnet);
      } else {
        // The runtime repeats a failed DEL, and one in ten without need.
        const again = random.chance(0.1) ? 1 : 0;
        for (let done = -again; done < 1; ) {
          const outcome = await this.#count('DEL', caller.del(container, subnet));
          if (outcome === 'ok' || outcome === 'no answer') done += 1;
          else await pause(20);
        }
      }
      known.delete(container);
      this.#broken.push(...ledger.brokenNow());
      if (grid.requests.length > longestLog) grid.clearLog();
    }
  }

  async #start(caller: Caller, container: string, random: Random): Promise<void> {
    const add = () => this.#count('ADD', caller.add(container, subnet));
    const way = random.next();
    if (way < 0.1) {
      // Two runtimes call at once.
      await Promise.all([add(), add()]);
    } else if (way < 0.2) {
      await this.#hangUp(caller, container, random.below(15));
      if (random.chance(0.5)) await add();
    } else if (way < 0.3) {
      // The runtime gives up on its ADD and sends a DEL during it.
      const lost = this.#hangUp(caller, container, 200);
      await pause(random.below(10));
      await this.#count('DEL', caller.del(container, subnet));
      await lost;
    } else {
      await add();
      if (random.chance(0.1)) await add();
    }
  }

  /** Makes an ADD whose caller leaves after some milliseconds, without the answer. */
  async #hangUp({ host }: Caller, containerId: string, milliseconds: number): Promise<void> {
    this.#operations += 1;
    const socket = connect(host.socket);
    socket.on('error', () => {});
    socket.pause();
    socket.write(requestFrame('ADD', host.callOf(containerId, { ...subnet, netns: '/none' })));
    await pause(milliseconds);
    socket.destroy();
  }

  /** Calls GC from time to time: it must release dead containers, and spare live ones and those that start or stop. */
  async #collect(caller: Caller): Promise<void> {
    while (!this.#enough) {
      await pause(1_500);
      await this.#count('GC', caller.gc([...this.#knownOf(caller.node)], subnet));
    }
  }

  async #end(): Promise<void> {
    const { hosts, ledger } = this.#options;
    for (const [node, host] of hosts) {
      const caller = new Caller(host, ledger, node);
      const end = performance.now() + 20_000;
      while ((await this.#count('GC', caller.gc([...this.#knownOf(node)], subnet))) !== 'ok') {
        if (performance.now() > end) throw new Error(`host ${node} has not recovered:\n${host.output.slice(-2_000)}`);
        await pause(200);
      }
    }
    if (this.#broken.length > 0) throw new Error(`invariants broken:\n${this.#broken.join('\n')}`);
    await ledger.settled(60_000);
  }

  #checked(container: string, outcome: Outcome): void {
    if (outcome === reservationLost) this.#broken.push(`(b) CHECK says that ${container} has lost its reservation`);
  }

  async #count(command: string, call: Promise<Outcome>): Promise<Outcome> {
    this.#operations += 1;
    const outcome = await call;
    // No daemon answers, and a runtime does not call a thousand times a second.
    if (outcome === 'no answer') await pause(20);
    const key = `${command} ${outcome}`;
    this.#outcomes.set(key, (this.#outcomes.get(key) ?? 0) + 1);
    return outcome;
  }

  #knownOf(node: string): Set<string> {
    const known = this.#known.get(node) ?? new Set();
    this.#known.set(node, known);
    return known;
  }
}
