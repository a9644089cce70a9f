import { statSync } from 'node:fs';
import { type BenchHost, withHost } from '../bench-host.ts';
import { builtPlugin } from '../built.ts';
import { atMost, type Measurement, plain, type Row, type Settings } from '../figure.ts';

const inParallel = 8;
/** Maximum memory of the daemon in MB after a thousand containers. */
const maxResident = 130;

export const size: Measurement = {
  name: 'size',
  about:
    'MB are 10^6 bytes, MiB 2^20. Memory is the resident memory of the daemon (VmRSS), idle, before and after a ' +
    'thousand containers. Its own part (RssAnon) excludes the pages of the executable, which the plugins share.',
  run: measure,
};

async function measure({ quick, progress }: Settings): Promise<Row[]> {
  const file = statSync(builtPlugin).size / 1e6;
  return withHost({}, async (host) => {
    await host.grid.quiet(1_000);
    const idle = host.daemon.residentMegabytes();
    const ownIdle = host.daemon.anonymousMebibytes();
    const containers = quick ? 200 : 1000;
    progress(`size: ${containers} ADDs and DELs`);
    const names = Array.from({ length: containers }, () => host.newContainer());
    await eachOf(names, (name) => host.call('ADD', name));
    const ownGiven = host.daemon.anonymousMebibytes();
    await eachOf(names, (name) => host.call('DEL', name));
    await host.grid.drained(1);
    await host.grid.quiet(1_000);
    const own = host.daemon.anonymousMebibytes();
    return [
      atMost('size of the executable', file, 112, ' MB'),
      plain('memory of the daemon, idle', idle, ' MB'),
      atMost(`memory after ${containers} ADD + ${containers} DEL`, host.daemon.residentMegabytes(), maxResident, ' MB'),
      plain('  its own part, idle', ownIdle, ' MiB'),
      plain(`  its own part after ${containers} ADD`, ownGiven, ' MiB'),
      plain(`  its own part after ${containers} ADD + ${containers} DEL`, own, ' MiB'),
      ...(await leftOvers(host)),
    ];
  });
}

async function leftOvers(host: BenchHost): Promise<Row[]> {
  const { addresses } = await host.grid.ask();
  return [atMost('reservations left on the grid', addresses, 1, '', "the gateway's")];
}

async function eachOf(names: readonly string[], work: (name: string) => Promise<unknown>): Promise<void> {
  const rest = [...names];
  const worker = async () => {
    for (let name = rest.pop(); name !== undefined; name = rest.pop()) await work(name);
  };
  await Promise.all(Array.from({ length: inParallel }, worker));
}
