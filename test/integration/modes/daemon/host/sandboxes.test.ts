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
/** The host under another kernel. */
const under = (bootId: string, seconds: number, isUptimeCertain = true) =>
  thisHost(deps, { bootId, uptime: () => seconds, isUptimeCertain });
const own = `/proc/${process.pid}/ns/net`;
/** A process ID above the largest that the kernel gives. */
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
/** A namespace as it was seen at some path through some place. */
const seen = (netns: string, place?: string, processStart: number | null = null) => ({
  ...{ netns, processStart, bootId, bootedAt, uptime: null },
  netnsId: place === undefined ? '4:17' : `4:17 via ${place}`,
});

describe('the witness', () => {
  test('knows a namespace by device and inode, the same by each path, and by the place where it was seen', () => {
    const { netnsId } = namespaces.identify(own);
    expect(netnsId).toBe(`${idOf(own)} via ${idOf('/proc/self/ns/pid')}`);
    expect(namespaces.identify('/proc/self/ns/net').netnsId?.split(' ')[0]).toBe(idOf(own));
    expect(namespaces.identify('/proc/self/ns/mnt').netnsId?.split(' ')[0]).not.toBe(idOf(own));
  });

  test('knows the boot of the host, by its ID and its time', () => {
    expect(bootId).toBe(readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
    const btime = /^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1];
    expect(Math.abs(bootedAt - Number(btime))).toBeLessThan(5);
    expect(namespaces.identify(own)).toMatchObject({ bootId, bootedAt: expect.closeTo(bootedAt, -1) });
  });

  test('knows when the process started whose namespace it is', () => {
    const ticks = 100;
    const { processStart } = namespaces.identify(own);
    expect(Math.abs((processStart ?? 0) / ticks - (uptime() - process.uptime()))).toBeLessThan(5);
    expect(namespaces.identify(`/proc/${process.pid}/task/${process.pid}/ns/net`)).toMatchObject({ processStart });
    expect(namespaces.identify('/proc/self/ns/net').processStart).toBeNull();
  });

  test('has seen nothing where there is no namespace, or none that can be seen from here', () => {
    writeFileSync(join(directory, 'file'), '');
    const absent = [join(directory, 'file'), join(directory, 'absent'), nobody];
    for (const netns of [...absent, '', 'relative/path', '/proc/self/ns/net/inside', `/${'x'.repeat(5_000)}`]) {
      expect(namespaces.identify(netns)).toMatchObject({ netns, netnsId: null, processStart: null, bootId });
    }
  });

  test('does not vouch for what lies behind a link: it may be out of sight where the link is not', () => {
    symlinkSync(own, join(directory, 'link'));
    expect(namespaces.identify(join(directory, 'link')).netnsId).toBe(idOf(own));
    expect(namespaces.identify(`/proc/${process.pid}/root/proc/self/ns/net`).netnsId).toBe(idOf(own));
  });
});

describe('gone', () => {
  test('is not what is there', () => {
    expect(fate(namespaces.identify(own))).not.toBe('gone');
  });

  test('is what is absent where it was seen, and a process that has ended', () => {
    expect(fate(seen(join(directory, 'absent'), idOf(directory)))).toBe('gone');
    expect(fate(seen(nobody, idOf('/proc/self/ns/pid')))).toBe('gone');
    expect(fate(seen(own, idOf('/proc/self/ns/pid'), ownStart - 1))).toBe('gone');
  });

  test('is not what is no namespace any more: its mount may be out of sight', () => {
    writeFileSync(join(directory, 'unmounted'), '');
    expect(fate(seen(join(directory, 'unmounted'), idOf(directory)))).not.toBe('gone');
  });

  test('is not the namespace of a process that has moved to another one', () => {
    expect(fate(seen(own, idOf('/proc/self/ns/pid'), ownStart))).not.toBe('gone');
    expect(fate(seen(own, idOf('/proc/self/ns/pid')))).not.toBe('gone');
  });

  test('is not what was seen in a directory that is not the one of this path any more', () => {
    const place = join(directory, 'netns');
    mkdirSync(place);
    const witness = seen(join(place, 'x'), idOf(place));
    expect(fate(witness)).toBe('gone');
    renameSync(place, join(directory, 'out-of-sight'));
    expect(fate(witness)).not.toBe('gone');
    mkdirSync(place);
    expect(fate(witness)).not.toBe('gone');
  });

  test('is what was seen in a directory that has gone from the same directory above', () => {
    const own = join(directory, 'own');
    mkdirSync(own);
    const witness = seen(join(own, 'netns'), `${idOf(own)} in ${idOf(directory)}`);
    renameSync(own, join(directory, 'kept'));
    expect(fate(witness)).toBe('gone');
    // Whatever has its name is out of sight, or was made anew.
    writeFileSync(own, '');
    expect(fate(witness)).not.toBe('gone');
    rmSync(own);
    mkdirSync(own);
    expect(fate(witness)).not.toBe('gone');
    rmSync(own, { recursive: true });
    expect(fate({ ...witness, netnsId: `4:17 via 26:3 in ${idOf('/')}` })).not.toBe('gone');
  });

  test('is not a process of another PID namespace, be there one of its number in this one or not', () => {
    expect(fate(seen(nobody, '4:1'))).not.toBe('gone');
    expect(fate(seen(own, '4:1', ownStart - 1))).not.toBe('gone');
  });

  test('is not what was seen by a release that did not note where, nor what was never seen', () => {
    expect(fate(seen(join(directory, 'absent')))).not.toBe('gone');
    expect(fate({ ...seen(nobody, idOf('/proc/self/ns/pid')), netnsId: null })).not.toBe('gone');
  });

  test('is not what cannot be looked at', () => {
    expect(fate(seen('/proc/self/ns/net/inside', idOf('/proc/self/ns/net')))).not.toBe('gone');
  });

  test('is what was seen before the host booted and is not there now, wherever that was', () => {
    const before = { bootId: 'of-the-boot-before', bootedAt: bootedAt - 300 };
    expect(fate({ ...seen(own, '4:1'), ...before })).toBe('gone');
    expect(fate({ ...seen(own), ...before })).toBe('gone');
    expect(fate({ ...namespaces.identify(own), ...before })).not.toBe('gone');
    expect(fate({ ...seen(own), ...before, bootId: 'unknown' })).not.toBe('gone');
    expect(fate({ ...seen(own), ...before, bootedAt: null })).not.toBe('gone');
  });

  test('is not what is out of sight only since the host, or the container of the daemon, has another boot ID', () => {
    const restarted = under('of-this-start-of-the-container', uptime());
    const fateThen = (identity: SandboxIdentity) => restarted.fate(identity, uptime() - 1);
    expect(fateThen(namespaces.identify(own))).not.toBe('gone');
    expect(fateThen(seen(own, '4:1'))).not.toBe('gone');
  });

  test('with its boot is what is absent under a kernel that has run for less long than that of its boot', () => {
    const before = under('before', 90.7).identify(own);
    expect(before).toMatchObject({ bootId: 'before', uptime: 90 });
    const absent = { ...seen(join(directory, 'absent')), bootId: 'before' };
    expect(under('now', 89.9).fate(absent, before.uptime)).toBe('gone with its boot');
    expect(under('now', 89.9).fate(before, before.uptime)).toBe('alive');
    expect(under('now', 90).fate(absent, before.uptime)).toBe('gone');
    expect(under('now', 89.9).fate(absent, null)).toBe('gone');
  });

  test('with its boot is nothing where something else than the kernel may say how long it has run', () => {
    const absent = { ...seen(join(directory, 'absent')), bootId: 'before' };
    const container = under('now', 5, false);
    expect(container.fate(absent, 90)).toBe('gone');
    expect(container.identify(own).uptime).toBeNull();
  });
});
