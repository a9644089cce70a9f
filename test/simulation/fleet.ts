/**
 * A whole site at once: all hosts boot, and every container of theirs wants its address from one grid that serves so many requests a
 * second, queues a few for each client and refuses the rest. How long until the last one runs, and what does the grid see of it?
 */
import { connectionError } from '../../src/infoblox/wapi/connection/connection-error.ts';
import type { Exchange, Transport, TransportAnswer } from '../../src/infoblox/wapi/connection/transport.ts';
import { chanceOf } from './chance.ts';
import type { DaemonRun, World } from './daemon-run.ts';
import { GridMembers, type MemberName } from './grid-members.ts';
import { SimHost } from './sim-host.ts';
import { epoch, VirtualTime } from './virtual-time.ts';

export interface FleetOptions {
  readonly hosts: number;
  /** On each host. */
  readonly containers: number;
  readonly requestsPerSecond: number;
  /** Requests of one client that wait at the grid; more are refused. */
  readonly queue: number;
}

export interface FleetReport {
  readonly requests: number;
  readonly refused: number;
  /** Milliseconds from the call of a runtime to its answer, of ADDs that succeeded. */
  readonly add: { readonly p50: number; readonly p99: number };
  /** Calls of runtimes that failed, and were made again. */
  readonly failures: number;
  /** Milliseconds until all containers run. */
  readonly lastRunsAt: number;
}

/** All hosts boot within so many milliseconds: their firmware takes more or less time. */
const bootSpreadMs = 20_000;
/** A kubelet tries a failed sandbox again after this, twice as long each time, up to five minutes (kubelet, pod workers' back-off). */
const retry = { firstMs: 10_000, maxMs: 300_000 };
const addTimeoutMs = 25_000;

/** Runs until every container has its address. */
export async function simulateFleet({
  hosts,
  containers,
  requestsPerSecond,
  queue,
}: FleetOptions): Promise<FleetReport> {
  const time = new VirtualTime();
  const chance = chanceOf(1);
  const members = new GridMembers(time, (contents) => void contents.add('network', { network: '10.0.0.0/14' }), 1);
  const grid = new QueuingGrid(time, members, { requestsPerSecond, queue });
  const world: World = {
    time,
    members,
    chance,
    config: () => ({ view: 'default', subnet: '10.0.0.0/14', gateway: '10.0.0.1' }),
    transport: (client) => grid.transport(client),
    troubles: () => ({}),
    onArrival: () => {},
    log: () => {},
  };
  const latencies: number[] = [];
  let failures = 0;
  let running = 0;
  let lastRunsAt = 0;
  const start = (host: SimHost, number: number, attempt: number) => {
    const run = host.run;
    if (run === undefined) throw new Error('the daemon of a host is not there');
    const began = time.now;
    add(time, run, { containerId: `${host.name}-${number}-${attempt}`, netns: host.addNamespace(`${number}`) }).then(
      () => {
        latencies.push(time.now - began);
        running += 1;
        lastRunsAt = time.now - epoch;
      },
      () => {
        failures += 1;
        void run.del(`${host.name}-${number}-${attempt}`).catch(() => undefined);
        const pause = Math.min(retry.firstMs * 2 ** attempt, retry.maxMs);
        time.after(pause * (1 + 0.5 * chance(host.name, number, attempt)), () => start(host, number, attempt + 1));
      },
    );
  };
  for (let index = 0; index < hosts; index += 1) {
    const host = new SimHost(`host-${index}`, world);
    time.after(bootSpreadMs * chance(host.name, 'boot'), () => {
      host.start();
      for (let number = 0; number < containers; number += 1) start(host, number, 0);
    });
  }
  while (running < hosts * containers && (await time.step())) {
    // Until the last one runs.
  }
  latencies.sort((one, other) => one - other);
  const at = (part: number) => latencies[Math.floor(part * (latencies.length - 1))] ?? 0;
  const { requests, refused } = grid;
  return { requests, refused, add: { p50: at(0.5), p99: at(0.99) }, failures, lastRunsAt };
}

/** An ADD as the plugin makes it. */
async function add(
  time: VirtualTime,
  run: DaemonRun,
  { containerId, netns }: { readonly containerId: string; readonly netns: string },
): Promise<void> {
  const gone = new AbortController();
  const cancel = time.after(addTimeoutMs, () => gone.abort(new DOMException('gone', 'AbortError')));
  const answer = await run.add({ containerId, netns, callId: containerId }, gone.signal);
  cancel();
  answer.delivered();
}

/** A grid that does one request after another. */
class QueuingGrid {
  requests = 0;
  refused = 0;
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

  #exchange(client: string, { method, url, body, signal }: Exchange): Promise<TransportAnswer> {
    this.requests += 1;
    const waiting = this.#waiting.get(client) ?? 0;
    return new Promise((resolve, reject) => {
      if (waiting >= this.#queue) {
        this.refused += 1;
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
      // What its client has given up is done all the same: the grid does not know.
      this.#time.after(this.#freeAt - this.#time.now, () => {
        this.#waiting.set(client, (this.#waiting.get(client) ?? 1) - 1);
        const request = { method, url, body: body === undefined ? '' : JSON.stringify(body) };
        const answer = this.#members.answer(new URL(url).hostname as MemberName, request);
        if (isGone) return;
        signal.removeEventListener('abort', leave);
        resolve({ ...answer, setCookie: ['ibapauth="sim"'] });
      });
    });
  }
}
