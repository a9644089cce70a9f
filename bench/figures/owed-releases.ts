import { withHost } from '../bench-host.ts';
import { atMost, type Measurement, plain, type Row, type Settings } from '../figure.ts';
import { fillState, leaseIdentity } from '../leases.ts';

const many = 10_000;
const few = 1_000;
/** Seconds of processor time in which the daemon shall give back `many` addresses. */
const budget = 10;

export const owedReleases: Measurement = {
  name: 'owed-releases',
  about:
    'a daemon that starts with many releases owed, each with a reservation on the grid: processor time of the daemon, from /proc, ' +
    `until the grid has none of them; after it that of one with ${few}, so that the cost of one release in a long backlog ` +
    'can be compared with that in a short one.',
  run: measure,
};

async function measure({ quick, progress }: Settings): Promise<Row[]> {
  const backlog = quick ? 3 * few : many;
  progress(`owed-releases: ${backlog} and ${few} owed releases`);
  const [long, short] = [await settle(backlog), await settle(few)];
  const each = (milliseconds: number, releases: number) => milliseconds / releases;
  const detail = `${each(long.cpu, backlog).toFixed(2)} to ${each(short.cpu, few).toFixed(2)} ms of processor time`;
  return [
    atMost(`${many} owed releases: processor time`, (each(long.cpu, backlog) * many) / 1000, budget, ' s'),
    atMost(
      `a release among ${backlog} / among ${few}`,
      each(long.cpu, backlog) / each(short.cpu, few),
      1.25,
      ' x',
      detail,
    ),
    plain(`${backlog} owed releases until the grid has none`, long.wall / 1000, ' s'),
  ];
}

/** @returns milliseconds of processor time and by the wall until all is given back */
async function settle(releases: number): Promise<{ cpu: number; wall: number }> {
  const prepare = async (directory: string, grid: { ask(question: object): Promise<unknown> }) => {
    fillState(directory, releases, { state: 'owed', dueAt: Date.now() });
    const reservations = Array.from({ length: releases }, (_, n) => leaseIdentity(n));
    await grid.ask({ network: '10.65.0.0/16', reservations });
  };
  const begin = performance.now();
  return withHost({ prepare }, async ({ grid, daemon }) => {
    for (;;) {
      const { addresses } = await grid.ask({ clear: true });
      if (addresses === 0) return { cpu: daemon.cpuSeconds() * 1000, wall: performance.now() - begin };
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  });
}
