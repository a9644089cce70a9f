/**
 * Simulates a reboot of all hosts of a site: all containers request addresses from one grid with a limited rate, a short queue for each
 * client, and refusals beyond that. Measures the time until the last container runs, and the requests at the grid.
 */
import { addressBeside } from '../../src/infoblox/address.ts';
import { hold, take } from '../../src/infoblox/lease/block/block.ts';
import { defaultDoubtWindow } from '../../src/infoblox/lease/doubt.ts';
import { imported } from '../../src/infoblox/lease/lease.ts';
import { attachmentMark, blockMark } from '../../src/infoblox/mark.ts';
import { connectionError } from '../../src/infoblox/wapi/connection/connection-error.ts';
import type { Exchange, Transport, TransportAnswer } from '../../src/infoblox/wapi/connection/transport.ts';
import { unserved } from '../../src/infoblox/wapi/objects.ts';
import type { GridContents } from '../simulator/grid-contents.ts';
import { chanceOf } from './chance.ts';
import { cluster, network, type World } from './daemon-run.ts';
import { GridMembers, type MemberName } from './grid-members.ts';
import { SimHost } from './sim-host.ts';
import { epoch, VirtualTime } from './virtual-time.ts';

export interface FleetOptions {
  readonly hosts: number;
  /** Containers on each host. */
  readonly containers: number;
  readonly requestsPerSecond: number;
  /** Queued requests per client at the grid; more are refused. */
  readonly queue: number;
  /** Size of each host's block, which had its containers' addresses; 0: no blocks. */
  readonly blockSize: number;
  /** Called every ten simulated seconds. */
  readonly progress?: (now: { readonly seconds: number; readonly running: number; readonly failures: number }) => void;
}

export interface FleetReport {
  readonly requests: number;
  /** Number of requests by kind and outcome: `POST fixedaddress: answered`. */
  readonly ends: ReadonlyMap<string, number>;
  /** Milliseconds from call to answer of successful ADDs. */
  readonly add: { readonly p50: number; readonly p99: number };
  /** Containers running at the end. */
  readonly running: number;
  /** Failed ADDs, which were repeated. */
  readonly failures: number;
  /** Milliseconds until half of the containers run, and until all do. */
  readonly halfRunAt: number;
  readonly lastRunsAt: number;
  /** Reservations from before the reboot that still exist then. */
  readonly unreleased: number;
}

const subnet = '10.0.0.0/13';
/** First address from before the reboot. The grid assigns the others. */
const firstFromBefore = '10.4.0.0';
/** Milliseconds within which all hosts boot: firmware takes different times. */
const bootSpreadMs = 20_000;
/** Milliseconds before a kubelet retries a failed sandbox, plus up to half of it (`backOffPeriod` of its pod workers). */
const retryMs = 10_000;

/** Runs until each container has its address, at most one simulated hour. */
export async function simulateFleet(options: FleetOptions): Promise<FleetReport> {
  const { hosts, containers, blockSize, progress } = options;
  const time = new VirtualTime();
  const chance = chanceOf(1);
  const fill = (contents: GridContents) => void contents.add('network', { network: subnet });
  const members = new GridMembers(time, fill, Number.POSITIVE_INFINITY);
  const grid = new QueuingGrid(time, members, options);
  const world: World = {
    time,
    members,
    chance,
    config: () => ({ view: 'default', subnet, gateway: '10.0.0.1', blockSize }),
    gridHosts: ['grid-a'],
    transport: (client) => grid.transport(client),
    troubles: () => ({}),
    onArrival: () => {},
    log: () => {},
  };
  /** Durations of successful ADDs, in order. */
  const added: { readonly at: number; readonly took: number }[] = [];
  let failures = 0;

  /** Adds the leases from before the reboot to the state and the grid. */
  const leaveFromBefore = ({ name: node, disk }: SimHost, first: string) => {
    const origin = { cluster, node };
    for (let number = 0; number < containers; number += 1) {
      const mark = attachmentMark(origin, { network, containerId: `${node}-${number}-before`, ifName: 'eth0' });
      const address = addressBeside(first, number);
      const reservation = { ipv4addr: address, mac: '00:00:00:00:00:00', match_client: 'RESERVED', comment: mark };
      members.contents.add('fixedaddress', reservation);
      disk.leases.set(mark, imported({ mark, network, view: 'default' }, address));
    }
    disk.facts.set('imported', new Date(epoch).toISOString());
    if (blockSize === 0) return;
    const mark = blockMark({ origin, network, machine: '00000000', id: '0'.repeat(16) });
    const end = addressBeside(first, blockSize - 1);
    const range = { start_addr: first, end_addr: end, server_association_type: unserved, comment: mark };
    members.contents.add('range', range);
    const block = { mark, network, view: 'default', cidr: subnet, first, size: blockSize };
    disk.blocks.set(mark, hold(take(block, { now: epoch, wall: epoch, window: defaultDoubtWindow })));
  };
  /** Acts as a kubelet: tears down the old sandbox, and tries new ones until one runs. */
  const start = async (host: SimHost, number: number) => {
    await host.run?.del(`${host.name}-${number}-before`);
    for (let attempt = 0; ; attempt += 1) {
      const containerId = `${host.name}-${number}-${attempt}`;
      const began = time.now;
      try {
        const call = { containerId, netns: host.addNamespace(containerId), callId: containerId };
        await host.run?.add(call, new AbortController().signal);
        added.push({ at: time.now - epoch, took: time.now - began });
        return;
      } catch {
        failures += 1;
        await host.run?.del(containerId);
        await new Promise<void>((resolve) =>
          time.after(retryMs * (1 + 0.5 * chance(host.name, number, attempt)), resolve),
        );
      }
    }
  };
  for (let index = 0; index < hosts; index += 1) {
    const host = new SimHost(`host-${index}`, world);
    leaveFromBefore(host, addressBeside(firstFromBefore, index * (blockSize || containers)));
    time.after(bootSpreadMs * chance(host.name, 'boot'), () => {
      host.start();
      for (let number = 0; number < containers; number += 1) void start(host, number);
    });
  }
  const report = () => {
    progress?.({ seconds: (time.now - epoch) / 1_000, running: added.length, failures });
    time.after(10_000, report);
  };
  report();
  const wanted = hosts * containers;
  while (added.length < wanted && (await time.step(epoch + 3_600_000))) {
    // Ends when the last container runs.
  }
  const latencies = added.map(({ took }) => took).sort((one, other) => one - other);
  const latency = (part: number) => latencies[Math.floor(part * (latencies.length - 1))] ?? 0;
  return {
    requests: grid.requests,
    ends: grid.ends,
    add: { p50: latency(0.5), p99: latency(0.99) },
    running: added.length,
    failures,
    halfRunAt: added[Math.floor(wanted / 2)]?.at ?? 0,
    lastRunsAt: added.at(-1)?.at ?? 0,
    unreleased: members.holders().filter(({ comment }) => comment.includes('-before ')).length,
  };
}

/** A grid that processes requests sequentially. */
class QueuingGrid {
  requests = 0;
  readonly ends = new Map<string, number>();
  readonly #time: VirtualTime;
  readonly #members: GridMembers;
  readonly #serviceMs: number;
  readonly #queue: number;
  readonly #waiting = new Map<string, number>();
  #freeAt = 0;

  constructor(time: VirtualTime, members: GridMembers, options: Pick<FleetOptions, 'requestsPerSecond' | 'queue'>) {
    this.#time = time;
    this.#members = members;
    this.#serviceMs = 1_000 / options.requestsPerSecond;
    this.#queue = options.queue;
  }

  transport(client: string): Transport {
    return { close: async () => {}, exchange: (exchange) => this.#exchange(client, exchange) };
  }

  #exchange(client: string, { method, url, about, body, signal }: Exchange): Promise<TransportAnswer> {
    this.requests += 1;
    const waiting = this.#waiting.get(client) ?? 0;
    const end = (how: string) => {
      const name = `${method} ${about}: ${how}`;
      this.ends.set(name, (this.ends.get(name) ?? 0) + 1);
    };
    return new Promise((resolve, reject) => {
      if (waiting >= this.#queue) {
        end('refused');
        this.#time.after(1, () => resolve({ status: 503, body: 'busy', setCookie: [] }));
        return;
      }
      this.#waiting.set(client, waiting + 1);
      let isGone = false;
      const leave = () => {
        isGone = true;
        reject(connectionError(new Error('gave up'), { host: 'grid', writes: method !== 'GET', late: true }));
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#freeAt = Math.max(this.#freeAt, this.#time.now) + this.#serviceMs;
      // The grid also processes requests that their client has given up.
      this.#time.after(this.#freeAt - this.#time.now, () => {
        this.#waiting.set(client, (this.#waiting.get(client) ?? 1) - 1);
        const request = { method, url, body: body === undefined ? '' : JSON.stringify(body) };
        const answer = this.#members.answer(new URL(url).hostname as MemberName, request);
        end(isGone ? 'given up' : 'answered');
        if (isGone) return;
        signal.removeEventListener('abort', leave);
        resolve({ ...answer, setCookie: ['ibapauth="sim"'] });
      });
    });
  }
}
