/**
 * Kills the daemon by SIGKILL before and after every write of its state to SQLite, during an ADD and a DEL. Then restarts it, acts as a
 * runtime does, and checks the invariants: synced writes exist, others are undone as a whole. First counts the writes, so that no point is
 * left out. test/simulation/crash.test.ts kills it at all other points, and in all other operations.
 */
import { describe, expect, test } from 'vitest';
import { atMost } from '../../fixture/at-most.ts';
import type { Outcome } from '../../fixture/calls.ts';
import type { DieAtWrite } from '../../fixture/daemon-process.ts';
import { until } from '../../fixture/host.ts';
import type { ProcessHost } from '../../fixture/process-host.ts';
import { pause, startKillableWorld, type World } from '../../fixture/world.ts';

interface Scenario {
  readonly name: string;
  /** Containers already running. */
  readonly running: readonly string[];
  /** The call during which the daemon is killed. */
  readonly act: (world: World) => Promise<Outcome>;
  /** Actions of the runtime after the restart. */
  readonly afterwards: (world: World) => Promise<Outcome>;
}

const scenarios: readonly Scenario[] = [
  {
    name: 'an ADD, tried again',
    running: ['c0'],
    act: ({ caller }) => caller.add('c1'),
    afterwards: ({ caller }) => caller.add('c1'),
  },
  {
    name: 'a DEL, whose plugin leaves a note',
    running: ['c0', 'c1'],
    act: ({ caller }) => caller.del('c1'),
    afterwards: ({ caller }) => caller.check('c0'),
  },
];

/** Points wait for processes to start and answers to settle: several at a time. */
const running = atMost(4);

/** Waits until the daemon has loaded its state and is idle. */
function atHome({ host }: World<ProcessHost>): Promise<void> {
  return until('the daemon has made itself at home', () => host.writes.some((what) => what.includes('setWhole')));
}

/** Waits until the daemon has completed its work after an answer: it carries out a DEL after answering it. */
async function atRest({ grid, host, ledger }: World<ProcessHost>): Promise<void> {
  await ledger.settled();
  for (let before = -1; ; ) {
    const done = grid.requests.length + host.writes.length;
    if (done === before) return;
    before = done;
    await pause(200);
  }
}

/** Prepares the world before the call, with an idle daemon. */
async function prepared({ running: containers }: Scenario): Promise<World<ProcessHost>> {
  const world = await startKillableWorld();
  await atHome(world);
  for (const container of containers) expect(await world.caller.add(container)).toBe('ok');
  world.host.writes.length = 0;
  return world;
}

/** Lists all writes at which the daemon can be killed. */
async function pointsOf(scenario: Scenario): Promise<DieAtWrite[]> {
  const world = await prepared(scenario);
  try {
    expect(await scenario.act(world)).toBe('ok');
    await atRest(world);
    return world.host.writes.flatMap((_, index) =>
      (['before', 'after'] as const).map((moment) => ({ write: index + 1, moment })),
    );
  } finally {
    await world.end();
  }
}

async function crash(scenario: Scenario, point: DieAtWrite): Promise<void> {
  const world = await prepared(scenario);
  try {
    await world.host.dieAt(point);
    await scenario.act(world);
    await Promise.race([world.host.died(), atRest(world)]);
    await world.host.kill();
    await world.host.startHere();
    expect(await scenario.afterwards(world)).toBe('ok');
    await world.ledger.settled();
  } catch (error) {
    throw new Error(`killed ${point.moment} write ${point.write} of ${scenario.name}`, { cause: error });
  } finally {
    await world.end();
  }
}

describe.concurrent('killed during', () => {
  test.each(scenarios)('$name', async (scenario) => {
    const points = await pointsOf(scenario);
    expect(points.length).toBeGreaterThanOrEqual(4);
    await Promise.all(points.map((point) => running(() => crash(scenario, point))));
  });
});

test('an ADD that dies with the daemon is undone by the next daemon without a call', async () => {
  const world = await startKillableWorld();
  try {
    await atHome(world);
    await world.host.dieAt({ write: 2, moment: 'before' });
    expect(await world.caller.add('c1')).toBe('no answer');
    await world.host.died();
    expect(world.ledger.reservations()).toHaveLength(1);
    await world.host.startHere();
    await until('it is undone', () => world.ledger.reservations().length === 0);
  } finally {
    await world.end();
  }
});
