/** The built daemon's log: JSON lines without the password. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, fstatSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../fixture/host.ts';
import { type Grid, startGrid } from '../simulator/grid.ts';
import { BuiltHost } from './built-host.ts';
import { DaemonProcess } from './daemon-process.ts';
import { daemonFile } from './program.ts';

const password = 'correct horse-battery:staple"7';

let grid: Grid;
let host: BuiltHost;

beforeAll(async () => {
  grid = await startGrid({ password });
});
afterAll(async () => {
  await grid?.stop();
});
beforeEach(() => {
  host = new BuiltHost(grid);
});
afterEach(async () => {
  await host.dispose();
});

/** All forms in which the password could be written. */
const traces = [
  password,
  encodeURIComponent(password),
  JSON.stringify(password).slice(1, -1),
  Buffer.from(password).toString('base64'),
  Buffer.from(`admin:${password}`).toString('base64'),
];

describe('the password is neither in the log nor in the process list', () => {
  const file = (name: string) => join(host.directory, name);

  test.each<[string, () => [string[], Record<string, string>]]>([
    ['WAPI_PASSWORD', () => [[], { WAPI_PASSWORD: password }]],
    [
      '--wapi-password-file',
      () => {
        writeFileSync(file('password'), `${password}\n`);
        return [[`--wapi-password-file=${file('password')}`], {}];
      },
    ],
    [
      'the systemd credential wapi-password',
      () => {
        mkdirSync(file('credentials'));
        writeFileSync(file('credentials/wapi-password'), password);
        return [[], { CREDENTIALS_DIRECTORY: file('credentials') }];
      },
    ],
  ])('given by %s', async (_, source) => {
    const [flags, env] = source();
    const debug = ['--log-level=debug', `--node-name=${host.directory.replace(/\W+/g, '')}`];
    const daemon = await DaemonProcess.start([...host.flags, ...flags, ...debug], env);
    try {
      const address = await host.add('c1');
      // Faults cause more log lines.
      grid.inject({ method: 'POST', effect: { kind: 'html', status: 502 } });
      grid.inject({ method: 'GET', effect: { kind: 'status', status: 401 } });
      await host.call('ADD', { containerId: 'c2' });
      await host.call('CHECK', { config: { prevResult: { ips: [{ address: `${address}/24` }] } } });
      for (const containerId of ['c1', 'c2']) await host.call('DEL', { containerId });
      await until('all is given back', () => grid.fixedAddresses().length === 1);
      const cmdline = readFileSync(`/proc/${daemon.pid}/cmdline`, 'utf8');
      for (const trace of traces) {
        expect(daemon.log).not.toContain(trace);
        expect(cmdline).not.toContain(trace);
      }
      expect(daemon.log).toContain('"level":"debug"');
    } finally {
      expect(await daemon.stop()).toBe(0);
    }
  });

  test('given by a file that others can read, which causes a warning with the fix', async () => {
    writeFileSync(file('readable'), `${password}\n`);
    chmodSync(file('readable'), 0o644);
    const daemon = await DaemonProcess.start([...host.flags, `--wapi-password-file=${file('readable')}`]);
    try {
      expect(daemon.lines).toContainEqual(
        expect.objectContaining({
          level: 'warn',
          ...{ message: 'the WAPI password can be read by users other than root', file: file('readable') },
          ...{ readers: 'everybody', mode: '0644' },
          hint: `chmod 0600 ${file('readable')}`,
        }),
      );
    } finally {
      await daemon.stop();
    }
  });

  test('given by --wapi-password, as the daemon overwrites it at its start', async () => {
    const daemon = await DaemonProcess.start([...host.flags, `--wapi-password=${password}`, '--log-level=debug']);
    try {
      await daemon.says('grid available');
      const cmdline = readFileSync(`/proc/${daemon.pid}/cmdline`, 'utf8');
      for (const trace of traces) {
        expect(daemon.log).not.toContain(trace);
        expect(cmdline).not.toContain(trace);
      }
      expect(cmdline).toMatch(/^infoblox-cni-daemon --grid-host=.* --wapi-password=\.\.\. --log-level=debug\0*$/);
      expect(readFileSync(`/proc/${daemon.pid}/comm`, 'utf8')).toBe('infoblox-cni-da\n');
    } finally {
      await daemon.stop();
    }
  });
});

test('if stderr is not a terminal, every line is a JSON object with time, level and message', async () => {
  await host.start();
  await host.add('c1', { ipam: { nonsense: 1 }, args: 'K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-1' });
  await host.call('ADD', { ipam: { subnet: 'nonsense' } });
  await host.call('DEL');
  await host.daemon.stop();
  for (const line of host.daemon.lines) {
    expect(line).toMatchObject({ level: expect.stringMatching(/^(error|warn|info)$/), message: expect.any(String) });
    expect(Number.isNaN(Date.parse(String(line.time)))).toBe(false);
  }
  const call = {
    command: 'ADD',
    network: 'net-1',
    view: 'default',
    container: 'c1',
    interface: 'eth0',
    milliseconds: expect.any(Number),
  };
  expect(host.daemon.lines).toContainEqual(
    expect.objectContaining({
      ...call,
      ...{ level: 'info', message: 'ADD', address: '10.0.0.2', subnet: '10.0.0.0/24', pod: 'web-1', namespace: 'shop' },
    }),
  );
  expect(host.daemon.lines).toContainEqual(expect.objectContaining({ ...call, level: 'error', code: 7 }));
  expect(host.daemon.lines).toContainEqual(
    expect.objectContaining({ command: 'DEL', container: 'c1', level: 'info', address: '10.0.0.2' }),
  );
  expect(host.daemon.lines).toContainEqual(
    expect.objectContaining({ message: expect.stringContaining('listening'), commit: expect.any(String) }),
  );
});

test('a name or a text of the grid cannot forge a line of the log', async () => {
  await host.start(['--log-format=text']);
  const forged = 'x\n2026-01-01T00:00:00.000Z info  ADD: 10.0.0.77/24\u001b]0;owned\u0007\u202e';
  await host.call('ADD', { config: { name: 'net-1' }, args: `K8S_POD_NAME=${forged}` });
  const body = JSON.stringify({ Error: `AdmConProtoError: ${forged}`, code: 'Client.Ibap.Proto', text: forged });
  grid.inject({ method: 'POST', effect: { kind: 'status', status: 400, body, contentType: 'application/json' } });
  await host.call('ADD', { containerId: 'c2' });
  await host.daemon.stop();
  expect(host.daemon.log).toContain(
    'x\\n2026-01-01T00:00:00.000Z info  ADD: 10.0.0.77/24\\u001b]0;owned\\u0007\\u202e',
  );
  for (const line of host.daemon.log.trimEnd().split('\n')) {
    expect(line).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z (error|warn |info ) [^\p{Cc}\p{Cf}]+$/u);
    expect(line).not.toMatch(/^2026-01-01/);
  }
});

test('under systemd each line has its priority, so that journalctl -p err shows only errors', async () => {
  const file = join(host.directory, 'journal');
  const journal = openSync(file, 'a');
  try {
    const { dev, ino } = fstatSync(journal, { bigint: true });
    // systemd sets this variable if stderr is the journal.
    const env = { WAPI_PASSWORD: password, JOURNAL_STREAM: `${dev}:${ino}` };
    const start = (...args: string[]) => spawn(daemonFile, args, { env, stdio: ['ignore', 'ignore', journal] });
    const daemon = start(...host.flags, '--ssl-verify=false');
    await until('it listens', () => readFileSync(file, 'utf8').includes('listening'));
    const stopped = once(daemon, 'exit');
    daemon.kill('SIGTERM');
    await stopped;
    await once(start(...host.flags, '--ssl-verify=/nonexistent'), 'exit');
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    const priority = (text: string) => lines.find((line) => line.includes(text))?.slice(0, 3);
    for (const line of lines) expect(line).toMatch(/^<[3467]>/);
    expect(priority('certificate is not checked')).toBe('<4>');
    expect(priority('listening')).toBe('<6>');
    expect(priority('neither true')).toBe('<3>');
  } finally {
    closeSync(journal);
  }
});

test.each([
  ['a disk that is full', '2>/dev/full'],
  ['nothing', '2>&-'],
  ['a pipe that nobody reads', '2>&1 >/dev/null | :'],
])('a log that goes to %s fails no ADD', async (_, redirection) => {
  const script = `"$0" "$@" ${redirection}`;
  const shell: ChildProcess = spawn('/bin/sh', ['-c', script, daemonFile, ...host.flags], {
    env: { WAPI_PASSWORD: password },
    // The daemon, too, has the last one, without which it would outlive the event `close`.
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    detached: true,
  });
  try {
    await until('it serves', async () => (await host.call('STATUS')).exitCode === 0);
    expect(await host.add('c1')).toBe('10.0.0.2');
    expect((await host.call('DEL', { containerId: 'c1' })).exitCode).toBe(0);
    expect(shell.exitCode).toBeNull();
  } finally {
    const ended = once(shell, 'close');
    // The shell's whole process group: the daemon is its child.
    process.kill(-(shell.pid ?? 0), 'SIGTERM');
    await ended;
  }
});
