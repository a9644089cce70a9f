import { type BenchHost, withHost } from '../bench-host.ts';
import { atMost, exactly, type Measurement, percentiles, plain, type Row, type Settings } from '../figure.ts';
import { interleave, median, ratio, timed } from '../samples.ts';
import { run } from '../whole-process.ts';

const latencyMs = 100;
/** Sequential round trips of an ADD that creates its network, and their milliseconds. */
const maxRoundTrips = 6;
const maxFirstMs = 700;
/** Latency of a request, in milliseconds, that shows whether a DEL waits for one. */
const slowMs = 1_000;

/** The original driver on the same simulator: milliseconds at 100 ms per request. */
const original = { least: 611, most: 813, firstRequests: 14, del: 205 };

export const latency: Measurement = {
  name: 'latency',
  about:
    `whole processes while each WAPI request takes ${latencyMs} ms, in turns with an empty Node process and with ` +
    'VERSION, which does not ask the daemon. Then the first ADD of a network over the socket. The original driver ' +
    `was measured once on the same simulator: 6 to 8 requests or ${original.least} to ${original.most} ms for an ` +
    `ADD, ${original.firstRequests} sequential requests for the first ADD of a network with gateway and MAC, ` +
    `${original.del} ms for a DEL. Requests that do not wait for each other count as one round trip.`,
  run: measure,
};

async function measure(settings: Settings): Promise<Row[]> {
  return withHost({}, async (host) => {
    await host.grid.quiet();
    await host.grid.ask({ latencyMs });
    return [
      ...(await firstAdds(host, settings)),
      ...(await steady(host, settings)),
      ...(await dualStack(host, settings)),
      ...(await delWaitsForNothing(host)),
    ];
  });
}

async function steady(host: BenchHost, { quick, progress }: Settings): Promise<Row[]> {
  const rounds = quick ? 12 : 100;
  progress(`latency: ${rounds} rounds at ${latencyMs} ms a request`);
  const added: Record<string, string>[] = [];
  const add = () => {
    const program = host.plugin('ADD');
    added.push({ ...program.env });
    return run(program).milliseconds;
  };
  const del = () => run({ ...host.plugin('DEL'), env: { ...added.shift(), CNI_COMMAND: 'DEL' } }).milliseconds;
  add();
  const took = await interleave(rounds, {
    add,
    del,
    version: () => run(host.plugin('VERSION')).milliseconds,
    node: () => run({ file: process.execPath, args: ['--eval', ''] }).milliseconds,
  });
  const least = latencyMs + median(took.node);
  const usual = median(took.add);
  return [
    atMost('ADD / least possible', usual / least, 1.5, ' x', `${usual.toFixed(0)} to ${least.toFixed(0)} ms`),
    percentiles('  ADD', took.add),
    plain('  original / ours', original.least / usual, ' x', `to ${(original.most / usual).toFixed(1)} x`),
    atMost('DEL / VERSION', ratio(took.del, took.version), 1.5, ' x', 'what the socket and one synced write add'),
    percentiles('  DEL', took.del),
    plain(`  original (${original.del} ms) / ours`, original.del / median(took.del), ' x'),
  ];
}

/** ADDs, over the socket, of one address and of two: those are asked for side by side. */
async function dualStack(host: BenchHost, { quick, progress }: Settings): Promise<Row[]> {
  const rounds = quick ? 20 : 100;
  progress(`latency: ${rounds} rounds of one address and of two at ${latencyMs} ms a request`);
  const add = async (name: string, ...subnets: readonly string[]) => {
    const ipam = { ...(host.config().ipam as object), subnet: undefined, gateway: undefined };
    const ranges = subnets.map((subnet) => [{ subnet }]);
    const config = { name, ipam: { ...ipam, ranges } };
    return (await timed(() => host.call('ADD', host.newContainer(), config))).milliseconds;
  };
  const one = () => add('single-stack', '10.90.0.0/16');
  const both = () => add('dual-stack', '10.91.0.0/16', 'fd00:91::/64');
  for (const first of [one, both]) await first();
  const took = await interleave(rounds, { one, both });
  const title = 'ADD of an IPv4 and an IPv6 address / of one';
  return [atMost(title, ratio(took.both, took.one), 1.15, ' x'), percentiles('  of both', took.both)];
}

/**
 * Measures ADDs, over the socket, that each create a network (with its view or from a container), its gateway, and the
 * rest.
 */
async function firstAdds(host: BenchHost, { quick, progress }: Settings): Promise<Row[]> {
  const networks = quick ? 4 : 30;
  progress(`latency: ${networks} first ADDs at ${latencyMs} ms a request`);
  const container = await firstAdd(host, 'from-a-container', { gateway: '0.0.0.1' });
  const bySubnet: FirstAdd[] = [];
  for (let n = 0; n < networks; n += 1) {
    const keys = { subnet: `10.80.${n}.0/24`, gateway: `10.80.${n}.1`, 'network-view': `view-${n}` };
    bySubnet.push(await firstAdd(host, `by-subnet-${n}`, keys));
  }
  const most = Math.max(...bySubnet.map(({ roundTrips }) => roundTrips));
  const times = bySubnet.map(({ milliseconds }) => milliseconds);
  const name = 'first ADD of a network';
  const least = original.firstRequests * latencyMs;
  return [
    atMost(`${name} from a container, round trips`, container.roundTrips, maxRoundTrips, '', container.detail),
    atMost(`${name} by subnet in a new view, round trips`, most, maxRoundTrips, '', 'the most of all'),
    atMost('  at the median', median(times), maxFirstMs, ' ms'),
    percentiles('  first ADD', times),
    plain(
      `  original (${original.firstRequests} requests) / ours`,
      least / median(times),
      ' x',
      `at least ${least} ms`,
    ),
  ];
}

interface FirstAdd {
  readonly roundTrips: number;
  readonly detail: string;
  readonly milliseconds: number;
}

async function firstAdd(host: BenchHost, name: string, keys: Record<string, unknown>): Promise<FirstAdd> {
  await host.grid.ask({ clear: true });
  const ipam = { type: 'infoblox', ...keys };
  const { milliseconds } = await timed(() => host.call('ADD', host.newContainer(), { name, ipam }));
  const { roundTrips, requests } = await host.grid.ask();
  return { roundTrips, detail: `${requests} requests`, milliseconds };
}

async function delWaitsForNothing(host: BenchHost): Promise<Row[]> {
  await host.grid.ask({ latencyMs: 0 });
  const name = host.newContainer();
  await host.call('ADD', name);
  await host.grid.ask({ latencyMs: slowMs });
  const { milliseconds } = await timed(() => host.call('DEL', name));
  await host.grid.ask({ latencyMs: 0 });
  return [exactly('requests that a DEL waits for', Math.floor(milliseconds / slowMs), 0)];
}
