/** Two hosts with the built daemon on a simulated grid, and a Prometheus that scrapes them during some trouble. */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { BuiltHost, type CallOptions } from '../e2e/built-host.ts';
import { monitoring } from '../e2e/deploy/dashboard.ts';
import { Prometheus, prometheusObstacle } from '../fixture/prometheus.ts';
import { type Grid, startGrid } from '../simulator/grid.ts';
import { reservation } from '../simulator/grid-fixture.ts';
import { freePort } from '../simulator/http/free-port.ts';

interface Network {
  readonly name: string;
  readonly ipam: Readonly<Record<string, string | number>>;
  /** Number of containers that a host keeps running in it. */
  readonly kept: number;
}

const networks = [
  { name: 'web', ipam: { subnet: '10.20.0.0/26', gateway: '10.20.0.1' }, kept: 12 },
  { name: 'batch', ipam: { subnet: '10.20.1.0/25', gateway: '10.20.1.1', 'block-size': 16 }, kept: 20 },
  // This network fills soon, as no container there ends.
  { name: 'edge', ipam: { subnet: '10.20.2.0/28', gateway: '10.20.2.1', 'network-view': 'dmz' }, kept: 99 },
] as const satisfies readonly Network[];

/** Addresses of others. */
const others = [
  { network: '10.20.0.0/26', taken: 30 },
  { network: '10.20.1.0/25', taken: 12 },
];

/** Seconds before the first scrape. */
const warmUp = 20;

/** The states of the grid in order: milliseconds for a request, undefined during an outage. */
const weather: readonly { readonly seconds: number; readonly latency?: number }[] = [
  { seconds: 35, latency: 15 },
  { seconds: 25, latency: 350 },
  { seconds: 10, latency: 15 },
  { seconds: 18 },
  { seconds: 32, latency: 15 },
];

export interface Observed {
  readonly prometheus: Prometheus;
  /** Duration of the observation. */
  readonly seconds: number;
  stop(): Promise<void>;
}

/** Runs the hosts through all states of the grid, in real time. */
export async function observeHosts(progress: (text: string) => void): Promise<Observed> {
  const obstacle = prometheusObstacle();
  if (obstacle !== undefined) throw new Error(`cannot be drawn here: ${obstacle}`);
  const grid = await startGrid({ latencyMs: 15, attributes: ['Network Name', 'VM ID', 'VM Name'] });
  for (const { network, taken } of others) {
    grid.add('network', { network });
    const prefix = network.replace(/\d+\/.*/, '');
    for (let host = 1; host <= taken; host += 1) grid.add('fixedaddress', reservation(`${prefix}${host + 20}`));
  }
  const hosts = new Map<string, BuiltHost>();
  const targets: Record<string, string> = {};
  for (const name of ['host-a', 'host-b']) {
    targets[name] = `127.0.0.1:${await freePort()}`;
    hosts.set(name, await new BuiltHost(grid).start([`--node-name=${name}`, `--metrics-listen=${targets[name]}`]));
  }
  const seconds = weather.reduce((sum, { seconds }) => sum + seconds, 0);
  progress(`two hosts are running, ${warmUp + seconds} s to go`);
  const ended = new AbortController();
  const lives = [...hosts.values()].map((host) => live(host, ended.signal));
  await pause(warmUp * 1_000);
  const prometheus = await Prometheus.start(targets, join(monitoring, 'alerts.yml'));
  await change(grid);
  ended.abort();
  await Promise.all(lives);
  const stop = async () => {
    await prometheus.stop();
    await Promise.all([...hosts.values()].map((host) => host.dispose()));
    await grid.stop();
  };
  return { prometheus, seconds, stop };
}

async function change(grid: Grid): Promise<void> {
  for (const { seconds, latency } of weather) {
    if (latency === undefined) await grid.pause();
    else grid.latencyMs = latency;
    await pause(seconds * 1_000);
    if (latency !== undefined) continue;
    // After an outage the grid has lost its sessions.
    grid.expireSessions();
    await grid.resume();
  }
}

/** Starts and ends containers on a host, sometimes a few at once. */
async function live(host: BuiltHost, signal: AbortSignal): Promise<void> {
  const running = new Map<string, string[]>(networks.map(({ name }) => [name, []]));
  for (let n = 0; !signal.aborted; n += 1) {
    const { name, ipam, kept } = networks[n % 9 === 8 ? 2 : n % 2 === 0 ? 0 : 1];
    const mine = running.get(name) ?? [];
    const options = { config: { name }, ipam };
    const containerId = `${name}-${n}`;
    const started = start(host, { ...options, containerId }).then((isRunning) => isRunning && mine.push(containerId));
    const oldest = mine.length >= kept ? mine.shift() : undefined;
    if (oldest !== undefined) void host.call('DEL', { ...options, containerId: oldest });
    // An outage does not reduce the starts.
    await Promise.race([started, pause(1_000)]);
    await pause(n % 20 < 6 ? 60 : 350);
  }
}

/** Calls ADD and, if it succeeds, CHECK. */
async function start(host: BuiltHost, options: CallOptions): Promise<boolean> {
  const { exitCode, stdout } = await host.call('ADD', options);
  if (exitCode !== 0) return false;
  void host.call('CHECK', { ...options, config: { ...options.config, prevResult: JSON.parse(stdout) } });
  return true;
}
