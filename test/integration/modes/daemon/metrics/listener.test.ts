import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { forOwnNames, servePages, shared } from '../../../../../src/modes/daemon/metrics/listener.ts';
import { freePort } from '../../../../simulator/http/free-port.ts';

let port: number;
let stop: () => void;
let made: number;
const sockets: Socket[] = [];

beforeEach(async () => {
  port = await freePort();
  made = 0;
  const counted = shared(async () => ({ text: `made ${++made}\n` }), 1_000);
  stop = await servePages(
    { host: '127.0.0.1', port },
    { '/livez': () => ({ text: 'ok\n' }), '/counted': counted, '/own': forOwnNames(['host-a'], counted) },
  );
});
afterEach(() => {
  vi.useRealTimers();
  for (const socket of sockets.splice(0)) socket.destroy();
  stop();
});

/** Connects, and stays connected until the listener closes. */
async function client(): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined);
  sockets.push(socket);
  await once(socket.resume(), 'connect');
  return socket;
}

async function ask(path: string, headers: Readonly<Record<string, string>> = {}) {
  const request = get({ port, path, headers, host: '127.0.0.1', agent: false });
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  return { status: answer.statusCode, headers: answer.headers, text: await text(answer) };
}

test('40 open connections do not block other clients', async () => {
  for (let count = 0; count < 40; count += 1) {
    (await client()).write('GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n');
    await client(); // It sends nothing.
  }
  expect((await ask('/livez')).text).toBe('ok\n');
});

test('a connection is closed after its answer, even if the client wants to keep it', async () => {
  const socket = await client();
  const closed = once(socket, 'close');
  socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n');
  await closed;
});

test('of more than 32 connections the oldest is closed, not the newest', async () => {
  const [oldest] = await Promise.all(Array.from({ length: 32 }, client));
  const closed = once(oldest as Socket, 'close');
  const newest = await client();
  await closed;
  expect(newest.closed).toBe(false);
});

test.each([
  ['sends its request byte by byte', 'GET /livez HTTP/1.1\r\nX-Slow: '],
  ['says nothing', ''],
])('a client that %s is cut off after 10 s', async (_, beginning) => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const socket = await client();
  const closed = once(socket, 'close');
  socket.write(beginning);
  // The answer to a later connection proves that the listener has accepted this one.
  expect((await ask('/livez')).status).toBe(200);
  vi.advanceTimersByTime(10_000);
  await closed;
});

test('a page is made once in its lifetime, however often it is requested', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask('/counted')));
  expect(new Set(answers.map(({ text }) => text))).toEqual(new Set(['made 1\n']));
  vi.advanceTimersByTime(1_000);
  expect((await ask('/counted')).text).toBe('made 2\n');
});

test('no answer can be sniffed as another type, framed by another page, or cached', async () => {
  expect((await ask('/livez')).headers).toMatchObject({
    'x-content-type-options': 'nosniff',
    'content-security-policy': "frame-ancestors 'none'",
    'cache-control': 'no-store',
  });
});

test.each([
  ['127.0.0.1:9477', 200],
  ['[::1]:9477', 200],
  ['10.1.2.3', 200],
  ['localhost:9477', 200],
  ['host-a:9477', 200],
  ['HOST-A', 200],
  // DNS rebinding: a foreign name resolves to this host, and a browser treats it as the site of that name.
  ['evil.example.com:9477', 421],
  ['host-a.evil.example.com', 421],
  ['127.0.0.1.evil.example.com', 421],
  ['a b', 421],
])('the page for the host name %s: %i', async (host, status) => {
  expect((await ask('/own', { host })).status).toBe(status);
});
