/** In this executable, SIGUSR1 does not open Node's inspector, through which anyone who can connect runs code as root. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { until } from '../fixture/host.ts';
import { type Grid, startGrid } from '../simulator/grid.ts';
import { BuiltHost } from './built-host.ts';
import { dist, pluginFile } from './program.ts';

/** Milliseconds in which no inspector must open its port. It needs only a few. */
const watchMs = 500;

let grid: Grid;
let host: BuiltHost;
let child: ChildProcess | undefined;

beforeAll(async () => {
  grid = await startGrid();
});
afterAll(async () => {
  await grid?.stop();
});
beforeEach(() => {
  host = new BuiltHost(grid);
});
afterEach(async () => {
  child?.kill('SIGKILL');
  child = undefined;
  await host.dispose();
});

/** Sends the signal. @returns whether the process listens at a TCP port within some time */
async function opensPort(pid: number, withinMs = watchMs): Promise<boolean> {
  process.kill(pid, 'SIGUSR1');
  return until('it listens', () => listensOnTcp(pid), withinMs).then(
    () => true,
    () => false,
  );
}

function listensOnTcp(pid: number): boolean {
  const listening = ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'utf8')
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .flatMap(([, , , state, , , , , , inode]) => (state === '0A' ? [`socket:[${inode}]`] : [])),
  );
  return readdirSync(`/proc/${pid}/fd`).some((fd) => listening.includes(target(`/proc/${pid}/fd/${fd}`)));
}

function target(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return ''; // The descriptor was closed in between.
  }
}

test('a plain Node opens its inspector on SIGUSR1, so these tests would notice one', async () => {
  child = spawn(process.execPath, ['--inspect-port=0', '-e', 'console.log(1); setInterval(() => {}, 1000)']);
  if (child.stdout !== null) await once(child.stdout, 'data');
  expect(await opensPort(child.pid ?? 0, 60_000)).toBe(true);
});

test('the daemon opens no inspector on SIGUSR1, and keeps serving', async () => {
  await host.start();
  expect(await opensPort(host.daemon.pid)).toBe(false);
  expect((await host.call('STATUS')).exitCode).toBe(0);
});

test('the plugin opens no inspector on SIGUSR1, and keeps waiting for its answer', async () => {
  const peers: Socket[] = [];
  const daemon = createServer((socket) => peers.push(socket.on('error', () => undefined)));
  await host.start(); // Makes the directory that the plugin trusts.
  await host.daemon.stop();
  await new Promise<void>((resolve) => daemon.listen(host.socket, resolve));
  try {
    child = spawn(pluginFile, [], { env: { ...host.environment('STATUS'), CNI_PATH: dist } });
    child.stdin?.end(JSON.stringify(host.config()));
    await until('the plugin has called', () => peers.length === 1);
    expect(await opensPort(child.pid ?? 0)).toBe(false);
    expect(child.exitCode).toBeNull();
    expect(child.signalCode).toBeNull();
  } finally {
    for (const peer of peers) peer.destroy();
    daemon.close();
  }
});
