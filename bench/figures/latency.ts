import { type BenchHost, withHost } from '../bench-host.ts';
import { atMost, type Measurement, plain, type Row, type Settings } from '../figure.ts';
import { interleave, median } from '../samples.ts';
import { run } from '../whole-process.ts';

const latencyMs = 100;
/** Round trips, one after another, of an ADD that has to create its network; and milliseconds for them. */
const mostRoundTrips = 6;
const longestFirst = 700;

export const latency: Measurement = {
  name: 'latency',
  about:
    `ADD as a whole process while each WAPI request takes ${latencyMs} ms, against ${latencyMs} ms plus an empty Node process ` +
    'measured in turns. The original driver makes 6 to 8 requests: 611 to 813 ms. The first ADD of a network, which creates it, ' +
    "is the daemon's part alone; requests that wait for no other's answer count as one round trip.",
  run: measure,
};

async function measure({ quick, progress }: Settings): Promise<Row[]> {
  return withHost({}, async (host) => {
    await host.grid.quiet();
    await host.grid.ask({ latencyMs });
    progress(`latency: first ADDs at ${latencyMs} ms a request`);
    const first = [
      ...(await firstAdd(host, 'network from a new container', { gateway: '0.0.0.1' })),
      ...(await firstAdd(host, 'network by subnet, in a new view', {
        ...{ subnet: '10.80.0.0/24', gateway: '10.80.0.1', 'network-view': 'first-add' },
      })),
    ];
    await host.call('ADD', 'first');
    const rounds = quick ? 12 : 50;
    progress(`latency: ${rounds} rounds at ${latencyMs} ms a request`);
    const { add, node } = await interleave(rounds, {
      add: () => run(host.plugin('ADD')).milliseconds,
      node: () => run({ file: process.execPath, args: ['--eval', ''] }).milliseconds,
    });
    const least = latencyMs + median(node);
    const detail = `${median(add).toFixed(0)} to ${least.toFixed(0)} ms`;
    return [
      atMost(`ADD at ${latencyMs} ms a request / least possible`, median(add) / least, 1.5, ' x', detail),
      plain('  original (611 to 813 ms) / ours', 611 / median(add), ' x', `to ${(813 / median(add)).toFixed(1)} x`),
      ...first,
    ];
  });
}

/** The ADD that creates a network of the given keys, its gateway, and what else it needs. */
async function firstAdd(host: BenchHost, name: string, keys: Record<string, unknown>): Promise<Row[]> {
  await host.grid.ask({ clear: true });
  const ipam = { type: 'infoblox', ...keys };
  const began = performance.now();
  await host.call('ADD', host.newContainer(), { name: name.replace(/\W+/g, '-'), ipam });
  const milliseconds = performance.now() - began;
  const { roundTrips, requests } = await host.grid.ask();
  return [
    atMost(`first ADD of a ${name}, round trips`, roundTrips, mostRoundTrips, '', `${requests} requests`),
    atMost(`  at ${latencyMs} ms a request`, milliseconds, longestFirst, ' ms'),
  ];
}
