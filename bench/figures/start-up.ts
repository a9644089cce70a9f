import { withHost } from '../bench-host.ts';
import { makeEmptyExecutable } from '../empty-executable.ts';
import { atMost, type Measurement, plain, type Row, type Settings } from '../figure.ts';
import { interleave, median, ratio, spread } from '../samples.ts';
import { run } from '../whole-process.ts';

export const startUp: Measurement = {
  name: 'start-up',
  about:
    'whole processes, from spawn to exit, in turns. Opponents: an executable with an empty script, made from the ' +
    'same stripped Node, and "node empty.cjs". Each ADD is for a new container. Daemon and grid are separate ' +
    'processes; the grid adds no latency, but its work takes time. An ADD syncs the disk twice: state in memory ' +
    'shows what a slow disk adds. STATUS shows the cost of the socket: it asks only the daemon.',
  run: measure,
};

/** A tmpfs on every Linux. */
const memory = '/dev/shm';

async function measure({ quick, progress }: Settings): Promise<Row[]> {
  progress('start-up: making the empty executable');
  const empty = await makeEmptyExecutable();
  try {
    return await withHost({}, (host) =>
      withHost({ stateIn: memory }, async (diskless) => {
        const rounds = quick ? 25 : 120;
        progress(`start-up: ${rounds} rounds of six processes`);
        const env = { CNI_COMMAND: 'VERSION' };
        const took = await interleave(rounds, {
          empty: () => run({ file: empty.file, env }).milliseconds,
          node: () => run({ file: process.execPath, args: [empty.script], env }).milliseconds,
          version: () => run(host.plugin('VERSION')).milliseconds,
          add: () => run(host.plugin('ADD')).milliseconds,
          diskless: () => run(diskless.plugin('ADD')).milliseconds,
          status: () => run(host.plugin('STATUS')).milliseconds,
        });
        const against = (side: readonly number[], opponent: readonly number[]) =>
          `${median(side).toFixed(1)} to ${median(opponent).toFixed(1)} ms`;
        const { version, add, status, node } = took;
        return [
          atMost('VERSION / empty executable', ratio(version, took.empty), 1.15, ' x', against(version, took.empty)),
          atMost('VERSION / node empty.cjs', ratio(version, node), 1.15, ' x', against(version, node)),
          atMost('ADD, instant grid / empty executable', ratio(add, took.empty), 1.6, ' x', against(add, took.empty)),
          plain(
            '  the same, state in memory',
            ratio(took.diskless, took.empty),
            ' x',
            against(took.diskless, took.empty),
          ),
          atMost('ADD, instant grid / node empty.cjs', ratio(add, node), 1.6, ' x', against(add, node)),
          plain('STATUS / empty executable', ratio(status, took.empty), ' x', against(status, took.empty)),
          plain('noise: middle half of the empty executable', spread(took.empty), ' %', 'of its median'),
        ];
      }),
    );
  } finally {
    empty.remove();
  }
}
