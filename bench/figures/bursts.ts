import { type BenchHost, withHost } from '../bench-host.ts';
import { atMost, exactly, type Measurement, plain, type Row, type Settings } from '../figure.ts';
import { median, timed } from '../samples.ts';
import { runAtOnce } from '../whole-process.ts';

const processes = 32;
const slowMs = 50;
const connections = 8;

export const bursts: Measurement = {
  name: 'bursts',
  about:
    `${processes} concurrent plugin processes, the first of a network that is not on the grid yet. Then many ` +
    `concurrent ADDs over the socket of a daemon whose grid takes ${slowMs} ms per request, at most ` +
    `${connections} in flight, with STATUS called meanwhile.`,
  run: async (settings) => [...(await firstAdds(settings)), ...(await crowd(settings))],
};

async function firstAdds({ progress }: Settings): Promise<Row[]> {
  progress(`bursts: ${processes} first ADDs at once`);
  return withHost({}, async (host) => {
    const programs = Array.from({ length: processes }, () => host.plugin('ADD'));
    const { milliseconds, value: ended } = await timed(() => runAtOnce(programs));
    const failures = ended.filter((end) => end.status !== 0).length;
    const given = ended.flatMap((end) => /"address":"([^"]+)"/.exec(end.stdout)?.[1] ?? []);
    const grid = await host.grid.ask();
    const name = `${processes} first ADDs at once`;
    return [
      exactly(`${name}: failures`, failures, 0),
      exactly(`${name}: duplicates`, given.length - new Set(given).size, 0),
      exactly(`${name}: networks made`, grid.networks.length, 1, `${grid.addresses} reservations with the gateway's`),
      plain(`${name}: until the last has ended`, milliseconds, ' ms'),
    ];
  });
}

async function crowd({ quick, progress }: Settings): Promise<Row[]> {
  const adds = quick ? 100 : 500;
  progress(`bursts: ${adds} ADDs at once at ${slowMs} ms a request`);
  return withHost({}, async (host) => {
    await host.call('ADD', 'first');
    await host.grid.ask({ latencyMs: slowMs, clear: true });
    const names = Array.from({ length: adds }, () => host.newContainer());
    const asking = new AbortController();
    const status = askStatus(host, asking.signal);
    const { milliseconds, value: results } = await timed(() =>
      Promise.allSettled(names.map((name) => host.call('ADD', name))),
    );
    asking.abort();
    const answers = await status;
    const given = results.flatMap((result) => (result.status === 'fulfilled' ? JSON.stringify(result.value) : []));
    const grid = await host.grid.ask();
    const ideal = (adds / connections) * slowMs;
    const name = `${adds} ADDs at once, ${slowMs} ms`;
    return [
      exactly(`${name}: failures`, adds - given.length, 0),
      exactly(`${name}: duplicates`, given.length - new Set(given).size, 0),
      atMost(`${name}: requests in work at once`, grid.connections, connections, '', 'one a connection'),
      plain(`${name}: wall / ideal`, milliseconds / ideal, ' x', `${milliseconds.toFixed(0)} to ${ideal} ms`),
      plain('  STATUS meanwhile', median(answers), ' ms', `median, longest ${Math.max(...answers).toFixed(0)} ms`),
    ];
  });
}

/** Calls STATUS until told to stop; returns the milliseconds of each. */
async function askStatus(host: BenchHost, stop: AbortSignal): Promise<number[]> {
  const took: number[] = [];
  while (!stop.aborted) {
    took.push((await timed(() => host.call('STATUS', ''))).milliseconds);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return took;
}
