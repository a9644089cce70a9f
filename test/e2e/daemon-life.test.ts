/** The built daemon as a service: it starts whatever the grid does, guards its socket, and leaves in good order. */
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test as base, describe, expect } from 'vitest';
import { until } from '../fixture/host.ts';
import { startGrid } from '../simulator/grid.ts';
import { BuiltHost, failure } from './built-host.ts';
import { DaemonProcess } from './daemon-process.ts';
import { daemonFile, run } from './program.ts';

/** Each test has a grid and a host of its own, so that they can run beside each other: most of the time they wait. */
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
  test('is for root alone, in a directory for all to see', async ({ host }) => {
    await host.start();
    expect((statSync(host.socket).mode & 0o777).toString(8)).toBe('600');
    expect((statSync(host.socketDir).mode & 0o777).toString(8)).toBe('755');
  });

  test('is never taken from a live daemon', async ({ grid, host }) => {
    await host.start();
    const flags = [...host.flags, `--state-dir=${join(host.directory, 'other')}`];
    const second = await run(daemonFile, flags, { WAPI_PASSWORD: grid.password });
    expect(second.exitCode).toBe(1);
    expect(second.stderr).toContain(
      `another daemon listens at ${host.socket}. Stop it, or use another --driver-name or --socket-dir.`,
    );
    expect(await host.add('served')).toBe('10.0.0.2');
  });

  test('of a daemon that crashed is replaced', async ({ host }) => {
    await host.start();
    const address = await host.add('before');
    await host.daemon.kill();
    expect(existsSync(host.socket)).toBe(true);
    await host.start();
    expect(await host.add('before')).toBe(address);
  });

  test('comes back where somebody has removed its directory', async ({ host }) => {
    await host.start();
    rmSync(host.socketDir, { recursive: true });
    await host.daemon.says('listening again');
    expect(await host.add('served')).toBe('10.0.0.2');
    expect(await host.daemon.stop()).toBe(0);
    expect(existsSync(host.socket)).toBe(false);
  });

  test('that cannot come back ends the daemon, so that the service manager starts it anew', async ({ host }) => {
    await host.start();
    rmSync(host.socketDir, { recursive: true });
    // As a read-only /run would: nothing can be made there.
    writeFileSync(host.socketDir, '');
    await host.daemon.says('"stopped"', 30_000);
    const lost = host.daemon.lines.find(({ message }) => message === 'cannot serve any more, exiting');
    expect(lost?.error).toContain(`cannot use --socket-dir ${host.socketDir}: `);
    expect(await host.daemon.stop()).toBe(1);
  });

  test('is gone when the daemon has left', async ({ host }) => {
    await host.start();
    expect(await host.daemon.stop()).toBe(0);
    expect(existsSync(host.socket)).toBe(false);
  });
});

describe.concurrent('what it cannot use is a start error that names the flag', () => {
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

  test('a state directory that another daemon uses', async ({ host }) => {
    await host.start();
    const { exitCode, stderr } = await start(host, '--driver-name=other');
    expect(exitCode).toBe(1);
    expect(stderr).toContain('Stop the other daemon, or give this one a --state-dir of its own');
  });

  test('a directory in the place of the socket', async ({ host }) => {
    mkdirSync(host.socket, { recursive: true });
    const { exitCode, stderr } = await start(host);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(host.socketDir);
    rmSync(host.socket, { recursive: true });
  });
});

describe.concurrent('a state that is removed while the daemon runs', () => {
  test('is noticed: the daemon says so, ends, and the next one knows what this host holds', async ({ host }) => {
    await host.start();
    const address = await host.add('c1');
    for (const name of readdirSync(host.stateDir)) if (name.startsWith('state.db')) rmSync(join(host.stateDir, name));
    const second = await run(daemonFile, [...host.flags, '--driver-name=other'], {});
    expect(second).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('another daemon is using it') });
    await host.daemon.says('"stopped"', 60_000);
    expect(await host.daemon.stop()).toBe(1);
    const error = expect.stringMatching(/state\.db was removed or replaced while it was in use\. Restart the daemon/);
    expect(host.daemon.lines.find(({ level }) => level === 'error')).toMatchObject({ error });
    await host.start();
    await host.daemon.says('imported the reservations');
    expect(await host.add('c1')).toBe(address);
  });

  test('and replaced by another, with all of its directory, is noticed too', async ({ host }) => {
    await host.start();
    rmSync(host.stateDir, { recursive: true });
    mkdirSync(host.stateDir, { mode: 0o700 });
    writeFileSync(join(host.stateDir, 'state.db'), '');
    await host.daemon.says('was removed or replaced', 60_000);
    expect(await host.daemon.stop()).toBe(1);
  });
});

describe.concurrent('stopping', () => {
  test.for(['SIGTERM', 'SIGINT'] as const)(
    '%s lets the call in flight end, then the daemon leaves',
    async (signal, { grid, host }) => {
      await host.start();
      await host.add('first');
      grid.latencyMs = 1_000;
      const before = grid.requests.length;
      const call = host.call('ADD', { containerId: 'second' });
      await until('the call has reached the grid', () => grid.requests.length > before);
      expect(await host.daemon.stop(signal)).toBe(0);
      const { exitCode, stdout } = await call;
      expect(exitCode, stdout).toBe(0);
      expect(JSON.parse(stdout).ips).toEqual([{ address: '10.0.0.3/24', gateway: '10.0.0.1' }]);
      expect(host.daemon.log).toContain('"stopped"');
    },
  );

  test('a second signal changes nothing', async ({ grid, host }) => {
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
  });
});

describe.concurrent('trouble with the grid', () => {
  test('away at the start: it listens, says so, and serves as soon as the grid is there', async ({ grid, host }) => {
    await grid.pause();
    await host.start();
    await host.daemon.says('grid unavailable');
    const trouble = { reason: 'unreachable', hint: expect.stringContaining('--grid-host') };
    expect(host.daemon.lines.find(({ level }) => level === 'error')).toMatchObject(trouble);
    const { code, msg, details } = failure(await host.call('ADD'));
    expect({ code, msg }).toMatchObject({ code: 11, msg: expect.stringContaining(`${grid.host}`) });
    expect(details).toContain('--wapi-port');
    expect(failure(await host.call('STATUS')).code).toBe(50);

    await grid.resume();
    await host.daemon.says('grid available');
    expect(await host.call('STATUS')).toMatchObject({ exitCode: 0, stdout: '' });
    expect(await host.add('c1')).toBe('10.0.0.2');
  });

  test('away later: an ADD says so, and a release is made up for', async ({ grid, host }) => {
    await host.start();
    await host.add('c1');
    await grid.pause();
    const [add, del] = await Promise.all([host.call('ADD', { containerId: 'c2' }), host.call('DEL')]);
    expect(failure(add).code).toBe(11);
    expect(del).toMatchObject({ exitCode: 0, stdout: '' });
    expect(del.milliseconds).toBeLessThan(5_000);
    await grid.resume();
    await until('only the gateway is left', () => grid.fixedAddresses().length === 1, 20_000);
    expect(grid.fixedAddresses()[0]?.ipv4addr).toBe('10.0.0.1');
  });

  test('a wrong password: it says so, does not hammer, and recovers when the file is corrected', async ({
    grid,
    host,
  }) => {
    const file = join(host.directory, 'password');
    writeFileSync(file, 'wrong-one\n');
    const flags = [...host.flags, `--wapi-password-file=${file}`];
    const daemon = await DaemonProcess.start(flags);
    try {
      await daemon.says('refused the user name or password');
      for (let times = 0; times < 3; times += 1) {
        const { code, msg, details } = failure(await host.call('ADD'));
        expect({ code, msg }).toEqual({ code: 103, msg: expect.stringContaining('password') });
        expect(details).toContain('--wapi-username');
      }
      expect(grid.requests.filter(({ status }) => status === 401)).toHaveLength(1);
      writeFileSync(file, `${grid.password}\n`);
      await daemon.says('grid available');
      expect(await host.add('c1')).toBe('10.0.0.2');
      expect(daemon.log).not.toContain('wrong-one');
    } finally {
      expect(await daemon.stop()).toBe(0);
    }
  });
});
