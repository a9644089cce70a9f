/**
 * ADDs whose plugin got no answer and leaves a note. Their address is released without a DEL, unless another caller was
 * told it.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { leaveNote } from '../../../src/modes/plugin/leave-note.ts';
import { newCallId, owedDir } from '../../../src/modes/protocol.ts';
import { isNote } from '../../../src/modes/release-note.ts';
import { until } from '../../fixture/host.ts';
import type { ProcessHost } from '../../fixture/process-host.ts';
import { startKillableWorld, type World } from '../../fixture/world.ts';

let world: World<ProcessHost>;

beforeEach(async () => {
  world = await startKillableWorld();
  await until('the daemon has made itself at home', () => world.host.writes.includes('setWhole'));
});
afterEach(() => world.end());

/** An ADD writes twice: at its begin and when it is bound. */
const whenBound = { write: 2, moment: 'after' } as const;

const reserved = (container = 'c1') =>
  world.ledger.reservations().filter(({ comment }) => comment?.includes(` container=${container} `));

/** Makes an ADD whose daemon is killed when the lease is durable, before the answer. @returns its ID, without a note yet */
async function killedWhenBound(write: { write: number; moment: 'after' } = whenBound): Promise<string> {
  const { host } = world;
  const callId = newCallId();
  await host.dieAt(write);
  await expect(host.add('c1', { callId })).rejects.toMatchObject({ asked: true });
  await host.died();
  expect(reserved()).toHaveLength(1);
  return callId;
}

function leaveUnanswered(callId: string): void {
  leaveNote({ socketDir: world.host.socketDir, driverName: 'infoblox' }, 'ADD', world.host.callOf('c1', { callId }));
}

/** Waits until the next daemon has taken over all notes. */
async function notesTaken(): Promise<void> {
  const { host } = world;
  await host.stop();
  await host.startHere();
  await until('the notes are taken over', () => !readdirSync(owedDir(host.socketDir, 'infoblox')).some(isNote));
}

/** Stops the daemon. @returns the address of c1 in its state */
async function leaseOf(): Promise<unknown> {
  await world.host.stop();
  const database = new DatabaseSync(join(world.host.directory, 'state', 'state.db'));
  try {
    return database.prepare("SELECT phase, address FROM lease WHERE mark LIKE '% container=c1 %'").get();
  } finally {
    database.close();
  }
}

/** Expects the address of c1 in the state and on the grid. */
async function expectBound(): Promise<void> {
  expect(await leaseOf()).toMatchObject({ phase: 'bound', address: '10.0.0.2' });
  expect(reserved().map(({ ipv4addr }) => ipv4addr)).toEqual(['10.0.0.2']);
}

test('an address is released if the daemon is killed before its answer', async () => {
  await world.host.dieAt(whenBound);
  expect(await world.caller.add('c1')).toBe('no answer');
  await world.host.died();
  expect(reserved()).toHaveLength(1);
  await world.host.startHere();
  await until('it has gone back', () => reserved().length === 0);
});

test.each([
  [
    'which knows that the first has its answer',
    async () => {
      const when = () => {
        void world.host.kill();
        return true;
      };
      world.grid.inject({ when, effect: { kind: 'hang', commit: false } });
    },
  ],
  [
    'of a later start, which records that there may be two',
    async () => {
      await world.host.kill();
      await world.host.start();
      await world.host.dieAt({ write: 1, moment: 'after' });
    },
  ],
])('a repeated ADD without an answer does not release the address of the first: a daemon %s', async (_, arrange) => {
  expect(await world.caller.add('c1')).toBe('ok');
  await arrange();
  expect(await world.caller.add('c1')).toBe('no answer');
  await world.host.died();
  await notesTaken();
  await expectBound();
});

test('a late note does not release the address of a later ADD that was answered', async () => {
  const first = await killedWhenBound();
  await world.host.startHere();
  expect(await world.caller.add('c1')).toBe('ok');
  leaveUnanswered(first);
  await notesTaken();
  await expectBound();
});

test.each([
  ['in their order', (ids: string[]) => ids],
  ['in the other order', (ids: string[]) => ids.toReversed()],
])('if none of several ADDs got an answer, the address is released: notes %s', async (_, ordered) => {
  const first = await killedWhenBound();
  await world.host.start();
  const second = await killedWhenBound({ write: 1, moment: 'after' });
  await world.host.startHere();
  const [before = '', last = ''] = ordered([first, second]);
  leaveUnanswered(before);
  await notesTaken();
  await expectBound();
  leaveUnanswered(last);
  await notesTaken();
  await until('it has gone back', () => reserved().length === 0);
});

test('of two simultaneous ADDs, one without the answer does not release the address of the other', async () => {
  const [told, untold] = [newCallId(), newCallId()];
  world.grid.latencyMs = 100;
  await Promise.all([told, untold].map((callId) => world.host.add('c1', { callId })));
  // The call behaves as if the answer had not arrived.
  leaveUnanswered(untold);
  await notesTaken();
  await expectBound();
  leaveUnanswered(told);
  await notesTaken();
  await until('it has gone back', () => reserved().length === 0);
});

test('a DEL that was noted is carried out, whatever notes of unanswered ADDs follow', async () => {
  expect(await world.caller.add('c1')).toBe('ok');
  await world.host.stop();
  world.caller.leaveNote('c1');
  leaveUnanswered(newCallId());
  await world.host.startHere();
  await world.ledger.settled();
  expect(reserved()).toEqual([]);
});

test('a lease with unknown callers is not released by the note of an ADD', async () => {
  const callId = newCallId();
  await world.host.add('c1', { callId });
  await world.host.stop();
  const database = new DatabaseSync(join(world.host.directory, 'state', 'state.db'));
  database.exec('UPDATE lease SET callers = NULL');
  database.close();
  leaveUnanswered(callId);
  await notesTaken();
  await expectBound();
});
