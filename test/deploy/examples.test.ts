import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

describe.each([
  ['run-daemon.sh', 'infoblox-cni-daemon'],
  ['run-docker-daemon.sh', 'docker'],
  ['run-rkt-daemon.sh', 'rkt'],
])('%s', (script, program) => {
  const isRoot = process.getuid?.() === 0;
  if (!isRoot) process.stderr.write(`left out: ${script} is not tried, it needs root\n`);

  /** Runs the script with stand-ins, for what it runs, that print their arguments, and for what makes directories. */
  function run(args: readonly string[] = [], env: Record<string, string> = {}, as: { uid?: number } = {}) {
    chmodSync(work, 0o755);
    for (const name of [script, 'daemon-environment.sh']) copyFileSync(join(deploy, name), join(work, name));
    mkdirSync(join(work, 'bin'));
    writeFileSync(join(work, 'bin', program), '#!/bin/sh\nprintf "%s\\n" "$@"\n', { mode: 0o755 });
    for (const name of ['mkdir', 'install']) {
      writeFileSync(join(work, 'bin', name), '#!/bin/sh\n', { mode: 0o755 });
    }
    const PATH = `${join(work, 'bin')}:/usr/bin:/bin`;
    const given = { PATH, CONFIG_DIR: join(work, 'etc'), IMAGE: 'image', ...env };
    return spawnSync('sh', [join(work, script), ...args], { encoding: 'utf8', cwd: '/', env: given, ...as });
  }

  function configure() {
    mkdirSync(join(work, 'etc'));
    writeFileSync(join(work, 'etc/daemon.env'), 'DAEMON_FLAGS="--grid-host=grid.example.com --wapi-username=cni"\n');
    writeFileSync(join(work, 'etc/wapi-password'), 'secret\n');
  }

  it.runIf(isRoot)('hands its flags to the daemon, then those of the caller', () => {
    const flags = run(['--log-level=debug', '--cluster-name=two words']).stdout.trim().split('\n');
    expect(flags.slice(-4)).toEqual([
      '--grid-host=192.168.124.200',
      '--wapi-username=infoblox',
      '--log-level=debug',
      '--cluster-name=two words',
    ]);
  });

  it.runIf(isRoot)('reads the settings that the systemd unit reads, and the password by file', () => {
    configure();
    expect(run().stdout.trim().split('\n').slice(-3)).toEqual([
      '--grid-host=grid.example.com',
      '--wapi-username=cni',
      `--wapi-password-file=${join(work, 'etc/wapi-password')}`,
    ]);
  });

  it.runIf(isRoot)('leaves the file alone where WAPI_PASSWORD is set', () => {
    configure();
    const { stdout } = run([], { WAPI_PASSWORD: 'from the environment' });
    expect(stdout).toMatch(/--wapi-username=cni\n$/);
    expect(stdout).not.toContain('from the environment');
  });

  it('refuses to run without root', () => {
    const nobody = isRoot ? { uid: 65534 } : {};
    expect(run([], {}, nobody)).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringContaining('must be run as root'),
    });
  });
});
