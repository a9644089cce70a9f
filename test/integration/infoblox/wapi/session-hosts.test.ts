import dns from 'node:dns';
import { createServer, connect as dial, type Server } from 'node:net';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { hostClock } from '../../../../src/infoblox/concurrency/clock.ts';
import { createAgent } from '../../../../src/infoblox/wapi/connection/agent.ts';
import type { Session } from '../../../../src/infoblox/wapi/session.ts';
import { until } from '../../../fixture/host.ts';
import { type Grid, startGrid } from '../../../simulator/grid.ts';
import { ask, failureOf, inTime, openSession, pauseless, write } from './session-fixture.ts';

/** Another loopback address, at which nothing listens unless a test starts it. */
const first = '127.0.0.2';

let grid: Grid;
let relay: Server | undefined;
const open: Session[] = [];
let now: number;

function session(hosts: readonly string[] = ['127.0.0.1'], clock = hostClock()): Session {
  const made = openSession({ port: grid.port, hosts, clock, now: () => now });
  open.push(made);
  return made;
}

/** Makes the grid answer at `first`, too, and counts the connections there. */
async function answerAtFirst(): Promise<{ connections: () => number }> {
  let count = 0;
  relay = createServer((socket) => {
    count += 1;
    const onward = dial(grid.port, '127.0.0.1');
    socket.on('error', () => onward.destroy());
    onward.on('error', () => socket.destroy());
    socket.pipe(onward).pipe(socket);
  });
  await new Promise<void>((resolve) => relay?.listen(grid.port, first, resolve));
  return { connections: () => count };
}

beforeEach(async () => {
  now = 0;
  grid = await startGrid();
});
afterEach(async () => {
  for (const made of open.splice(0)) await made.close(inTime(1000));
  relay?.close();
  relay = undefined;
  await grid.stop();
});

test('the error of a refused connection has no open outcome and names the flags, if its caller does not wait for the retry', async () => {
  const leaving = new AbortController();
  const clock = pauseless((count) => count === 2 && leaving.abort());
  await grid.pause();
  expect(await failureOf(write(session(['127.0.0.1'], clock), 'view-0', leaving.signal))).toMatchObject({
    reason: 'unreachable',
    outcome: 'none',
    message: expect.stringMatching(/^cannot connect to the grid at 127\.0\.0\.1:\d+: connection refused$/),
    hint: expect.stringContaining('--grid-host, --wapi-port'),
  });
});

test('a write whose connection is refused is retried until the grid is there', async () => {
  await grid.pause();
  const clock = pauseless((count) => count === 3 && grid.resume());
  await write(session(['127.0.0.1'], clock), 'view-1');
  expect(grid.objects('networkview')).toHaveLength(2);
});

test('the next host is asked at once if the first one does not listen, and stays in use', async () => {
  const pauses: number[] = [];
  const clock = pauseless((_, pauseMs) => pauses.push(pauseMs));
  const wapi = session([first, '127.0.0.1'], clock);
  await write(wapi, 'view-1');
  await ask(wapi);
  expect(pauses).toEqual([0]);
  expect(grid.requests.map(({ method }) => method)).toEqual(['POST', 'GET']);
});

test('the first host is asked again after its rest', async () => {
  const wapi = session([first, '127.0.0.1']);
  await ask(wapi);
  const { connections } = await answerAtFirst();
  now = 14_999;
  await ask(wapi);
  expect(connections()).toBe(0);
  now = 15_000;
  await ask(wapi);
  await ask(wapi);
  expect(connections()).toBe(1);
  expect(grid.logins).toBe(2);
});

test('a write goes to the next host if the first one is read-only', async () => {
  await answerAtFirst();
  const wapi = session([first, '127.0.0.1']);
  grid.inject({
    method: 'POST',
    effect: {
      kind: 'status',
      status: 400,
      contentType: 'application/json',
      body: JSON.stringify({ Error: 'AdmConDataError', code: 'Client.Ibap.Data', text: 'The grid is read-only' }),
    },
  });
  await write(wapi, 'view-1');
  expect(grid.requests.map(({ status }) => status)).toEqual([400, 201]);
});

test('a write whose answer was lost is not sent to the next host', async () => {
  await answerAtFirst();
  const wapi = session([first, '127.0.0.1']);
  grid.inject({ method: 'POST', effect: { kind: 'reset', commit: true } });
  expect(await failureOf(write(wapi, 'view-1'))).toMatchObject({ outcome: 'open' });
  expect(grid.requests).toHaveLength(1);
  await until('the write has been carried out', () => grid.objects('networkview').length === 2);
});

test('if all hosts are down, each is tried', async () => {
  const error = await failureOf(ask(session([first, '127.0.0.3'], pauseless())));
  expect(error).toMatchObject({ reason: 'unreachable', outcome: 'none' });
});

test('the error names a host name that does not resolve', async () => {
  vi.spyOn(dns, 'lookup').mockImplementation((...args) => {
    const callback = args.at(-1) as (error: Error) => void;
    callback(Object.assign(new Error('getaddrinfo ENOTFOUND grid.invalid'), { code: 'ENOTFOUND' }));
  });
  onTestFinished(() => void vi.restoreAllMocks());
  const error = await failureOf(ask(session(['grid.invalid'], pauseless())));
  expect(error).toMatchObject({ reason: 'unreachable', hint: expect.stringContaining('resolver') });
});

test('an untrusted certificate is not retried, as only the operator can fix it', async () => {
  const troubles: string[] = [];
  const wapi = openSession({
    port: grid.port,
    dispatcher: createAgent({ verify: true }, 1),
    onOutcome: (trouble) => troubles.push(trouble?.reason ?? 'none'),
  });
  expect(await failureOf(ask(wapi))).toMatchObject({ reason: 'untrusted' });
  expect(troubles).toEqual(['untrusted']);
  await wapi.close(inTime());
});
