import { startRelease } from '../../src/infoblox/lease/lease.ts';
import { type BenchHost, withHost } from '../bench-host.ts';
import { atMost, type Measurement, plain, type Row, type Settings } from '../figure.ts';
import { fillState, leaseMark } from '../leases.ts';
import type { RemoteGrid } from '../remote-grid.ts';

const many = 10_000;
const few = 1_000;
const dels = 300;

export const owedReleases: Measurement = {
  name: 'owed-releases',
  about:
    'a daemon that starts with many owed releases, each with a reservation on the grid. Processor time of the ' +
    `daemon, from /proc, from its start until the grid has removed them all. Then the same with ${few}, and ` +
    `${dels} DELs over the socket. Processor time grows with the load of the machine; the ratios do not.`,
  run: measure,
};

/** Cost per release in milliseconds of processor time and in requests, and the wall time of all. */
interface Cost {
  readonly cpu: number;
  readonly requests: number;
  readonly wall: number;
}

async function measure({ quick, progress }: Settings): Promise<Row[]> {
  const backlog = quick ? 3 * few : many;
  progress(`owed-releases: ${backlog} and ${few} owed releases`);
  const long = await withBacklog(backlog, (host) => settle(host, backlog));
  const [short, del] = await withBacklog(few, async (host) => [await settle(host, few), await takeBack(host)] as const);
  const sides = (other: number) => `${long.cpu.toFixed(2)} to ${other.toFixed(2)} ms of processor time`;
  return [
    plain(`${many} owed releases: processor time`, (long.cpu * many) / 1000, ' s'),
    atMost(`a release among ${backlog} / among ${few}`, long.cpu / short.cpu, 1.25, ' x', sides(short.cpu)),
    atMost('an owed release / a DEL', long.cpu / del, 1.25, ' x', sides(del)),
    atMost('requests of an owed release', long.requests, 2.05, ''),
    plain(`${backlog} owed releases until the grid has none`, long.wall / 1000, ' s'),
  ];
}

function withBacklog<T>(releases: number, use: (host: BenchHost) => Promise<T>): Promise<T> {
  const prepare = async (directory: string, grid: RemoteGrid) => {
    fillState(directory, releases, (lease) => startRelease(lease, 'DEL', { now: Date.now(), wall: Date.now() }));
    const reservations = Array.from({ length: releases }, (_, n) => leaseMark(n));
    await grid.ask({ network: '10.64.0.0/15', reservations });
  };
  return withHost({ prepare }, use);
}

/** Waits until the grid has removed all reservations. */
async function settle({ grid, daemon }: BenchHost, releases: number): Promise<Cost> {
  const begin = performance.now();
  for (;;) {
    const { addresses, requests } = await grid.ask();
    if (addresses === 0) {
      const cpu = (daemon.cpuSeconds() * 1000) / releases;
      return { cpu, requests: requests / releases, wall: performance.now() - begin };
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/**
 * Measures DELs over the socket.
 * @returns milliseconds of processor time of the daemon per DEL and its release
 */
async function takeBack(host: BenchHost): Promise<number> {
  const names = Array.from({ length: dels }, () => host.newContainer());
  for (const name of names) await host.call('ADD', name);
  const before = host.daemon.cpuSeconds();
  for (const name of names) await host.call('DEL', name);
  // Only the gateway's reservation is left.
  await host.grid.drained(1);
  return ((host.daemon.cpuSeconds() - before) * 1000) / dels;
}
