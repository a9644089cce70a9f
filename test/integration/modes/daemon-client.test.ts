/** How long the plugin waits for a daemon that restarts, hangs or is slow. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { callDaemon, NoAnswer } from '../../../src/modes/daemon-client.ts';
import { acceptedFrame, answerFrame, callTimeoutsMs, newCallId, protocolVersion } from '../../../src/modes/protocol.ts';
import { type FakeDaemon, startFakeDaemon } from '../../fixture/fake-daemon.ts';
import { until } from '../../fixture/host.ts';

const realSetTimeout = setTimeout;

let directory: string;
let file: string;
let fake: FakeDaemon | undefined;
let child: ChildProcess | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-call-'));
  file = join(directory, 'infoblox.sock');
});
afterEach(async () => {
  child?.kill('SIGKILL');
  child = undefined;
  await fake?.stop();
  fake = undefined;
  rmSync(directory, { recursive: true, force: true });
});

async function ask(method: string, limit = 10_000): Promise<unknown> {
  const ids = { protocol: protocolVersion, release: 'test', callId: newCallId(), containerId: 'c1', ifName: 'eth0' };
  const call = { ...ids, netns: '', args: '', config: { name: 'net-1' } };
  return callDaemon({ file, method, call, limitMs: limit }, (result) => result);
}

async function failureOf(asking: Promise<unknown>): Promise<{ asked: boolean; message: string; milliseconds: number }> {
  const begin = performance.now();
  const error = await asking.then(
    () => undefined,
    (failure) => failure,
  );
  if (!(error instanceof NoAnswer)) throw new Error(`no NoAnswer but ${error}`);
  return { asked: error.asked, message: error.message, milliseconds: performance.now() - begin };
}

const serve = (socket: Socket) => {
  socket.write(acceptedFrame(1_000));
  socket.write(answerFrame({ result: 'here' }));
};

describe('an ADD', () => {
  test('waits for a daemon that is being restarted', async () => {
    const asking = ask('ADD');
    setTimeout(async () => {
      fake = await startFakeDaemon(file, serve);
    }, 500);
    expect(await asking).toBe('here');
  });

  test('that a daemon did not accept before its end goes to the next daemon', async () => {
    let connections = 0;
    fake = await startFakeDaemon(file, (socket) => {
      connections += 1;
      if (connections > 2) serve(socket);
      else if (connections === 2) socket.destroy();
      else socket.end();
    });
    expect(await ask('ADD')).toBe('here');
    expect(connections).toBe(3);
  });

  test('without a daemon ends after two seconds, and was not sent', async () => {
    const { asked, message, milliseconds } = await failureOf(ask('ADD'));
    expect({ asked, message }).toEqual({
      asked: false,
      message: `infoblox-cni-daemon is not running: nothing listens at ${file}`,
    });
    expect(milliseconds).toBeGreaterThan(1_900);
    expect(milliseconds).toBeLessThan(3_000);
  });

  test('that was accepted is not repeated when the daemon ends, as it may have been carried out', async () => {
    let connections = 0;
    fake = await startFakeDaemon(file, (socket) => {
      connections += 1;
      socket.end(acceptedFrame(1_000));
    });
    expect(await failureOf(ask('ADD'))).toMatchObject({ asked: true, message: expect.stringContaining('ended') });
    expect(connections).toBe(1);
  });
});

test.each(['DEL', 'CHECK', 'GC', 'STATUS'])('a %s without a daemon does not wait for one', async (method) => {
  const { asked, milliseconds } = await failureOf(ask(method));
  expect(asked).toBe(false);
  expect(milliseconds).toBeLessThan(1_500);
});

describe('a silent daemon', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  });
  afterEach(() => {
    vi.restoreAllMocks();
    vi.useRealTimers();
  });

  /** @param accepted milliseconds that the daemon announces; undefined if it does not accept the call */
  async function failureAfter(waitMs: number, asking: () => Promise<unknown>, accepted?: number) {
    fake = await startFakeDaemon(file, (socket) => {
      if (accepted !== undefined) socket.write(acceptedFrame(accepted));
    });
    const timers = vi.spyOn(globalThis, 'setTimeout');
    const failure = failureOf(asking());
    let isOver = false;
    void failure.finally(() => {
      isOver = true;
    });
    const isWaiting = () => timers.mock.calls.some(([, delay = 0]) => delay > waitMs - 1_000 && delay <= waitMs);
    while (!isWaiting()) await new Promise(setImmediate);
    vi.advanceTimersByTime(waitMs - 1_000);
    await new Promise(setImmediate);
    expect(isOver).toBe(false);
    vi.advanceTimersByTime(1_000);
    return failure;
  }

  test('that does not accept a call within three seconds counts as hanging, and the call fails', async () => {
    const message = `the daemon at ${file} did not accept the call within 3 s`;
    expect(await failureAfter(3_000, () => ask('ADD'))).toMatchObject({ asked: true, message });
  });

  test.each([
    ['ADD', 65_000],
    ['DEL', 4_500],
    ['CHECK', 15_000],
    ['GC', 60_000],
    ['STATUS', 5_000],
  ] as const)('that accepts a call and never answers makes a %s wait for %i ms', async (method, limit) => {
    const message = `the daemon at ${file} did not answer in time`;
    const asking = () => ask(method, callTimeoutsMs[method]);
    expect(await failureAfter(limit, asking, 90_000)).toMatchObject({ asked: true, message });
  });

  test('whose answer comes in time, but is read later, as after a pause of the host, is not silent', async () => {
    const { promise: peer, resolve: serveLater } = Promise.withResolvers<Socket>();
    fake = await startFakeDaemon(file, serveLater);
    const timers = vi.spyOn(globalThis, 'setTimeout');
    const asking = ask('ADD');
    const socket = await peer;
    while (timers.mock.calls.length === 0) await new Promise(setImmediate);
    // A timer, as the socket is read only after it.
    realSetTimeout(() => {
      socket.write(acceptedFrame(1_000) + answerFrame({ result: 'in time' }));
      vi.advanceTimersByTime(3_000);
    });
    expect(await asking).toBe('in time');
  });

  test('that accepts a call has five seconds more than it announced', async () => {
    const message = `the daemon at ${file} did not answer in time`;
    expect(await failureAfter(5_200, () => ask('ADD', 60_000), 200)).toMatchObject({ asked: true, message });
  });
});

test('an answer in pieces, together with the acceptance, is assembled', async () => {
  const frames = Buffer.from(acceptedFrame(1_000) + answerFrame({ result: 'dé' }));
  fake = await startFakeDaemon(file, (socket) => {
    const at = frames.length - 4;
    socket.write(frames.subarray(0, at));
    setTimeout(() => socket.write(frames.subarray(at)), 30);
  });
  expect(await ask('ADD')).toBe('dé');
});

test('an answer in time is accepted without an acceptance before it', async () => {
  fake = await startFakeDaemon(file, (socket) => {
    socket.write(answerFrame({ result: 'as ever' }));
  });
  expect(await ask('ADD')).toBe('as ever');
});

test('a call waits for a place in the full queue of the socket', async () => {
  // A listener with a queue for one that accepts nobody for a while.
  const goOn = join(directory, 'go-on');
  const script = `
    const { existsSync, writeSync } = require('node:fs');
    const { createServer } = require('node:net');
    const sleep = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    const server = createServer((socket) => socket.write(${JSON.stringify(answerFrame({ result: 'served' }))}));
    server.listen({ path: ${JSON.stringify(file)}, backlog: 1 }, () => {
      writeSync(1, 'ready');
      while (!existsSync(${JSON.stringify(goOn)})) sleep();
    });`;
  child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let isReady = false;
  child.stdout?.on('data', () => {
    isReady = true;
  });
  await until('it listens', () => isReady);
  const answers = Promise.all(Array.from({ length: 8 }, () => ask('CHECK')));
  await new Promise((resolve) => setTimeout(resolve, 500));
  writeFileSync(goOn, '');
  expect(new Set(await answers)).toEqual(new Set(['served']));
});
