/**
 * The daemon is killed at every request to the grid - before it arrives, and after it has been carried out and before
 * the answer - and before and after every write to its durable state. It is started again, the runtime does what runtimes
 * do, and the invariants hold. How many requests and writes there are is counted first, so no point is left out.
 */
import { afterAll, describe, expect, test, vi } from 'vitest';
import { Semaphore } from '../../../src/infoblox/concurrency/locks.ts';
import { until } from '../../fixture/host.ts';
import type { ProcessHost } from '../../fixture/process-host.ts';
import { pause, startKillableWorld, type World } from '../../fixture/world.ts';
import { type Scenario, scenarios } from './crash-scenarios.ts';

// Points wait for processes to start and answers to settle: several at a time, whatever scenario they belong to.
vi.setConfig({ maxConcurrency: scenarios.length });
const running = new Semaphore(4);

/** Where the daemon dies. */
type Point = {
  readonly at: 'request' | 'write';
  readonly number: number;
  readonly moment: 'before' | 'after';
};

let points = 0;

/** Until the daemon has read back what it holds and does nothing more by itself. */
function atHome({ host }: World<ProcessHost>): Promise<void> {
  return until('the daemon has made itself at home', () => host.writes.some((what) => what.includes('setWhole')));
}

/** Until the daemon has done what follows from its answer: a DEL is carried out after it. */
async function atRest({ grid, host, ledger }: World<ProcessHost>): Promise<void> {
  await ledger.settled();
  for (let before = -1; ; ) {
    const done = grid.requests.length + host.writes.length;
    if (done === before) return;
    before = done;
    await pause(200);
  }
}

/** The world before the call, with a daemon that has nothing left to do by itself. */
async function prepared(scenario: Scenario): Promise<World<ProcessHost>> {
  const world = await startKillableWorld();
  await atHome(world);
  await scenario.prepare(world);
  world.grid.clearLog();
  world.host.writes.length = 0;
  return world;
}

/** Every point at which the call can be interrupted. */
async function pointsOf(scenario: Scenario): Promise<Point[]> {
  const world = await prepared(scenario);
  try {
    expect(await scenario.act(world)).toBe('ok');
    await atRest(world);
    const counts = { request: world.grid.requests.length, write: world.host.writes.length };
    return (['request', 'write'] as const).flatMap((at) =>
      Array.from({ length: counts[at] }, (_, index) => index + 1).flatMap((number) =>
        (['before', 'after'] as const).map((moment) => ({ at, number, moment })),
      ),
    );
  } finally {
    await world.end();
  }
}

/** Arranges the death; a request that the daemon dies at is never answered. */
async function arrange({ grid, host }: World<ProcessHost>, { at, number, moment }: Point): Promise<void> {
  if (at === 'write') return host.dieAt({ write: number, moment });
  let seen = 0;
  const isTheOne = () => {
    seen += 1;
    if (seen === number) void host.kill();
    return seen === number;
  };
  grid.inject({ when: isTheOne, effect: { kind: 'hang', commit: moment === 'after' } });
}

async function crash(scenario: Scenario, point: Point): Promise<void> {
  await running.acquire(new AbortController().signal);
  const world = await prepared(scenario);
  try {
    await arrange(world, point);
    await scenario.act(world);
    // Not every point comes in every run: a repeated ADD writes only while it is not known that the first has its answer.
    await Promise.race([world.host.died(), atRest(world)]);
    await world.host.kill();
    await world.host.startHere();
    expect(await scenario.afterwards(world)).toBe('ok');
    await world.ledger.settled();
  } catch (error) {
    throw new Error(`killed ${point.moment} ${point.at} ${point.number} of ${scenario.name}`, { cause: error });
  } finally {
    await world.end();
    running.release();
  }
}

describe.concurrent('killed during', () => {
  test.each(scenarios)('$name', { timeout: 120_000 }, async (scenario) => {
    const all = await pointsOf(scenario);
    points += all.length;
    await Promise.all(all.map((point) => crash(scenario, point)));
  });
});

test('an ADD that dies with the daemon is undone by the next daemon, though nobody asks', async () => {
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

afterAll(() => expect(points, 'points at which the daemon was killed').toBeGreaterThan(40));
