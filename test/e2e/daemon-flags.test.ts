/** The built daemon's command line: the flags of the original driver in every spelling, and a clear error for each wrong one. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Grid, startGrid } from '../simulator/grid.ts';
import { DaemonProcess } from './daemon-process.ts';
import { daemonFile, pluginFile, run } from './program.ts';

let grid: Grid;
let directory: string;
/** Flags with directories in which an unexpected daemon does no harm. */
let places: string[];

beforeAll(async () => {
  grid = await startGrid();
  directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-flags-'));
  places = [`--socket-dir=${join(directory, 'run')}`, `--state-dir=${join(directory, 'state')}`];
});
afterAll(async () => {
  await grid?.stop();
  rmSync(directory, { recursive: true });
});

/** Each spelling of the original driver in turn. */
const spellings: ((flag: string, value: string) => string[])[] = [
  (flag, value) => [`--${flag}`, value],
  (flag, value) => [`--${flag}=${value}`],
  (flag, value) => [`-${flag}`, value],
  (flag, value) => [`-${flag}=${value}`],
];

test('every flag of the original driver is accepted and has its effect', async () => {
  const socketDir = join(directory, 'original', 'sockets');
  const seed = {
    'grid-host': grid.host,
    'wapi-port': String(grid.port),
    'wapi-username': grid.username,
    'wapi-password': grid.password,
    'wapi-version': '2.7',
    'ssl-verify': grid.caFile,
    'socket-dir': socketDir,
    'driver-name': 'ibx',
    'network-view': 'blue view',
    'network-container': '10.64.0.0/16',
    'prefix-length': '27',
  };
  const stateDir = join(socketDir, '../state');
  const ours = { 'state-dir': stateDir, 'cluster-name': 'blue', 'node-name': 'host-1', 'reap-after': '0' };
  grid.clearLog();
  const flags = Object.entries({ ...seed, ...ours });
  const daemon = await DaemonProcess.start(flags.flatMap((flag, at) => spellings[at % 4]?.(...flag) ?? []));
  try {
    const env = { CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'c1', CNI_IFNAME: 'eth0', CNI_NETNS: '/run/netns/none' };
    const config = { cniVersion: '1.0.0', name: 'net', ipam: { type: 'ibx', 'socket-dir': socketDir } };
    const { exitCode, stdout } = await run(pluginFile, [], env, { pipe: JSON.stringify(config) });
    expect(exitCode, stdout).toBe(0);
    expect(JSON.parse(stdout).ips).toEqual([{ address: '10.64.0.1/27' }]);
    expect(grid.networks('blue view').map((network) => network.network)).toEqual(['10.64.0.0/27']);
    expect(grid.fixedAddresses('blue view')[0]?.comment).toContain('cluster=blue node=host-1 ');
    expect(grid.requests.every(({ path }) => path.startsWith('/wapi/v2.7/'))).toBe(true);
  } finally {
    expect(await daemon.stop()).toBe(0);
  }
});

test.runIf(process.getuid?.() === 0)('a user other than root gets an error at once', async () => {
  // The executable may be in a private directory.
  const program = join(directory, 'infoblox-cni-daemon');
  copyFileSync(daemonFile, program);
  chmodSync(directory, 0o755);
  const { exitCode, stderr } = await run('/usr/bin/setpriv', ['--reuid=65534', '--clear-groups', program], {});
  expect({ exitCode, stderr }).toEqual({
    exitCode: 1,
    stderr: expect.stringMatching(
      /^infoblox-cni-daemon: must run as root \(this is uid 65534\)\. Only to try it out: set /,
    ),
  });
});

test('--version and --help are answered, even if CNI_COMMAND is set', async () => {
  const ask = async (flag: string) => (await run(daemonFile, [flag], { CNI_COMMAND: 'ADD' })).stdout;
  expect(await ask('--version')).toMatch(/^infoblox-cni \d/);
  expect(await ask('-h')).toContain('Usage: infoblox-cni-daemon');
});

describe('a wrong command line ends with status 2 and the reason', () => {
  test.each<[string[], string]>([
    [['--grid-hots=10.0.0.1'], 'unknown flag --grid-hots; did you mean --grid-host?'],
    [['--ssl-verify=pinn'], 'nor a file of certificates: there is no pinn; did you mean pin?'],
  ])('%j', async (args, text) => {
    const { exitCode, stdout, stderr } = await run(daemonFile, [...places, '--wapi-password=hush-hush', ...args], {});
    expect({ exitCode, stdout }, stderr).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain(text);
    expect(stderr).toContain('infoblox-cni-daemon --help');
    expect(stderr).not.toContain('hush-hush');
  });

  test('a socket path that is too long, before any file is created', async () => {
    const socketDir = join(directory, 's'.repeat(100));
    const { exitCode, stderr } = await run(daemonFile, [...places, `--socket-dir=${socketDir}`], {});
    expect({ exitCode }).toEqual({ exitCode: 2 });
    expect(stderr).toContain('use a shorter --socket-dir or --driver-name');
    expect(existsSync(socketDir)).toBe(false);
  });

  test('except for a missing file of --ssl-verify, with status 1, as it may appear later', async () => {
    const file = join(directory, 'absent.pem');
    const { exitCode, stderr } = await run(daemonFile, [...places, `--ssl-verify=${file}`], {});
    expect({ exitCode }).toEqual({ exitCode: 1 });
    expect(stderr).toContain(
      `--ssl-verify "${file}" is neither true, false nor pin, nor a file of certificates: there is no ${file}`,
    );
  });
});

test('--environment-file provides flags and variables like systemd, and the command line overrides them', async () => {
  const file = join(directory, 'daemon.env');
  // The layout of the kubelet for a pod: others may add names to the directory, but not change those of root.
  const volume = join(directory, 'volume');
  mkdirSync(join(volume, '..1'), { recursive: true });
  chmodSync(volume, 0o1777);
  symlinkSync('..1', join(volume, '..data'));
  symlinkSync('..data/daemon.env', join(volume, 'daemon.env'));
  const grids = `--grid-host=${grid.host} --wapi-port=${grid.port} --wapi-username=${grid.username} --ssl-verify=${grid.caFile}`;
  const text = `DAEMON_FLAGS='${grids} --node-name=from-the-file'\nWAPI_PASSWORD=${grid.password}\n`;
  for (const path of [file, join(volume, '..1/daemon.env')]) writeFileSync(path, text);
  for (const path of [file, join(volume, 'daemon.env')]) {
    const flags = [`--environment-file=${path}`, ...places, '--node-name=from-the-line'];
    const daemon = await DaemonProcess.start(flags);
    try {
      await daemon.says('grid available');
      expect(daemon.lines.find(({ message }) => message === 'listening')).toMatchObject({ node: 'from-the-line' });
    } finally {
      await daemon.stop();
    }
  }
});

test.runIf(process.getuid?.() === 0)(
  'a start without flags says that the settings of the service are not used',
  async () => {
    mkdirSync(join(directory, 'etc/infoblox-cni'), { recursive: true });
    writeFileSync(join(directory, 'etc/infoblox-cni/daemon.env'), "DAEMON_FLAGS='--grid-host=grid.example.com'\n");
    const boot = `mount --bind ${directory}/etc /etc && mount -t tmpfs none /run && mount -t tmpfs none /var/lib && exec "$0"`;
    const logOfStart = async (env: Readonly<Record<string, string>>) => {
      const inside = ['unshare', '--mount', 'sh', '-c', boot];
      const daemon = await DaemonProcess.start([], { PATH: process.env.PATH ?? '', ...env }, inside);
      await daemon.stop();
      return daemon.log;
    };
    const said = 'DAEMON_FLAGS are not used: the environment file was not named';
    const log = await logOfStart({});
    expect(log).toContain(said);
    expect(log).toContain('start it with --environment-file=/etc/infoblox-cni/daemon.env');
    // The unit always passes the variable, even empty.
    expect(await logOfStart({ DAEMON_FLAGS: '' })).not.toContain(said);
  },
);

test.each<[string, string, number, number, RegExp]>([
  [
    'a wrong flag in it, with status 2, after which systemd does not restart the daemon',
    "DAEMON_FLAGS='--grid-hots=a'",
    0o600,
    2,
    /DAEMON_FLAGS in .*\/daemon\.env: unknown flag --grid-hots; did you mean --grid-host\?/,
  ],
  [
    'a file that others could change',
    '',
    0o666,
    1,
    /cannot use --environment-file .* is writable by users other than root .*\. Run chmod go-w /,
  ],
])('the error names --environment-file for %s', async (_, text, mode, status, message) => {
  const file = join(directory, 'daemon.env');
  writeFileSync(file, text);
  chmodSync(file, mode);
  const { exitCode, stderr } = await run(daemonFile, [`--environment-file=${file}`, ...places], {});
  expect([exitCode, stderr]).toEqual([status, expect.stringMatching(message)]);
});

test('--ssl-verify=true refuses a certificate that the host does not trust, with a hint', async () => {
  const flags = [`--grid-host=${grid.host}`, `--wapi-port=${grid.port}`, `--wapi-username=${grid.username}`];
  const daemon = await DaemonProcess.start([...flags, ...places, '--reap-after=0', '--ssl-verify=true'], {
    WAPI_PASSWORD: grid.password,
  });
  try {
    await daemon.says('grid unavailable');
    const trouble = daemon.lines.find(({ message }) => message.includes('grid unavailable'));
    expect(trouble).toMatchObject({ level: 'error', reason: 'untrusted' });
    expect(trouble?.hint).toContain('--ssl-verify');
  } finally {
    await daemon.stop();
  }
});

test('a missing password causes a warning and no login, and is used as soon as its file has it', async () => {
  const file = join(directory, 'password');
  writeFileSync(file, '\n', { mode: 0o600 });
  grid.clearLog();
  const flags = [`--grid-host=${grid.host}`, `--wapi-port=${grid.port}`, `--wapi-username=${grid.username}`];
  const daemon = await DaemonProcess.start([
    ...[...flags, `--ssl-verify=${grid.caFile}`, `--wapi-password-file=${file}`, ...places, '--reap-after=0'],
  ]);
  try {
    const message = `no WAPI password given: ${file} is empty`;
    expect(daemon.lines[0]).toMatchObject({ level: 'warn', message: 'no WAPI password', error: message });
    expect(daemon.lines[0]?.hint).toBe(`put it, alone on a line, into ${file}`);
    await daemon.says('grid unavailable');
    expect(daemon.lines.find((line) => line.message === 'grid unavailable')).toMatchObject({ error: message });
    const env = { CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'c1', CNI_IFNAME: 'eth0', CNI_NETNS: '/run/netns/none' };
    const socketDir = join(directory, 'run');
    const config = { cniVersion: '1.0.0', name: 'net', ipam: { type: 'infoblox', 'socket-dir': socketDir } };
    const add = () => run(pluginFile, [], env, { pipe: JSON.stringify(config) });
    expect(JSON.parse((await add()).stdout)).toMatchObject({ code: 103, msg: message });
    expect(grid.requests).toEqual([]);
    writeFileSync(file, `${grid.password}\n`);
    const { exitCode, stdout } = await add();
    expect(exitCode, stdout).toBe(0);
    expect(grid.logins).toBe(1);
  } finally {
    await daemon.stop();
  }
});
