import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { callTimeoutsMs } from '../../../src/modes/protocol.ts';

const deploy = join(import.meta.dirname, '../../../deploy');
const unit = readFileSync(join(deploy, 'systemd/infoblox-cni-daemon.service'), 'utf8');

const socket = readFileSync(join(deploy, 'systemd/infoblox-cni.socket'), 'utf8');

/** In CI, where everything is installed, the tests fail instead of being skipped. */
const leftOut = spawnSync('systemd-analyze', ['--version']).error !== undefined && process.env.CI === undefined;
if (leftOut) process.stderr.write('left out: the systemd unit is not verified, this host has no systemd-analyze\n');

/** Returns all values of one directive, in order. */
function directive(name: string): string[] {
  return unit.split('\n').flatMap((line) => (line.startsWith(`${name}=`) ? [line.slice(name.length + 1)] : []));
}

describe('the systemd unit', () => {
  it.skipIf(leftOut)('passes systemd-analyze verify without a remark', () => {
    const directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-unit-'));
    try {
      const file = join(directory, 'infoblox-cni-daemon.service');
      writeFileSync(file, unit.replace('/usr/local/bin/infoblox-cni-daemon', process.execPath));
      writeFileSync(join(directory, 'infoblox-cni.socket'), socket);
      const run = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' });
      expect(run.status, run.stderr).toBe(0);
      expect(run.stderr).not.toContain('infoblox-cni-daemon');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it.skipIf(leftOut)('has an exposure of at most 1.1 by systemd-analyze security', () => {
    const file = join(deploy, 'systemd/infoblox-cni-daemon.service');
    const run = spawnSync('systemd-analyze', ['security', '--offline=true', '--threshold=11', file], {
      encoding: 'utf8',
    });
    expect(run.stdout).toContain('Overall exposure level');
    expect(run.status, run.stdout).toBe(0);
  });

  it('never lets the memory of the daemon, which contains the password, be written to disk', () => {
    expect(directive('LimitCORE')).toEqual(['0']);
    expect(directive('MemorySwapMax')).toEqual(['0']);
  });

  it('allows the maximum heap of V8, and the daemon’s other memory', () => {
    const build = readFileSync(join(deploy, '../build.mjs'), 'utf8');
    const heap = Number(/^const MAX_HEAP_MIB = (\d+);$/m.exec(build)?.[1]);
    expect(directive('MemoryMax')).toEqual(['512M']);
    expect(heap).toBeGreaterThanOrEqual(256);
    expect(heap).toBeLessThanOrEqual(512 - 128);
  });

  it('counts as started when the daemon reports it, and is ended after a minute without a sign of life', () => {
    expect(directive('Type')).toEqual(['notify']);
    expect(directive('OpenFile')).toEqual(['/run/systemd/notify:notify']);
    expect(Number(directive('WatchdogSec')[0])).toBeLessThanOrEqual(60);
  });

  it('passes the password as a credential, never through the environment', () => {
    expect(directive('LoadCredential')).toEqual(['wapi-password:/etc/infoblox-cni/wapi-password']);
    expect(directive('Environment')).toEqual([]);
    expect(readFileSync(join(deploy, 'systemd/daemon.env'), 'utf8')).not.toMatch(/--wapi-password[= ]/);
  });

  it('lets the daemon see network namespaces and compile its code', () => {
    for (const harmful of ['MountFlags', 'PrivatePIDs', 'PrivateNetwork', 'MemoryDenyWriteExecute', 'ProcSubset']) {
      expect(directive(harmful), harmful).toEqual([]);
    }
    for (const hidden of [...directive('InaccessiblePaths'), ...directive('TemporaryFileSystem')]) {
      expect(hidden).not.toMatch(/\/run/);
    }
  });

  it('gives the daemon no capabilities, and hides other processes', () => {
    expect(directive('CapabilityBoundingSet')).toEqual(['']);
    expect(directive('ProtectProc')).toEqual(['invisible']);
    expect(directive('PrivateUsers')).toEqual(['yes']);
  });

  it('removes all variables of Node and OpenSSL that affect the executable', () => {
    const unset = directive('UnsetEnvironment').flatMap((names) => names.split(' '));
    for (const name of [
      'NODE_OPTIONS',
      'NODE_V8_COVERAGE',
      'NODE_COMPILE_CACHE',
      'NODE_EXTRA_CA_CERTS',
      'OPENSSL_CONF',
    ]) {
      expect(unset, name).toContain(name);
    }
    for (const name of unset) expect(name).toMatch(/^(NODE|OPENSSL)_[A-Z0-9_]+$/);
  });

  it('restarts the daemon after any end, except for a wrong command line', () => {
    expect(directive('Restart')).toEqual(['always']);
    expect(directive('StartLimitIntervalSec')).toEqual(['0']);
    expect(directive('RestartPreventExitStatus')).toEqual(['2']);
  });

  it('lets the longest call end before it is killed', () => {
    expect(Number(directive('TimeoutStopSec')[0]) * 1000).toBeGreaterThan(callTimeoutsMs.ADD);
  });

  it('lets systemd own socket and notes, which it keeps across restarts and only for root', () => {
    expect(directive('RuntimeDirectory')).toEqual([]);
    expect(directive('StateDirectoryMode')).toEqual(['0700']);
    expect(directive('User')).toEqual(['infoblox-cni']);
    expect(socket).toMatch(/^SocketMode=0600$/m);
    expect(socket).toMatch(/^SocketUser=root$/m);
    const notes = readFileSync(join(deploy, 'systemd/infoblox-cni.tmpfiles.conf'), 'utf8');
    expect(notes).toMatch(/^d \/run\/cni 0755 root root -$/m);
    expect(notes).toMatch(/^d \/run\/cni\/infoblox\.owed 2770 root infoblox-cni -$/m);
  });
});
