import { type BenchHost, type CniCommand, withHost } from '../bench-host.ts';
import { atMost, exactly, type Measurement, plain, type Row, type Settings } from '../figure.ts';

const containers = 20;

export const requests: Measurement = {
  name: 'requests',
  about:
    "WAPI requests as the grid counts them, from a daemon's start on an empty grid; steady ones over " +
    `${containers} sequential containers. Counting of steady requests starts after the first ADD, whose reads run ` +
    'in parallel.',
  run: ({ progress }) => measure(progress),
};

async function measure(progress: Settings['progress']): Promise<Row[]> {
  progress('requests: counting them at the grid');
  return withHost({}, async (host) => {
    const names = Array.from({ length: containers }, () => host.newContainer());
    const start = await host.grid.quiet();
    const first = await counted(host, () => host.call('ADD', 'first'));
    const begun = await host.grid.ask();
    const results = new Map<string, unknown>();
    const add = await counted(host, async () => {
      for (const name of names) results.set(name, await host.call('ADD', name));
    });
    const each = (command: CniCommand, more: (name: string) => Record<string, unknown> = () => ({})) =>
      counted(host, async () => {
        for (const name of names) await host.call(command, name, more(name));
      });
    const check = await each('CHECK', (name) => ({ prevResult: results.get(name) }));
    const status = await each('STATUS');
    const del = await counted(host, async () => {
      for (const name of names) await host.call('DEL', name);
      // The daemon answers a DEL before it asks the grid.
      await host.grid.quiet();
    });
    const all = await host.grid.ask();
    const [restart, atRestart] = await restarted(host);
    return [
      atMost('requests at first start', start.requests, 3, '', 'on a host without state'),
      atMost('requests at restart', restart, 3, '', 'with its state'),
      plain('requests of the first ADD of a network', first.requests, '', 'network and gateway made'),
      exactly('requests of a steady ADD', add.requests / containers, 1),
      atMost('requests of CHECK', check.requests / containers, 1, ''),
      exactly('requests of STATUS', status.requests / containers, 0),
      atMost('requests of DEL', del.requests / containers, 2, ''),
      exactly(
        'TLS connections, sequential work',
        all.connections - begun.connections + 1,
        1,
        `${begun.connections} at the first ADD`,
      ),
      exactly('logins', all.logins, 1, `over ${all.requests} requests; at restart ${atRestart}`),
    ];
  });
}

/** Counts the requests of some work at the grid. */
async function counted(host: BenchHost, work: () => Promise<unknown>): Promise<{ requests: number }> {
  const before = await host.grid.ask();
  await work();
  const after = await host.grid.ask();
  return { requests: after.requests - before.requests };
}

async function restarted(host: BenchHost): Promise<[number, number]> {
  await host.restart();
  const { requests: made, logins } = await host.grid.quiet();
  return [made, logins];
}
