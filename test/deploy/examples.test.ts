import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const deploy = join(import.meta.dirname, '../../deploy');
let work: string;

beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'infoblox-cni-examples-'));
});

afterEach(() => {
  rmSync(work, { recursive: true });
});

describe('the example network', () => {
  const ipam = {
    type: 'infoblox',
    subnet: '172.18.1.0/24',
    gateway: '172.18.1.1',
    routes: [{ dst: '172.18.0.0/24' }],
    'network-view': 'priv-view',
  };
  const example = (name: string) => JSON.parse(readFileSync(join(deploy, 'netconf', name), 'utf8'));

  it('is the same for rkt and for runtimes that read lists', () => {
    expect(example('10-net-1.conf')).toMatchObject({ name: 'net-1', type: 'bridge', ipam });
    expect(example('10-net-1.conflist')).toMatchObject({ name: 'net-1', plugins: [{ type: 'bridge', ipam }, {}] });
  });
});

describe('run-daemon.sh', () => {
  /** Runs the script with a stand-in for the daemon that prints what it was given. */
  function runDaemon(...args: string[]) {
    const daemon = join(work, 'infoblox-cni-daemon');
    writeFileSync(daemon, '#!/bin/sh\nprintf "%s\\n" "$@"\n', { mode: 0o755 });
    mkdirSync(join(work, 'etc'), { recursive: true });
    const env = { PATH: '/usr/bin:/bin', DAEMON: daemon, CONFIG_DIR: join(work, 'etc') };
    return spawnSync('sh', [join(deploy, 'run-daemon.sh'), ...args], { encoding: 'utf8', env });
  }
  const isRoot = process.getuid?.() === 0;
  if (!isRoot) process.stderr.write('left out: run-daemon.sh is not tried, it needs root\n');

  it.runIf(isRoot)('hands its flags to the daemon, then those of the caller', () => {
    const flags = runDaemon('--log-level=debug', '--cluster-name=two words').stdout.trim().split('\n');
    expect(flags[0]).toBe('--grid-host=192.168.124.200');
    expect(flags.slice(-2)).toEqual(['--log-level=debug', '--cluster-name=two words']);
  });

  it.runIf(isRoot)('reads the settings that the systemd unit reads, and the password by file', () => {
    mkdirSync(join(work, 'etc'));
    writeFileSync(join(work, 'etc/daemon.env'), 'DAEMON_FLAGS="--grid-host=grid.example.com --wapi-username=cni"\n');
    writeFileSync(join(work, 'etc/wapi-password'), 'secret\n');
    const run = runDaemon();
    expect(run.stdout.trim().split('\n')).toEqual([
      '--grid-host=grid.example.com',
      '--wapi-username=cni',
      `--wapi-password-file=${join(work, 'etc/wapi-password')}`,
    ]);
  });

  it('refuses to run without root', () => {
    const script = readFileSync(join(deploy, 'run-daemon.sh'), 'utf8');
    const nobody = isRoot ? { uid: 65534 } : {};
    const run = spawnSync('sh', ['-s'], {
      input: script,
      encoding: 'utf8',
      cwd: '/',
      env: { DAEMON: 'echo' },
      ...nobody,
    });
    expect(run).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('must be run as root') });
  });
});
