/** Messages to systemd, with a file for its socket and a script for its program. `test/e2e/systemd.test.ts` has the real ones. */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { descriptorOf, notifyReady, watchdogIntervalMs } from '../../../../../src/modes/daemon/process.ts';
import { until } from '../../../../fixture/host.ts';

let directory: string;
let told: string;
const errors: unknown[] = [];
const ignore = () => undefined;
const log = { error: (...line: unknown[]) => void errors.push(line), warn: ignore, info: ignore, debug: ignore };

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-notify-'));
  told = join(directory, 'told');
  writeFileSync(told, '');
  vi.useFakeTimers({ toFake: ['setInterval'] });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
  errors.length = 0;
  rmSync(directory, { recursive: true });
});

const messages = () => readFileSync(told, 'utf8');

test('over the connection of OpenFile= the daemon reports that it is ready, and a sign of life in each third of WatchdogSec=', async () => {
  const descriptor = openSync(told, 'a');
  // Descriptors start at 3, and the earlier ones have other names.
  const names = [...Array(descriptor - 3).fill('other'), 'notify'].join(':');
  const env = { NOTIFY_SOCKET: '/run/systemd/notify', LISTEN_PID: String(process.pid), LISTEN_FDNAMES: names };
  try {
    notifyReady({ ...env, WATCHDOG_USEC: '60000000', WATCHDOG_PID: String(process.pid) }, log);
    await until('it is ready', () => messages() === 'READY=1');
    vi.advanceTimersByTime(19_999);
    expect(messages()).toBe('READY=1');
    vi.advanceTimersByTime(40_001);
    await until('three signs of life', () => messages() === `READY=1${'WATCHDOG=1'.repeat(3)}`);
    expect(errors).toEqual([]);
  } finally {
    closeSync(descriptor);
  }
});

test('without a connection from systemd, systemd-notify sends the message', async () => {
  writeFileSync(join(directory, 'systemd-notify'), `#!/bin/sh\necho "$@" >> ${told}\n`, { mode: 0o755 });
  vi.stubEnv('PATH', `${directory}:${process.env.PATH}`);
  notifyReady({ NOTIFY_SOCKET: '/run/systemd/notify' }, log);
  await until('it is ready', () => messages() === 'READY=1\n');
});

test('a failure to notify is logged once', async () => {
  vi.stubEnv('PATH', directory);
  notifyReady({ NOTIFY_SOCKET: '/run/systemd/notify', WATCHDOG_USEC: '3000000' }, log);
  vi.advanceTimersByTime(3_000);
  await until('it is said', () => errors.length > 0);
  await new Promise((resolve) => setImmediate(resolve));
  expect(errors).toHaveLength(1);
});

test('without systemd nothing is sent', () => {
  vi.stubEnv('PATH', directory);
  notifyReady({ WATCHDOG_USEC: '3000000' }, log);
  expect(vi.getTimerCount()).toBe(0);
});

test.each([
  [{ WATCHDOG_USEC: '60000000', WATCHDOG_PID: '7' }, 20_000],
  [{ WATCHDOG_USEC: '60000000' }, 20_000],
  [{ WATCHDOG_USEC: '60000000', WATCHDOG_PID: '8' }, undefined],
  [{ WATCHDOG_USEC: '0' }, undefined],
  [{ WATCHDOG_USEC: 'x' }, undefined],
  [{}, undefined],
])('watched by %j: a sign of life every %s ms', (env, pause) => {
  expect(watchdogIntervalMs(env, 7)).toBe(pause);
});

test.each([
  [{ LISTEN_PID: '7', LISTEN_FDNAMES: 'notify' }, 3],
  [{ LISTEN_PID: '7', LISTEN_FDNAMES: 'a:b:notify' }, 5],
  [{ LISTEN_PID: '7', LISTEN_FDNAMES: 'a' }, undefined],
  [{ LISTEN_PID: '8', LISTEN_FDNAMES: 'notify' }, undefined],
  [{}, undefined],
])('handed over as %j: descriptor %s', (env, descriptor) => {
  expect(descriptorOf('notify', env, 7)).toBe(descriptor);
});
