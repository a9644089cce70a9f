/**
 * The life of attachments as a state machine. fast-check runs sequences of calls, restarts, lost states, lost answers and
 * edits by hand against a model: each call ends as the model says, and the invariants hold.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CallOptions } from '../../fixture/host.ts';
import { until } from '../../fixture/host.ts';
import type { Ledger } from '../../fixture/ledger.ts';
import { pause, startWorld, type World } from '../../fixture/world.ts';
import type { Effect } from '../../simulator/grid.ts';

/**
 * The model's knowledge of an added attachment: whether the grid still has its reservation. One that was removed by hand is
 * re-created when the grid gives its address out again.
 */
type Model = Map<string, 'held' | 'lost'>;
type Step = fc.AsyncCommand<Model, World>;

const attachments = ['c1/eth0', 'c1/net1', 'c2/eth0', 'c3/eth0'] as const;
type Name = (typeof attachments)[number];

function parts(name: Name): [string, CallOptions & { readonly ifName: string }] {
  const [container = '', ifName = ''] = name.split('/');
  return [container, { ifName }];
}

const identity = (ledger: Ledger, name: Name) => {
  const [containerId, { ifName }] = parts(name);
  return ledger.identity('host-a', { network: 'net-1', containerId, ifName });
};

function step(
  text: string,
  possible: (model: Model) => boolean,
  run: (model: Model, world: World) => Promise<void>,
): Step {
  return {
    check: possible,
    run: async (model, world) => {
      await run(model, world);
      expect(world.ledger.brokenNow()).toEqual([]);
    },
    toString: () => text,
  };
}

const always = () => true;

const hasReadBack = ({ query, status }: World['grid']['requests'][number]) =>
  query['comment~'] !== undefined && status === 200;

const nothingLost = (model: Model) => ![...model.values()].includes('lost');

const isReserved = ({ ledger }: World, name: Name) =>
  ledger.reservations().some(({ comment }) => comment === identity(ledger, name));

const add = (name: Name): Step =>
  step(`ADD ${name}`, always, async (model, { caller }) => {
    expect(await caller.add(...parts(name))).toBe('ok');
    model.set(name, 'held');
  });

const addTwiceAtOnce = (name: Name): Step =>
  step(`ADD ${name} twice at once`, always, async (model, { caller }) => {
    expect(await Promise.all([caller.add(...parts(name)), caller.add(...parts(name))])).toEqual(['ok', 'ok']);
    model.set(name, 'held');
  });

const del = (name: Name): Step =>
  step(`DEL ${name}`, always, async (model, { caller }) => {
    expect(await caller.del(...parts(name))).toBe('ok');
    model.delete(name);
  });

const check = (name: Name): Step =>
  step(`CHECK ${name}`, always, async (model, world) => {
    const { caller } = world;
    const outcome = await caller.check(...parts(name));
    if (model.get(name) !== 'lost') expect(outcome).toBe(model.has(name) ? 'ok' : 104);
    else expect(outcome).toBe(isReserved(world, name) ? 'ok' : 104);
  });

const gc = (valid: readonly Name[]): Step =>
  step(`GC keeping ${valid.join(', ') || 'nothing'}`, always, async (model, { caller, host, ledger }) => {
    const list = valid.map(parts).map(([containerID, { ifName }]) => ({ containerID, ifname: ifName }));
    for (const name of attachments) if (!valid.includes(name)) caller.dies(...parts(name));
    await host.call('GC', '', { config: { 'cni.dev/valid-attachments': list } });
    for (const name of attachments) if (!valid.includes(name)) model.delete(name);
    // The release follows at once, or later if a lost answer or a restart leaves a delete in doubt.
    await ledger.settled();
  });

const removedByHand = (name: Name): Step =>
  step(
    `${name} removed by hand`,
    (model) => model.get(name) === 'held',
    async (model, world) => {
      const { grid, ledger } = world;
      // An attachment that only the grid knew becomes unknown with the removal.
      await until('it has been read back', () => grid.requests.some(hasReadBack));
      await pause(20);
      const object = ledger.reservations().find(({ comment }) => comment === identity(ledger, name));
      grid.remove(object?._ref ?? '');
      ledger.robbed(identity(ledger, name));
      model.set(name, 'lost');
    },
  );

const restart = (): Step =>
  step('restart', always, async (_, { host }) => {
    await host.stop();
    await host.start();
  });

const loseState = (): Step =>
  // With state and reservation lost, the address cannot be known to be in use. With state and answer lost, it cannot be
  // known which of two reservations is.
  step('restart without the state', nothingLost, async (_, { host, grid, ledger }) => {
    await pause(50);
    await ledger.settled();
    grid.clearLog();
    await host.stop();
    rmSync(join(host.directory, 'state'), { recursive: true });
    host.log.length = 0;
    await host.start();
    await until('the grid is known', () => host.log.some(({ message }) => message === 'grid available'));
  });

const disarm = new WeakMap<World['grid'], () => void>();

const loseAnswer = (effect: Effect): Step =>
  step(`the next create meets ${JSON.stringify(effect)}`, always, async (_, { grid }) => {
    // Only one fault at a time, as an ADD does not survive any number of them.
    disarm.get(grid)?.();
    disarm.set(grid, grid.inject({ method: 'POST', type: 'fixedaddress', effect }));
  });

const name = fc.constantFrom(...attachments);
const effect = fc.constantFrom<Effect>(
  { kind: 'reset' },
  { kind: 'reset', commit: true },
  { kind: 'status', status: 502, commit: true },
  { kind: 'truncate' },
  { kind: 'empty', commit: true },
  { kind: 'commit-later', after: 30 },
);

const steps = fc.commands(
  [
    name.map(add),
    name.map(add),
    name.map(addTwiceAtOnce),
    name.map(del),
    name.map(check),
    fc.subarray([...attachments]).map(gc),
    name.map(removedByHand),
    effect.map(loseAnswer),
    fc.constant(null).map(restart),
    fc.constant(null).map(loseState),
  ],
  { maxCommands: 30, size: 'max' },
);

test('in every sequence of calls and faults, each call ends as the model says, and the invariants hold', {
  timeout: 180_000,
}, async () => {
  const parameters = { numRuns: 60, interruptAfterTimeLimit: 7_000, markInterruptAsFailure: false };
  const property = fc.asyncProperty(steps, async (commands) => {
    const world = await startWorld();
    try {
      await fc.asyncModelRun(() => ({ model: new Map(), real: world }), commands);
      await world.ledger.settled();
    } finally {
      await world.end();
    }
  });
  await fc.assert(property, parameters);
});
