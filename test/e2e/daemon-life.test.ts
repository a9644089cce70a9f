/** The built daemon as a service: it starts during outages, guards its socket, and stops in order. */
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test as base, describe, expect } from 'vitest';
import { until } from '../fixture/host.ts';
import { startGrid } from '../simulator/grid.ts';
import { BuiltHost } from './built-host.ts';
import { daemonFile, run } from './program.ts';

/** Each test has a grid and a host of its own, so that they can run in parallel: they mostly wait. */
const test = base
  .extend('grid', async ({ task: _task }, { onCleanup }) => {
    const grid = await startGrid();
    onCleanup(() => grid.stop());
    return grid;
  })
  .extend('host', async ({ grid }, { onCleanup }) => {
    const host = new BuiltHost(grid);
    onCleanup(() => host.dispose());
    return host;
  });

describe.concurrent('the socket', () => {
  test('of a daemon that crashed is replaced', async ({ host }) => {
    await host.start();
    const address = await host.add('before');
    await host.daemon.kill();
    expect(existsSync(host.socket)).toBe(true);
    await host.start();
    expect(await host.add('before')).toBe(address);
  });

  test('that cannot be created again ends the daemon, so that the service manager restarts it', async ({ host }) => {
    await host.start();
    // As on a read-only /run, no file can be created there. The daemon does not look in between.
    process.kill(host.daemon.pid, 'SIGSTOP');
    rmSync(host.socketDir, { recursive: true });
    writeFileSync(host.socketDir, '');
    process.kill(host.daemon.pid, 'SIGCONT');
    await host.daemon.says('"stopped"', 30_000);
    const lost = host.daemon.lines.find(({ message }) => message === 'cannot serve any more, exiting');
    expect(lost?.error).toContain(`cannot use --socket-dir ${host.socketDir}: `);
    expect(await host.daemon.stop()).toBe(1);
  });
});

describe.concurrent('an unusable path is a start error that names the flag', () => {
  const start = (host: BuiltHost, ...flags: string[]) => run(daemonFile, [...host.flags, ...flags], {});

  test.for(['--socket-dir', '--state-dir'])('%s below a regular file', async (flag, { host }) => {
    const file = join(host.directory, 'file');
    writeFileSync(file, '');
    const { exitCode, stdout, stderr } = await start(host, `${flag}=${file}/sub`);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toContain(flag);
    expect(stderr).toContain(`${file}/sub`);
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});

describe.concurrent('a state that is removed while the daemon runs', () => {
  test('is noticed: the daemon reports it and exits, and the next one imports the leases', async ({ host }) => {
    await host.start();
    const address = await host.add('c1');
    // It notices after the start of the second one.
    process.kill(host.daemon.pid, 'SIGSTOP');
    for (const name of readdirSync(host.stateDir)) if (name.startsWith('state.db')) rmSync(join(host.stateDir, name));
    const second = await run(daemonFile, [...host.flags, '--driver-name=other'], {});
    process.kill(host.daemon.pid, 'SIGCONT');
    expect(second).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('another daemon is using it') });
    await host.daemon.says('"stopped"', 60_000);
    expect(await host.daemon.stop()).toBe(1);
    const error = expect.stringMatching(/state\.db was removed or replaced while it was in use\. Restart the daemon/);
    expect(host.daemon.lines.find(({ level }) => level === 'error')).toMatchObject({ error });
    await host.start();
    await host.daemon.says('imported the reservations');
    expect(await host.add('c1')).toBe(address);
  });
});

describe.concurrent('stopping', () => {
  test('lets the call in flight end, whatever further signals come', async ({ grid, host }) => {
    await host.start();
    await host.add('first');
    grid.latencyMs = 500;
    const before = grid.requests.length;
    const call = host.call('ADD', { containerId: 'second' });
    await until('the call has reached the grid', () => grid.requests.length > before);
    process.kill(host.daemon.pid, 'SIGTERM');
    await host.daemon.says('finishing the calls in flight');
    expect(await host.daemon.stop('SIGTERM')).toBe(0);
    expect(await call).toMatchObject({ exitCode: 0 });
    expect(host.daemon.log).toContain('"stopped"');
  });
});
