/**
 * The long chaos run: `node test/e2e/reliability/soak.ts --operations 100000 --seed 1`. At the end the invariants hold, and
 * the daemon that was never killed uses as much memory and as many file descriptors as after its warm-up.
 */
import { parseArgs } from 'node:util';
import type { ProcessHost } from '../../fixture/process-host.ts';
import { Chaos } from './chaos.ts';
import { startChaosWorld } from './chaos-world.ts';

/** Permitted growth of a daemon since its warm-up, as the heap of Node varies. */
const growth = { rss: 40 * 1024 * 1024, descriptors: 6 };
/** Share of the run that counts as warm-up. */
const warm = 0.2;

const { values } = parseArgs({
  options: {
    operations: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    'trouble-every': { type: 'string', default: '400' },
  },
});
const wanted = Number(values.operations);
const seed = Number(values.seed);

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

interface Usage {
  readonly rss: number;
  readonly descriptors: number;
}

/** Measures after a pause, when connections of the last burst are closed. */
function describe({ rss, descriptors }: Usage): string {
  return `${(rss / 1024 / 1024).toFixed(1)} MiB, ${descriptors} file descriptors`;
}

async function soak(): Promise<void> {
  const world = await startChaosWorld();
  const [mortal, steady] = [...world.hosts.values()] as [ProcessHost, ProcessHost];
  const begin = performance.now();
  let warmUsage: Usage | undefined;
  let nextLine = 0;
  const chaos = new Chaos({
    ...world,
    killable: [mortal],
    seed,
    containers: 8,
    troubleEvery: Number(values['trouble-every']),
    enough: (operations) => {
      if (operations >= wanted * warm) warmUsage ??= steady.usage();
      if (operations >= nextLine) {
        nextLine += wanted / 20;
        const seconds = Math.round((performance.now() - begin) / 1_000);
        print(`${String(operations).padStart(8)} operations, ${seconds} s, steady daemon ${describe(steady.usage())}`);
      }
      return operations >= wanted;
    },
  });
  try {
    print(
      `seed ${seed}: ${wanted} operations on ${world.hosts.size} hosts; the daemon of host-a is killed now and then`,
    );
    const { operations, kills, outcomes } = await chaos.run();
    const last = steady.usage();
    for (const [outcome, count] of [...outcomes].sort()) print(`${String(count).padStart(8)} ${outcome}`);
    print(`${operations} operations, ${kills} kills: all invariants hold`);
    print(`steady daemon: ${describe(warmUsage ?? last)} when warm, ${describe(last)} at the end`);
    const grown = {
      rss: last.rss - (warmUsage ?? last).rss,
      descriptors: last.descriptors - (warmUsage ?? last).descriptors,
    };
    if (grown.rss > growth.rss || grown.descriptors > growth.descriptors) throw new Error('the daemon has grown');
  } finally {
    await world.end();
  }
}

soak().then(
  () => process.exit(0),
  (error) => {
    print(`FAILED, seed ${seed}: ${error instanceof Error ? (error.stack ?? error.message) : error}`);
    process.exit(1);
  },
);
