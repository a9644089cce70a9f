import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { SqliteLeaseStore } from '../../src/infoblox/lease/state/store.ts';
import { Host } from '../../test/fixture/host.ts';
import { atMost, exactly, type Measurement, plain, type Row, type Settings } from '../figure.ts';
import { RemoteGrid } from '../remote-grid.ts';
import { interleave, median, ratio, timed } from '../samples.ts';
import { type Stopwatch, stopwatch } from '../stopwatch.ts';

export const durability: Measurement = {
  name: 'durability',
  about:
    'the daemon in the process of the bench, its store on a real disk, every call of the store timed while warm ADDs come over ' +
    'the socket. The calls are synchronous, so their sum is what durable state adds to an ADD; the rest is the ADD without it. ' +
    'The disk alone: two writes of 16 KiB over a file that is there, each followed by fdatasync, as SQLite does for an ADD, in ' +
    'turns with the ADDs. If that alone takes longer than the target, no durable state could meet it. Writes: changes of a ' +
    'lease, each synced; a DEL has one before its answer and two as its release goes on.',
  run: measure,
};

const config = { subnet: '10.64.0.0/15', gateway: '10.64.0.1' };

async function measure({ quick, progress }: Settings): Promise<Row[]> {
  const rounds = quick ? 60 : 400;
  progress(`durability: ${rounds} ADDs with the store's time taken`);
  const grid = await RemoteGrid.start();
  const watches: Stopwatch<SqliteLeaseStore>[] = [];
  const wrapStore = (store: SqliteLeaseStore) => {
    const watch = stopwatch(store);
    watches.push(watch);
    return watch.timed;
  };
  const host = await new Host(grid.access, { wrapStore }).start();
  try {
    const [watch] = watches;
    if (watch === undefined) throw new Error('the daemon has opened no store');
    await host.add('first', { ipam: config });
    return [...(await times(host, watch, rounds)), ...(await writes(host, watch, grid))];
  } finally {
    await host.dispose();
    await grid.stop();
  }
}

/** What the store takes of an ADD, beside what the disk takes. */
async function times(host: Host, watch: Stopwatch<SqliteLeaseStore>, rounds: number): Promise<Row[]> {
  const file = openSync(join(host.directory, 'disk'), 'w');
  try {
    let container = 0;
    const inStore: number[] = [];
    const add = async () => {
      container += 1;
      watch.reset();
      const { milliseconds } = await timed(() => host.add(`container-${container}`, { ipam: config }));
      inStore.push(watch.milliseconds());
      return milliseconds;
    };
    const { adds, disk } = await interleave(rounds, {
      adds: add,
      disk: async () => (await timed(() => twice(file))).milliseconds,
    });
    const whole = median(adds);
    return [
      atMost('durable state in a warm ADD', median(inStore), 1, ' ms', `of ${whole.toFixed(2)} ms in all`),
      plain('  ADD with state / without', whole / (whole - median(inStore)), ' x'),
      plain('  the disk alone, two synced writes', median(disk), ' ms'),
      plain('  durable state / the disk alone', ratio(inStore, disk), ' x'),
    ];
  } finally {
    closeSync(file);
  }
}

/** How often an ADD and a DEL change the state. */
async function writes(host: Host, watch: Stopwatch<SqliteLeaseStore>, grid: RemoteGrid): Promise<Row[]> {
  const { addresses } = await grid.ask();
  watch.reset();
  await host.add('counted', { ipam: config });
  const ofAdd = watch.calls('apply');
  // Slow enough that nothing goes on before the answer is here.
  await grid.ask({ latencyMs: 300 });
  watch.reset();
  await host.call('DEL', 'counted', { ipam: config });
  const ofDel = watch.calls('apply');
  await grid.drained(addresses);
  await grid.quiet();
  return [
    exactly('state writes of an ADD', ofAdd, 2),
    exactly('state writes of a DEL before its answer', ofDel, 1),
    exactly('  as its release goes on', watch.calls('apply') - ofDel, 2),
  ];
}

const block = Buffer.alloc(16_384, 1);

function twice(file: number): void {
  for (let time = 0; time < 2; time += 1) {
    writeSync(file, block, 0, block.length, time * block.length);
    fdatasyncSync(file);
  }
}
