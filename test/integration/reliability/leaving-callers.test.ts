/** Callers die before they read their answer. Their address is released, unless another caller was told it. */
import { connect } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { requestFrame } from '../../../src/modes/protocol.ts';
import { until } from '../../fixture/host.ts';
import { pause, startWorld, type World } from '../../fixture/world.ts';

let world: World;

beforeEach(async () => {
  world = await startWorld();
});
afterEach(() => world.end());

/** Makes an ADD whose caller runs `beforeIt`, and is killed when the daemon has sent the answer, before it reads it. */
async function addUnread(containerId: string, beforeIt = async () => {}): Promise<void> {
  const { host } = world;
  const answers = () => host.log.filter(({ message }) => message.startsWith('ADD')).length;
  const before = answers();
  const socket = connect(host.socket);
  socket.pause();
  socket.write(requestFrame('ADD', host.callOf(containerId, { netns: '/none' })));
  await until('the daemon has answered', () => answers() > before);
  await beforeIt();
  socket.destroy();
}

/** Makes an ADD whose caller is killed while the grid is asked. */
async function addUnfinished(containerId: string): Promise<void> {
  const { grid, host } = world;
  const before = grid.requests.length;
  const socket = connect(host.socket);
  socket.write(requestFrame('ADD', host.callOf(containerId, { netns: '/none' })));
  await until('the grid is asked', () => grid.requests.length > before);
  socket.destroy();
}

const ours = () => world.ledger.reservations().filter(({ comment }) => comment?.includes('container=c1 '));

test('an address whose answer was not read is released', async () => {
  await addUnread('c1');
  await until('it is back', () => ours().length === 0);
  await world.ledger.settled();
});

test('an ADD whose caller leaves while the grid is asked leaves nothing', async () => {
  await world.caller.add('c0');
  world.grid.latencyMs = 30;
  await addUnfinished('c1');
  await world.ledger.settled();
  expect(ours()).toEqual([]);
  const said = () => world.host.log.filter(({ message }) => message.startsWith('ADD failed'));
  await until('it is said', () => said().length > 0);
  expect(said()[0]).toMatchObject({
    message: 'ADD failed',
    details: { error: 'the caller left before it had its answer' },
  });
});

test('the first caller keeps its address, however many repeated ADDs die before they read it', async () => {
  await world.caller.add('c1');
  for (let i = 0; i < 3; i += 1) await addUnread('c1');
  await world.caller.add('c1');
  await world.ledger.settled();
  expect(ours()).toHaveLength(1);
});

test('if the first caller dies and a repeated ADD is read, the address stays', async () => {
  await Promise.all([addUnread('c1'), world.caller.add('c1')]);
  await pause(100);
  await world.ledger.settled();
  expect(ours()).toHaveLength(1);
});

test('if the first caller dies while a repeated ADD asks the grid, that one gets the address', async () => {
  const { grid, host } = world;
  let again: Promise<string> | undefined;
  await addUnread('c1', async () => {
    grid.latencyMs = 300;
    grid.clearLog();
    again = host.add('c1');
    await until('the grid is asked', () => grid.requests.length > 0);
  });
  expect(await again).toBe(ours()[0]?.ipv4addr);
  await world.caller.check('c1');
});

test('a caller that leaves does not count against the grid, and STATUS succeeds', async () => {
  await world.caller.add('c0');
  world.grid.latencyMs = 50;
  for (const container of ['c1', 'c2', 'c3']) await addUnfinished(container);
  await until(
    'they are undone',
    () => world.host.log.filter(({ message }) => message.startsWith('ADD failed')).length > 2,
  );
  expect(await world.caller.status()).toBe('ok');
});
