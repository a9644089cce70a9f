/** The plugin as a process: its output, its input, and the names under which it runs. */
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { until } from '../fixture/host.ts';
import { rootTest } from '../fixture/root.ts';
import { BuiltHost, failure } from './built-host.ts';
import { useBuiltHost } from './built-host-fixture.ts';
import { daemonFile, dist, pluginFile, run, type Stdin } from './program.ts';

const fixture = useBuiltHost();

describe('VERSION needs nothing but the command', () => {
  const versions = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'];
  const dummies = { CNI_CONTAINERID: 'dummy', CNI_NETNS: 'dummy', CNI_IFNAME: 'dummy', CNI_PATH: 'dummy' };
  const hostile = { CNI_CONTAINERID: '../x', CNI_NETNS: '\n', CNI_IFNAME: 'a/b', CNI_ARGS: '=;=', CNI_PATH: ':' };
  const asked = '{"cniVersion":"0.4.0"}';

  test.each<[string, Stdin, Record<string, string>, string, number]>([
    ['the version on a pipe', { pipe: asked }, {}, '0.4.0', 1_000],
    ['the version on a socket', { socket: asked }, {}, '0.4.0', 1_000],
    ['an empty stdin', { pipe: '' }, {}, '1.1.0', 1_000],
    ['the null device', 'null', {}, '1.1.0', 1_000],
    ['a closed stdin', 'closed', {}, '1.1.0', 1_000],
    ['a stdin that never ends', { open: '' }, {}, '1.1.0', 2_000],
    ['a stdin that never ends after the version', { open: asked }, {}, '1.1.0', 2_000],
    ['dummies in the other variables', { pipe: asked }, dummies, '0.4.0', 1_000],
    ['nonsense in the other variables and on stdin', { pipe: '{{{' }, hostile, '1.1.0', 1_000],
  ])('with %s', async (_, stdin, env, cniVersion, limit) => {
    const { exitCode, stdout, stderr, milliseconds } = await run(
      pluginFile,
      [],
      { CNI_COMMAND: 'VERSION', ...env },
      stdin,
    );
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({ cniVersion, supportedVersions: versions });
    expect(milliseconds).toBeLessThan(limit);
  });
});

describe('stdout has one JSON document or nothing', () => {
  test('one for ADD, none for CHECK and DEL', async () => {
    const add = await fixture.host.call('ADD', { containerId: 'one' });
    expect(add).toMatchObject({ exitCode: 0, stderr: '' });
    const result = JSON.parse(add.stdout);
    expect(result).toEqual({ cniVersion: '1.1.0', ips: [{ address: '10.0.0.2/24', gateway: '10.0.0.1' }] });
    const rest = { containerId: 'one', config: { prevResult: result } };
    for (const command of ['CHECK', 'STATUS', 'GC', 'DEL', 'DEL'] as const) {
      expect(await fixture.host.call(command, rest), command).toMatchObject({ exitCode: 0, stdout: '', stderr: '' });
    }
  });

  test('one for a failed call, which is not on stderr, too', async () => {
    const { exitCode, stdout, stderr } = await fixture.host.call('ADD', { ipam: { subnet: 'nonsense' } });
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ cniVersion: '1.1.0', code: 7 });
  });

  test.each([
    ['is full', 'exec "$0" > /dev/full', 'ENOSPC'],
    ['has no reader', '{ "$0"; echo "exit $?" >&2; } | :', 'EPIPE'],
  ])('a stdout that %s fails an ADD with one line, and the address is released', async (_, script, code) => {
    const held = () => fixture.grid.fixedAddresses().filter(({ comment }) => comment?.includes('container=unheard '));
    const env = fixture.host.environment('ADD', { containerId: 'unheard' });
    const stdin = { pipe: JSON.stringify(fixture.host.config()) };
    const { exitCode, stderr } = await run('/bin/sh', ['-c', script, pluginFile], { ...env, PATH: '/bin' }, stdin);
    const lines = stderr.trim().split('\n');
    expect(lines[0]).toBe(`cannot write to stdout (${code}): the daemon releases what it has allocated`);
    expect(exitCode === 1 || lines[1] === 'exit 1').toBe(true);
    expect(fixture.grid.requests.some(({ body }) => JSON.stringify(body)?.includes('container=unheard '))).toBe(true);
    await until('it is back', () => held().length === 0);
  });

  test.each(['--help', '--version'])('%s to a full disk fails without a message of Node', async (flag) => {
    const { exitCode, stderr } = await run('/bin/sh', ['-c', `exec "$0" ${flag} > /dev/full`, pluginFile], {});
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: '' });
  });

  test('a caller that keeps stdin open gets an error in time', async () => {
    const { exitCode, stdout, milliseconds } = await run(pluginFile, [], fixture.host.environment('ADD'), {
      open: '{',
    });
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ code: 5, msg: 'stdin did not end within 5 s' });
    expect(milliseconds).toBeLessThan(6_500);
  });
});

describe('an interface name that is ambiguous on the grid', () => {
  test.each([
    ['is not UTF-8', 'eth\\377'],
    ['is not UTF-8 either, and reads the same', 'eth\\376'],
    ['has a control character', 'a\\001b'],
  ])('is refused with 4 by ADD, DEL and CHECK: it %s', async (_, name) => {
    for (const command of ['ADD', 'DEL', 'CHECK'] as const) {
      const env = { ...fixture.host.environment(command, { containerId: 'named' }), PATH: '/usr/bin:/bin' };
      // Node can pass only UTF-8.
      const script = `CNI_IFNAME="$(printf '${name}')" exec "$0"`;
      const call = await run('/bin/sh', ['-c', script, pluginFile], env, {
        pipe: JSON.stringify(fixture.host.config()),
      });
      expect(failure(call)).toMatchObject({ code: 4, msg: expect.stringMatching(/^invalid CNI_IFNAME "/) });
    }
    expect(fixture.grid.fixedAddresses().filter(({ comment }) => comment?.includes('container=named '))).toEqual([]);
  });
});

describe('a CNI_NETNS that has become the network namespace of the host', () => {
  const netns = `/proc/${process.pid}/ns/net`;

  test('is refused by ADD with 8', async () => {
    expect(failure(await fixture.host.call('ADD', { containerId: 'plumbing', netns }))).toMatchObject({ code: 8 });
  });

  test('does not keep DEL from releasing the address, as the PID has a new process', async () => {
    const reserved = () =>
      fixture.grid.fixedAddresses().filter(({ comment }) => comment?.includes('container=reused '));
    await fixture.host.add('reused');
    expect(reserved()).toHaveLength(1);
    expect(await fixture.host.call('DEL', { containerId: 'reused', netns })).toMatchObject({ exitCode: 0, stdout: '' });
    await until('it is released', () => reserved().length === 0);
  });
});

rootTest('a plugin without root fails with that reason', 'another user', async () => {
  const args = ['--reuid=65534', '--regid=65534', '--clear-groups', pluginFile];
  const call = (command: 'ADD' | 'DEL' | 'STATUS', stdin: 'pipe' | 'socket') =>
    run('/usr/bin/setpriv', args, fixture.host.environment(command), {
      [stdin]: JSON.stringify(fixture.host.config()),
    } as Stdin);
  // It could not even read a pipe of root.
  for (const stdin of ['pipe', 'socket'] as const) {
    const msg = expect.stringContaining('must run as root (this is uid 65534)');
    for (const command of ['ADD', 'DEL'] as const) {
      expect(failure(await call(command, stdin))).toMatchObject({ code: 11, msg });
    }
  }
  const status = await call('STATUS', 'socket');
  expect(failure(status)).toMatchObject({ code: 50, msg: expect.stringContaining('must run as root') });
});

describe('the environment of a runtime changes nothing', () => {
  test.each([
    ['NODE_DEBUG', 'net'],
    ['NODE_EXTRA_CA_CERTS', '/nonexistent'],
    ['TRACEPARENT', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
  ])('%s=%s', async (name, value) => {
    const env = { ...fixture.host.environment('ADD', { containerId: 'env' }), [name]: value };
    const { exitCode, stdout } = await run(pluginFile, [], env, { pipe: JSON.stringify(fixture.host.config()) });
    expect(exitCode, stdout).toBe(0);
    expect(JSON.parse(stdout).ips).toHaveLength(1);
  });
});

describe('the name of the executable', () => {
  test('runs the plugin for any name with CNI_COMMAND, and a daemon of that driver name serves it', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-link-'));
    const other = new BuiltHost(fixture.grid);
    try {
      const link = join(directory, 'ibx');
      symlinkSync(join(dist, 'infoblox-cni'), link);
      await other.start(['--driver-name=ibx']);
      const config = other.config({ ipam: { type: 'ibx' } });
      const { exitCode, stdout } = await run(link, [], other.environment('ADD'), { pipe: JSON.stringify(config) });
      expect(exitCode, stdout).toBe(0);
    } finally {
      await other.dispose();
      rmSync(directory, { recursive: true });
    }
  });

  test('runs the plugin for the executable itself, too', async () => {
    const { stdout } = await run(join(dist, 'infoblox-cni'), [], { CNI_COMMAND: 'VERSION' }, 'null');
    expect(JSON.parse(stdout)).toHaveProperty('supportedVersions');
  });

  test.each(['ADD', 'VERSION'])(
    'refuses %s for the daemon in a plugin directory, instead of starting a service',
    async (command) => {
      const env = { ...fixture.host.environment('ADD'), CNI_COMMAND: command };
      const call = await run(daemonFile, [], env, { pipe: JSON.stringify(fixture.host.config()) });
      expect(call.stderr).toBe('');
      expect(failure(call)).toEqual({
        cniVersion: '1.1.0',
        code: 7,
        msg: 'infoblox-cni-daemon is the host service, not a CNI plugin',
        details: expect.stringMatching(
          /^Set "type" in the network configuration to "infoblox", .*unset CNI_COMMAND\.$/,
        ),
      });
    },
  );

  test('explains itself on stderr without CNI_COMMAND', async () => {
    for (const env of [{}, { CNI_COMMAND: '' }]) {
      const { exitCode, stdout, stderr } = await run(pluginFile, [], env, 'null');
      expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '' });
      expect(stderr).toMatch(/^CNI IPAM plugin infoblox.*\nCNI protocol versions supported: 0\.1\.0, .*1\.1\.0\n$/);
    }
  });

  test('refuses flags of the daemon, with the name that accepts them', async () => {
    for (const file of [join(dist, 'infoblox-cni'), pluginFile]) {
      const { exitCode, stdout, stderr } = await run(file, ['--grid-host=hush-hush'], {});
      expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
      expect(stderr).toContain('To run the daemon, call it as infoblox-cni-daemon');
      expect(stderr).not.toContain('hush-hush');
    }
  });

  test('answers --version and --help on stdout', async () => {
    const version = await run(pluginFile, ['--version'], {}, 'null');
    expect(version).toMatchObject({ exitCode: 0, stderr: '' });
    expect(version.stdout).toMatch(/^infoblox-cni \d+\.\d+\.\d+ \(\S+\)\n$/);
    const help = await run(pluginFile, ['--help'], {}, 'null');
    expect(help).toMatchObject({ exitCode: 0, stderr: '' });
    expect(help.stdout).toContain('infoblox-cni-daemon --help');
  });
});
