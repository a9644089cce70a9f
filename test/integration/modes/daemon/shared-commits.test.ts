/** On a slow or full disk calls are accepted before any write, share commits, and are answered only after them. */
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { requestFrame, takenFrame } from '../../../../src/modes/protocol.ts';
import { Host, until } from '../../../fixture/host.ts';
import { type Grid, startGrid } from '../../../simulator/grid.ts';
import { held } from '../../infoblox/grid-and-host.ts';

/** Duration of a sync in milliseconds. */
const syncMs = 20;

let grid: Grid;
let host: Host;
/** The events in order: commits, requests that write to the grid, answers. */
let events: string[];
let isFull: boolean;
const commits = () => events.filter((event) => event === 'commit').length;

beforeEach(async () => {
  grid = await startGrid();
  grid.add('network', { network: '10.0.0.0/24' });
  isFull = false;
  const aroundCommit = (commit: () => void) => {
    if (isFull) throw new Error('disk is full');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, syncMs);
    commit();
    events.push('commit');
  };
  events = [];
  host = await new Host(grid, { aroundCommit }).start();
  await host.add('first');
  await until('it is at rest', () => host.log.some(({ message }) => message === 'grid available'));
  const isWrite = ({ method, type }: { method: string; type: string }) => method !== 'GET' && type === 'fixedaddress';
  grid.inject({
    times: 1_000,
    when: (request) => isWrite(request) && events.push(request.method) === 0,
    effect: { kind: 'delay', ms: 0 },
  });
  events = [];
});
afterEach(async () => {
  isFull = false;
  await host.dispose();
  await grid.stop();
});

interface Talk {
  /** Number of commits before the call was accepted. */
  accepted: number;
  /** The answer: `result`, or the code of the error. */
  answer: string | number | undefined;
}

/** Makes a call over a socket of its own, like a plugin. */
function call(method: 'ADD' | 'DEL', container: string): Promise<Talk> {
  return new Promise((resolve, reject) => {
    const talk: Talk = { accepted: Number.NaN, answer: undefined };
    const socket: Socket = connect(host.socket);
    let text = '';
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      text += chunk.toString();
      const frames = text.split('\n');
      text = frames.pop() ?? '';
      for (const frame of frames.map((one) => JSON.parse(one))) {
        if (frame.method === 'accepted') talk.accepted = commits();
        else {
          events.push(`${method} answered`);
          talk.answer = frame.error?.code ?? 'result';
          socket.end(takenFrame);
        }
      }
    });
    socket.on('close', () => resolve(talk));
    socket.write(requestFrame(method, host.callOf(container)));
  });
}

test('110 ADDs at once on a disk with 20 ms per sync are accepted before their commits, and share them', async () => {
  const talks = await Promise.all(Array.from({ length: 110 }, (_, n) => call('ADD', `c${n}`)));
  expect(talks.map(({ answer }) => answer)).toEqual(talks.map(() => 'result'));
  expect(Math.max(...talks.map(({ accepted }) => accepted))).toBeLessThan(55);
  // Each ADD begins and binds a lease: 220 changes, most of which share a commit.
  expect(commits()).toBeLessThan(110);
  expect(held(grid)).toHaveLength(112);
});

test('no write is sent to the grid and no call is answered before its change is durable', async () => {
  await call('ADD', 'c1');
  expect(events).toEqual(['commit', 'POST', 'commit', 'ADD answered']);
  events = [];
  await call('DEL', 'c1');
  await until('it is released', () => !held(grid).includes('10.0.0.3'));
  await until('that is durable', () => commits() === 3);
  expect(events).toEqual(['commit', 'DEL answered', 'commit', 'DELETE', 'commit']);
});

test('a failed commit fails all calls that waited for it, and none of them reaches the grid', async () => {
  isFull = true;
  const calls = [call('ADD', 'c1'), call('ADD', 'c2'), call('DEL', 'first'), call('ADD', 'c3')];
  expect((await Promise.all(calls)).map(({ answer }) => answer)).toEqual([5, 5, 5, 5]);
  expect(events.filter((event) => !event.endsWith('answered'))).toEqual([]);
  isFull = false;
  expect((await call('ADD', 'c1')).answer).toBe('result');
  expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.3']);
});
