import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { GridError } from '../../../../../src/infoblox/errors.ts';
import { callFields } from '../../../../../src/modes/daemon/handlers/calls.ts';
import type { Answer, Handler, Handlers } from '../../../../../src/modes/daemon/rpc/request.ts';
import { CallServer } from '../../../../../src/modes/daemon/rpc/server.ts';
import { noTracing } from '../../../../../src/modes/daemon/tracing/tracing.ts';
import {
  acceptedFrame,
  type Call,
  maxConfigBytes,
  maxFrameBytes,
  maxGcConfigBytes,
  maxGcFrameBytes,
  newCallId,
  protocolVersion,
  requestFrame,
  takenFrame,
} from '../../../../../src/modes/protocol.ts';
import { type LogLine, until } from '../../../../fixture/host.ts';
import { held, useGridAndHost } from '../../../infoblox/grid-and-host.ts';

const call: Call = {
  ...{
    protocol: protocolVersion,
    release: 'test',
    callId: newCallId(),
    containerId: 'c1',
    ifName: 'eth0',
    netns: '',
    args: '',
  },
  config: { name: 'net-1' },
};

let directory: string;
let file: string;
let server: CallServer;
let run: (gone: AbortSignal) => Promise<Answer>;
const log: LogLine[] = [];

function write(level: string) {
  return (message: string, details: LogLine['details'] = {}) => {
    log.push({ level, message, details });
  };
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-server-'));
  file = join(directory, 'infoblox.sock');
  run = async () => ({ result: { cniVersion: '1.1.0' }, fields: { address: '10.0.0.2' } });
  const handler: Handler = { timeoutMs: 12_345, run: (_, caller) => run(caller.gone) };
  const changing = { ...handler, changes: true };
  const handlers = { ADD: changing, DEL: changing, CHECK: handler, GC: changing, STATUS: handler };
  server = new CallServer({
    // This server gets only calls of plugins.
    handlers: handlers as unknown as Handlers,
    describe: (request) => callFields(request, 'default'),
    tracing: noTracing,
    log: { error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug') },
  });
  await server.listen({ path: file });
});
afterEach(async () => {
  vi.useRealTimers();
  await server.close();
  rmSync(directory, { recursive: true, force: true });
  log.length = 0;
});

/** Time limits that a test need not wait for. */
const timers: Parameters<typeof vi.useFakeTimers>[0] = {
  toFake: ['setTimeout', 'clearTimeout'],
  shouldAdvanceTime: true,
};

/** Sends bytes. @returns all that comes back after the acceptance until the daemon hangs up. `last` confirms the answer */
function talk(
  bytes: string | Buffer,
  then: (socket: Socket) => void = () => undefined,
  last = takenFrame,
): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(file);
    let text = '';
    socket.on('connect', () => {
      socket.write(bytes);
      then(socket);
    });
    socket.on('data', (chunk) => {
      text = `${text}${chunk}`.replace(acceptedFrame(12_345), '');
      if (text.endsWith('\n')) socket.end(last);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
  });
}

describe('a request', () => {
  test('is answered with one line, and logged with one line', async () => {
    const text = await talk(requestFrame('ADD', call));
    expect(JSON.parse(text)).toEqual({ jsonrpc: '2.0', id: 1, result: { cniVersion: '1.1.0' } });
    expect(text.indexOf('\n')).toBe(text.length - 1);
    expect(log).toEqual([
      {
        level: 'info',
        message: 'ADD',
        details: {
          ...{ command: 'ADD', network: 'net-1', view: 'default', container: 'c1', interface: 'eth0' },
          address: '10.0.0.2',
          milliseconds: expect.any(Number),
        },
      },
    ]);
  });

  test('that comes in pieces is assembled', async () => {
    const frame = Buffer.from(requestFrame('ADD', { ...call, args: 'K8S_POD_NAME=wéb' }));
    const at = frame.indexOf('é') + 1;
    const text = await talk(frame.subarray(0, at), (socket) => setTimeout(() => socket.write(frame.subarray(at)), 20));
    expect(JSON.parse(text)).toMatchObject({ result: {} });
  });

  test('that fails is answered with a CNI error and logged with its code', async () => {
    run = () => Promise.reject(new GridError('no-free-address', 'no free address', { hint: 'use a larger subnet' }));
    expect(JSON.parse(await talk(requestFrame('ADD', call)))).toEqual({
      ...{ jsonrpc: '2.0', id: 1 },
      error: { code: 101, message: 'no free address', data: { details: 'use a larger subnet' } },
    });
    expect(log[0]).toMatchObject({ level: 'error', message: 'ADD failed' });
    expect(log[0]?.details).toMatchObject({ code: 101, error: 'no free address', details: 'use a larger subnet' });
  });

  test('that fails with an internal error is answered, and the daemon keeps serving', async () => {
    run = () => Promise.reject(new TypeError('x is undefined'));
    expect(JSON.parse(await talk(requestFrame('ADD', call)))).toMatchObject({ error: { code: 100 } });
    expect(log[0]).toMatchObject({
      level: 'error',
      details: { code: 100, stack: expect.stringMatching(/TypeError: x is undefined\n +at .*server\.test\.ts/) },
    });
    run = async () => ({});
    expect(JSON.parse(await talk(requestFrame('DEL', call)))).toMatchObject({ result: null });
  });

  test('for STATUS that fails is not logged', async () => {
    run = () => Promise.reject(new GridError('unreachable', 'away'));
    await talk(requestFrame('STATUS', call));
    expect(log.map(({ level }) => level)).toEqual(['debug']);
  });

  test('in flight is completed before the daemon stops listening', async () => {
    const gate = Promise.withResolvers<void>();
    let running = false;
    run = async () => {
      running = true;
      await gate.promise;
      return { result: 'late' };
    };
    const answer = talk(requestFrame('ADD', call));
    await until('the call runs', () => running);
    const closed = server.close();
    gate.resolve();
    expect(JSON.parse(await answer)).toMatchObject({ result: 'late' });
    await closed;
    expect(await talk(requestFrame('ADD', call))).toBe('');
  });
});

test('a call is accepted at once with its maximum time, and answered when it is done', async () => {
  const gate = Promise.withResolvers<void>();
  run = async () => {
    await gate.promise;
    return { result: 'late' };
  };
  const socket = connect(file);
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.write(requestFrame('ADD', call));
  await until('it is accepted', () => text.endsWith('\n'));
  expect(JSON.parse(text)).toEqual({ jsonrpc: '2.0', method: 'accepted', params: { milliseconds: 12_345 } });
  gate.resolve();
  await until('it is answered', () => text.length > acceptedFrame(12_345).length);
  expect(JSON.parse(text.slice(acceptedFrame(12_345).length))).toMatchObject({ result: 'late' });
  socket.end(takenFrame);
});

describe('a request of more than the ordinary size', () => {
  const withPadding = (bytes: number) => ({ ...call, config: { name: 'net-1', padding: 'x'.repeat(bytes) } });

  test('is served up to 16 MiB for GC, and cut off for every other command', async () => {
    expect(JSON.parse(await talk(requestFrame('GC', withPadding(maxGcConfigBytes))))).toMatchObject({ result: {} });
    for (const method of ['ADD', 'DEL', 'CHECK', 'STATUS']) {
      expect(await talk(requestFrame(method, withPadding(2 * maxConfigBytes + 128 * 1024))), method).toBe('');
    }
    expect(await talk(requestFrame('GC', withPadding(maxGcFrameBytes)))).toBe('');
  });

  test('is refused with "try again" while another one is under way, and ordinary ones are served meanwhile', async () => {
    const gate = Promise.withResolvers<void>();
    let isRunning = false;
    run = async () => {
      isRunning = true;
      await gate.promise;
      return { result: 'first' };
    };
    const large = requestFrame('GC', withPadding(4 * maxConfigBytes));
    const first = talk(large);
    await until('the first one runs', () => isRunning);
    run = async () => ({ result: 'other' });
    expect(JSON.parse(await talk(large))).toMatchObject({
      error: { code: 11, message: expect.stringMatching(/^another large GC request is in progress/) },
    });
    expect(JSON.parse(await talk(requestFrame('GC', call)))).toMatchObject({ result: 'other' });
    gate.resolve();
    expect(JSON.parse(await first)).toMatchObject({ result: 'first' });
    expect(JSON.parse(await talk(large))).toMatchObject({ result: 'other' });
  });

  test('that is never finished makes room for others when its time is over', async () => {
    const large = requestFrame('GC', withPadding(4 * maxConfigBytes));
    vi.useFakeTimers(timers);
    let sending: Socket | undefined;
    const unfinished = talk(large.slice(0, -10), (socket) => {
      sending = socket;
    });
    await until('the daemon has read most of it', () => sending?.writableLength === 0);
    expect(await talk(large)).toContain('another large GC');
    vi.advanceTimersByTime(5_000);
    expect(await unfinished).toBe('');
    expect(JSON.parse(await talk(large))).toMatchObject({ result: {} });
  });
});

describe('a peer', () => {
  test.each([
    ['garbage', 'GET / HTTP/1.1\r\n\r\n'],
    ['an empty line', '\n'],
    ['JSON that is not a request', '{"jsonrpc":"2.0"}\n'],
    ['bytes that are not text', Buffer.from([0xff, 0xfe, 0x00, 0x0a])],
    ['another method', requestFrame('VERSION', call)],
  ])('that sends %s gets an error that says so', async (_, bytes) => {
    const { error } = JSON.parse(await talk(bytes));
    expect(error).toMatchObject({
      code: 100,
      message: expect.stringMatching(/^invalid request on the socket: /),
      data: { details: 'Use this socket only with the plugin and the commands of the same release.' },
    });
  });

  test('of another release is told which side to upgrade in the answer', async () => {
    const { error } = JSON.parse(await talk(requestFrame('ADD', { ...call, protocol: 99, release: '9.0.0' })));
    expect(error.code).toBe(11);
    expect(error.message).toContain('the plugin (release 9.0.0) speaks protocol 99');
    expect(error.data.details).toContain('Upgrade the daemon');
  });

  test('that sends a configuration of 1 MiB is served, one that never ends a line is cut off', async () => {
    const config = { name: 'net-1', notes: 'x'.repeat(1024 * 1024) };
    expect(JSON.parse(await talk(requestFrame('ADD', { ...call, config })))).toMatchObject({ result: {} });
    const begin = performance.now();
    expect(await talk(Buffer.alloc(maxFrameBytes + 1, 'x'))).toBe('');
    expect(performance.now() - begin).toBeLessThan(4_000);
  });

  test('that sends nothing, or half a request, is disconnected after five seconds, and others are served', async () => {
    vi.useFakeTimers(timers);
    const silent = Promise.all([talk(''), talk(requestFrame('ADD', call).slice(0, -10))]);
    await until('both are there', () => server.inFlight === 2);
    expect(JSON.parse(await talk(requestFrame('ADD', call)))).toMatchObject({ result: {} });
    expect(server.inFlight).toBe(2);
    vi.advanceTimersByTime(5_000);
    expect(await silent).toEqual(['', '']);
  });

  test('that hangs up before its line is complete has made no call', async () => {
    let asked = false;
    run = async () => {
      asked = true;
      return {};
    };
    await talk(requestFrame('ADD', call).slice(0, -1), (socket) => socket.destroy());
    await talk(requestFrame('DEL', call));
    expect(log.filter(({ message }) => message.startsWith('ADD'))).toEqual([]);
    expect(asked).toBe(true);
  });

  test('that disconnects during its call is noticed, and its answer counts as undelivered', async () => {
    let undelivered = 0;
    let noticed = false;
    const gate = Promise.withResolvers<void>();
    run = async (gone) => {
      gone.addEventListener('abort', () => {
        noticed = true;
        gate.resolve();
      });
      await gate.promise;
      return {
        undelivered: async () => {
          undelivered += 1;
        },
      };
    };
    await talk(requestFrame('ADD', call), (socket) => setTimeout(() => socket.destroy(), 20));
    await until('the answer was not delivered', () => undelivered === 1);
    expect(noticed).toBe(true);
  });

  test('that does not confirm the answer makes it count as undelivered, too', async () => {
    let undelivered = 0;
    const count = async () => {
      undelivered += 1;
    };
    let answered = false;
    run = async () => {
      setImmediate(() => {
        answered = true;
      });
      return { result: 'x'.repeat(1_000), undelivered: count };
    };
    await talk(requestFrame('ADD', call));
    expect(undelivered).toBe(0);
    for (const last of ['', takenFrame.slice(0, -1), takenFrame.replace('taken', 'token')]) {
      await talk(requestFrame('ADD', call), undefined, last);
    }
    await until('those were not delivered', () => undelivered === 3);
    undelivered = 0;
    answered = false;
    const socket = connect(file);
    socket.pause();
    socket.write(requestFrame('ADD', call));
    await until('the answer is on its way', () => answered);
    await new Promise((resolve) => setTimeout(resolve, 20));
    socket.destroy();
    await until('the answer was not delivered', () => undelivered === 1);
  });
});

describe('on the grid', () => {
  const fixture = useGridAndHost();

  test('the address of a caller that disconnects before the answer is released', async () => {
    const { grid, host } = fixture;
    await host.add('c0');
    const request = {
      ...call,
      config: host.config(),
    };
    const socket = connect(host.socket);
    socket.pause();
    socket.write(requestFrame('ADD', request));
    await until('the address is reserved', () => held(grid).length === 3);
    await until('it is given', () =>
      host.log.some(({ message, details }) => message === 'ADD' && details.address === '10.0.0.3'),
    );
    socket.destroy();
    await until('the address has gone back', () => held(grid).length === 2);
  });
});
