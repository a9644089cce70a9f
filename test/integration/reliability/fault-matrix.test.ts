/** Every command meets every fault of the table. The answers are those of the table, and the invariants hold afterwards. */
import { describe, expect, test, vi } from 'vitest';
import { atMost } from '../../fixture/at-most.ts';
import type { Outcome } from '../../fixture/calls.ts';
import { until } from '../../fixture/host.ts';
import { pause, startWorld, type World } from '../../fixture/world.ts';
import { type FaultRow, faults } from './fault-matrix.ts';

const commands = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS'] as const;
type Command = (typeof commands)[number];

/** Milliseconds in which each command must answer, whatever happens. ADD has 4 s. */
const deadlines: Record<Command, number> = { ADD: 8_000, DEL: 5_000, CHECK: 13_000, GC: 56_000, STATUS: 3_000 };

async function meet({ caller }: World, command: Command): Promise<Outcome> {
  switch (command) {
    case 'ADD':
      return caller.add('new');
    case 'DEL':
      return caller.del('leaving', { release: 'later' });
    case 'CHECK':
      return caller.check('staying');
    case 'GC':
      caller.dies('leaving');
      return caller.gc(['staying']);
    case 'STATUS':
      return caller.status();
  }
}

/** Waits for a STATUS, which reflects the last requests: after the fault the next request must succeed first. */
async function statusSoon(world: World, expected: Outcome): Promise<Outcome> {
  const end = performance.now() + 10_000;
  for (;;) {
    const outcome = await world.caller.status();
    if (outcome === expected || performance.now() > end) return outcome;
    await pause(50);
  }
}

// The rows mostly wait for time-outs, so many can run at once.
vi.setConfig({ maxConcurrency: 10 });

const settingUp = atMost(4);

/** Makes a world with a container that stays and one that leaves. Setting up needs the processor, so few run at a time. */
function inhabitedWorld(): Promise<World> {
  return settingUp(async () => {
    const world = await startWorld({ flags: ['--add-timeout=4s'], passwordFromFile: true });
    for (const container of ['staying', 'leaving'])
      await until(`${container} runs`, async () => (await world.caller.add(container)) === 'ok');
    return world;
  });
}

/** Runs one cell of the matrix in a world of its own. */
async function cell(row: FaultRow, command: Command): Promise<{ outcome: Outcome; milliseconds: number }> {
  const { arm, durationMs } = row;
  const world = await inhabitedWorld();
  try {
    const heal = await arm(world.grid);
    const healed = durationMs === undefined ? undefined : pause(durationMs).then(heal);
    if (command === 'STATUS') await world.caller.add('new');
    const begin = performance.now();
    const outcome = await meet(world, command);
    const milliseconds = performance.now() - begin;
    const final = command === 'STATUS' ? await statusSoon(world, row.STATUS) : outcome;
    await (healed ?? heal());
    await world.ledger.settled();
    return { outcome: final, milliseconds };
  } finally {
    await world.end();
  }
}

describe.concurrent('fault', () => {
  test.each(faults)('$number: $fault', { timeout: 180_000 }, async (row) => {
    const cells = await Promise.all(commands.map(async (command) => ({ command, ...(await cell(row, command)) })));
    const expected = commands.map((command) => [command, row[command]]);
    expect(cells.map(({ command, outcome }) => [command, outcome])).toEqual(expected);
    const late = cells.filter(({ command, milliseconds }) => milliseconds > deadlines[command]);
    expect(late).toEqual([]);
  });
});
