import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Host } from '../../test/fixture/host.ts';
import { atMost, exactly, type Measurement, plain, type Row, type Settings } from '../figure.ts';
import { RemoteGrid } from '../remote-grid.ts';
import { interleave, median, ratio, timed } from '../samples.ts';

export const durability: Measurement = {
  name: 'durability',
  about:
    'the daemon inside the bench process, its store on a real disk, every commit timed during warm ADDs over the ' +
    'socket. Commits are synchronous, so their sum is what durable state adds to an ADD. The disk alone: two ' +
    'overwrites of 16 KiB, each with fdatasync, as SQLite does for an ADD, in turns with the ADDs. If the disk ' +
    'alone misses the target, no durable state can meet it. Concurrent calls share commits. A single DEL has one ' +
    'commit before its answer and two during its release.',
  run: measure,
};

const config = { subnet: '10.64.0.0/15', gateway: '10.64.0.1' };

/** Commits since the start. */
interface Commits {
  count: number;
  milliseconds: number;
}

async function measure({ quick, progress }: Settings): Promise<Row[]> {
  const rounds = quick ? 60 : 400;
  progress(`durability: ${rounds} ADDs with the store's time taken`);
  const grid = await RemoteGrid.start();
  const commits: Commits = { count: 0, milliseconds: 0 };
  const aroundCommit = (commit: () => void) => {
    const began = performance.now();
    commit();
    commits.milliseconds += performance.now() - began;
    commits.count += 1;
  };
  const host = await new Host(grid.access, { aroundCommit }).start();
  try {
    await host.add('first', { ipam: config });
    return [...(await times(host, commits, rounds)), ...(await countOf(host, commits, grid))];
  } finally {
    await host.dispose();
    await grid.stop();
  }
}

/** Compares the store's part of an ADD with the disk's. */
async function times(host: Host, commits: Commits, rounds: number): Promise<Row[]> {
  const file = openSync(join(host.directory, 'disk'), 'w');
  try {
    let container = 0;
    const inStore: number[] = [];
    const add = async () => {
      container += 1;
      const before = commits.milliseconds;
      const { milliseconds } = await timed(() => host.add(`container-${container}`, { ipam: config }));
      inStore.push(commits.milliseconds - before);
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

/** Counts the commits of an ADD and of a DEL. */
async function countOf(host: Host, commits: Commits, grid: RemoteGrid): Promise<Row[]> {
  const { addresses } = await grid.ask();
  const start = commits.count;
  await host.add('counted', { ipam: config });
  const added = commits.count;
  // So slow that nothing happens before the answer.
  await grid.ask({ latencyMs: 300 });
  await host.call('DEL', 'counted', { ipam: config });
  const deleted = commits.count;
  await grid.drained(addresses);
  await grid.quiet();
  // Nothing waits for the last commit.
  await new Promise((resolve) => setTimeout(resolve, 500));
  return [
    exactly('commits of an ADD', added - start, 2),
    exactly('commits of a DEL before its answer', deleted - added, 1),
    exactly('  as its release goes on', commits.count - deleted, 2),
  ];
}

const block = Buffer.alloc(16_384, 1);

function twice(file: number): void {
  for (let time = 0; time < 2; time += 1) {
    writeSync(file, block, 0, block.length, time * block.length);
    fdatasyncSync(file);
  }
}
