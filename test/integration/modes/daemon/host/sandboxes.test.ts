import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir, uptime } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hostClock } from '../../../../../src/infoblox/concurrency/clock.ts';
import type { SandboxIdentity } from '../../../../../src/infoblox/host.ts';
import { thisHost } from '../../../../../src/modes/daemon/host/this-host.ts';

const deps = { clock: hostClock(), log: { warn: () => undefined } };
const namespaces = thisHost(deps);
const fate = (identity: SandboxIdentity) => namespaces.fate(identity, null);
/** The host with another boot ID and uptime. */
const under = (bootId: string, seconds: number, isUptimeCertain = true) =>
  thisHost(deps, { bootId, uptime: () => seconds, isUptimeCertain });
const own = `/proc/${process.pid}/ns/net`;
/** A process ID above the maximum of the kernel. */
const nobody = '/proc/4194999/ns/net';
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-netns-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

const idOf = (path: string) => `${statSync(path).dev}:${statSync(path).ino}`;
const { bootId, bootedAt } = namespaces.identify('/none') as { bootId: string; bootedAt: number };
const ownStart = namespaces.identify(own).processStart ?? 0;
/** Returns the identity of a namespace seen at a path through a place. */
const seen = (netns: string, place?: string, processStart: number | null = null) => ({
  ...{ netns, processStart, bootId, bootedAt, uptime: null },
  netnsId: place === undefined ? '4:17' : `4:17 via ${place}`,
});

describe('the sandbox identity', () => {
  test('has device and inode, the same by each path, and the place where the namespace was seen', () => {
    const { netnsId } = namespaces.identify(own);
    expect(netnsId).toBe(`${idOf(own)} via ${idOf('/proc/self/ns/pid')}`);
    expect(namespaces.identify('/proc/self/ns/net').netnsId?.split(' ')[0]).toBe(idOf(own));
    expect(namespaces.identify('/proc/self/ns/mnt').netnsId?.split(' ')[0]).not.toBe(idOf(own));
  });

  test('has the ID and the time of the host’s boot', () => {
    expect(bootId).toBe(readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
    const btime = /^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1];
    expect(Math.abs(bootedAt - Number(btime))).toBeLessThan(5);
    expect(namespaces.identify(own)).toMatchObject({ bootId, bootedAt: expect.closeTo(bootedAt, -1) });
  });

  test('has the start of the process that owns the namespace', () => {
    const ticks = 100;
    const { processStart } = namespaces.identify(own);
    expect(Math.abs((processStart ?? 0) / ticks - (uptime() - process.uptime()))).toBeLessThan(5);
    expect(namespaces.identify(`/proc/${process.pid}/task/${process.pid}/ns/net`)).toMatchObject({ processStart });
    expect(namespaces.identify('/proc/self/ns/net').processStart).toBeNull();
  });

  test('is empty if there is no namespace, or none visible from here', () => {
    writeFileSync(join(directory, 'file'), '');
    const absent = [join(directory, 'file'), join(directory, 'absent'), nobody];
    for (const netns of [...absent, '', 'relative/path', '/proc/self/ns/net/inside', `/${'x'.repeat(5_000)}`]) {
      expect(namespaces.identify(netns)).toMatchObject({ netns, netnsId: null, processStart: null, bootId });
    }
  });

  test('has no place if the path is a link, whose target may be invisible while the link is not', () => {
    symlinkSync(own, join(directory, 'link'));
    expect(namespaces.identify(join(directory, 'link')).netnsId).toBe(idOf(own));
    expect(namespaces.identify(`/proc/${process.pid}/root/proc/self/ns/net`).netnsId).toBe(idOf(own));
  });
});

describe('a namespace', () => {
  test('is not gone if it exists', () => {
    expect(fate(namespaces.identify(own))).not.toBe('gone');
  });

  test('is gone if it is missing where it was seen, or its process has ended', () => {
    expect(fate(seen(join(directory, 'absent'), idOf(directory)))).toBe('gone');
    expect(fate(seen(nobody, idOf('/proc/self/ns/pid')))).toBe('gone');
    expect(fate(seen(own, idOf('/proc/self/ns/pid'), ownStart - 1))).toBe('gone');
  });

  test('is not gone if a plain file has its name, as its mount may be invisible', () => {
    writeFileSync(join(directory, 'unmounted'), '');
    expect(fate(seen(join(directory, 'unmounted'), idOf(directory)))).not.toBe('gone');
  });

  test('is not gone if its process moved to another namespace', () => {
    expect(fate(seen(own, idOf('/proc/self/ns/pid'), ownStart))).not.toBe('gone');
    expect(fate(seen(own, idOf('/proc/self/ns/pid')))).not.toBe('gone');
  });

  test('is not gone if the path leads to another directory now', () => {
    const place = join(directory, 'netns');
    mkdirSync(place);
    const witness = seen(join(place, 'x'), idOf(place));
    expect(fate(witness)).toBe('gone');
    renameSync(place, join(directory, 'out-of-sight'));
    expect(fate(witness)).not.toBe('gone');
    mkdirSync(place);
    expect(fate(witness)).not.toBe('gone');
  });

  test('is gone if its directory is missing from the same parent directory', () => {
    const own = join(directory, 'own');
    mkdirSync(own);
    const witness = seen(join(own, 'netns'), `${idOf(own)} in ${idOf(directory)}`);
    renameSync(own, join(directory, 'kept'));
    expect(fate(witness)).toBe('gone');
    // A file or directory of that name may hide it, or be new.
    writeFileSync(own, '');
    expect(fate(witness)).not.toBe('gone');
    rmSync(own);
    mkdirSync(own);
    expect(fate(witness)).not.toBe('gone');
    rmSync(own, { recursive: true });
    expect(fate({ ...witness, netnsId: `4:17 via 26:3 in ${idOf('/')}` })).not.toBe('gone');
  });

  test('is not gone if its process is in another PID namespace, whether or not this one has the same ID', () => {
    expect(fate(seen(nobody, '4:1'))).not.toBe('gone');
    expect(fate(seen(own, '4:1', ownStart - 1))).not.toBe('gone');
  });

  test('is not gone if it was recorded without its place, or never seen', () => {
    expect(fate(seen(join(directory, 'absent')))).not.toBe('gone');
    expect(fate({ ...seen(nobody, idOf('/proc/self/ns/pid')), netnsId: null })).not.toBe('gone');
  });

  test('is not gone if it cannot be looked at', () => {
    expect(fate(seen('/proc/self/ns/net/inside', idOf('/proc/self/ns/net')))).not.toBe('gone');
  });

  test('is gone if it was seen before the host booted and is missing now, wherever it was seen', () => {
    const before = { bootId: 'of-the-boot-before', bootedAt: bootedAt - 300 };
    expect(fate({ ...seen(own, '4:1'), ...before })).toBe('gone');
    expect(fate({ ...seen(own), ...before })).toBe('gone');
    expect(fate({ ...namespaces.identify(own), ...before })).not.toBe('gone');
    expect(fate({ ...seen(own), ...before, bootId: 'unknown' })).not.toBe('gone');
    expect(fate({ ...seen(own), ...before, bootedAt: null })).not.toBe('gone');
  });

  test('is not gone because only the boot ID changed, as in a restarted container of the daemon', () => {
    const restarted = under('of-this-start-of-the-container', uptime());
    const fateThen = (identity: SandboxIdentity) => restarted.fate(identity, uptime() - 1);
    expect(fateThen(namespaces.identify(own))).not.toBe('gone');
    expect(fateThen(seen(own, '4:1'))).not.toBe('gone');
  });

  test('is gone with its boot if it is missing and the kernel has a lower uptime than was recorded', () => {
    const before = under('before', 90.7).identify(own);
    expect(before).toMatchObject({ bootId: 'before', uptime: 90 });
    const absent = { ...seen(join(directory, 'absent')), bootId: 'before' };
    expect(under('now', 89.9).fate(absent, before.uptime)).toBe('gone with its boot');
    expect(under('now', 89.9).fate(before, before.uptime)).toBe('alive');
    expect(under('now', 90).fate(absent, before.uptime)).toBe('gone');
    expect(under('now', 89.9).fate(absent, null)).toBe('gone');
  });

  test('is not gone with its boot if the uptime may come from something else than the kernel', () => {
    const absent = { ...seen(join(directory, 'absent')), bootId: 'before' };
    const container = under('now', 5, false);
    expect(container.fate(absent, 90)).toBe('gone');
    expect(container.identify(own).uptime).toBeNull();
  });
});
