import { type BenchHost, withHost } from '../bench-host.ts';
import { builtDaemon } from '../built.ts';
import { atMost, type Measurement, plain, type Row, type Settings } from '../figure.ts';
import { fillState } from '../leases.ts';
import { interleave, median, ratio, timed } from '../samples.ts';
import { run } from '../whole-process.ts';

const many = 100_000;
const restartLeases = 10_000;
/** Milliseconds after a restart in which a burst of requests would show. */
const firstSeconds = 3_000;

export const manyLeases: Measurement = {
  name: 'many-leases',
  about:
    `ADD over the sockets of two daemons in turns, one with 1 lease in its state, one with ${many} of the same ` +
    `network. Restart: from spawn to the first answer, with ${restartLeases} leases whose network namespaces are ` +
    `gone; the grid counts requests for ${firstSeconds / 1000} s. STATUS over the socket: an upper bound of the ` +
    "daemon's own time. Operator commands as whole processes.",
  run: async (settings) => [
    ...(await growth(settings)),
    ...(await restart(settings)),
    ...(await status(settings)),
    ...(await commands(settings)),
  ],
};

async function growth({ quick, progress }: Settings): Promise<Row[]> {
  const rounds = quick ? 60 : 300;
  progress(`many-leases: ${rounds} rounds of ADD with 1 and with ${many} leases`);
  return withHost(leases(1), (few) =>
    withHost(leases(many), async (lots) => {
      const add = (host: BenchHost) => async () =>
        (await timed(() => host.call('ADD', host.newContainer()))).milliseconds;
      const took = await interleave(rounds, { few: add(few), lots: add(lots) });
      const detail = `${median(took.lots).toFixed(2)} to ${median(took.few).toFixed(2)} ms`;
      return [
        atMost(`ADD with ${many} leases / with 1`, ratio(took.lots, took.few), 1.15, ' x', detail),
        plain(
          `memory with ${many} leases / with 1`,
          lots.daemon.residentMegabytes() / few.daemon.residentMegabytes(),
          ' x',
        ),
      ];
    }),
  );
}

async function restart({ quick, progress }: Settings): Promise<Row[]> {
  const times = quick ? 3 : 7;
  progress(`many-leases: ${times} restarts with ${restartLeases} leases`);
  return withHost(leases(restartLeases), (lots) =>
    withHost(leases(1), async (few) => {
      const took = await interleave(times, { lots: () => lots.restart(), few: () => few.restart() });
      await lots.restart();
      await new Promise((resolve) => setTimeout(resolve, firstSeconds));
      const { requests } = await lots.grid.ask();
      const detail = `with 1 lease ${median(took.few).toFixed(0)} ms`;
      return [
        atMost(`restart with ${restartLeases} leases until it answers`, median(took.lots), 1000, ' ms', detail),
        atMost(`requests in the first ${firstSeconds / 1000} s`, requests, 3, ''),
      ];
    }),
  );
}

async function status({ quick, progress }: Settings): Promise<Row[]> {
  progress('many-leases: STATUS');
  return withHost(leases(restartLeases), async (host) => {
    const times = quick ? 50 : 300;
    const { status: took } = await interleave(times, {
      status: async () => (await timed(() => host.call('STATUS', ''))).milliseconds,
    });
    return [atMost('STATUS over the socket', median(took), 5, ' ms', `${restartLeases} leases`)];
  });
}

async function commands({ quick, progress }: Settings): Promise<Row[]> {
  progress(`many-leases: status and leases of ${restartLeases}`);
  return withHost(leases(restartLeases), async (host) => {
    const command = (name: string) => async () =>
      run({ file: builtDaemon, args: [name, `--socket-dir=${host.directory}/run`] }).milliseconds;
    const took = await interleave(quick ? 5 : 20, { status: command('status'), leases: command('leases') });
    return Object.entries(took).map(([name, times]) =>
      atMost(`the command ${name} with ${restartLeases} leases`, median(times), 500, ' ms'),
    );
  });
}

function leases(count: number) {
  return { prepare: (directory: string) => fillState(directory, count) };
}
