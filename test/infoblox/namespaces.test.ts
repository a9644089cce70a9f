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
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hostNamespaces } from '../../src/infoblox/namespaces.ts';

const namespaces = hostNamespaces();
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
const { bootId } = namespaces.witness('');
/** A namespace as it was seen at some path through some place. */
const seen = (netns: string, place?: string) => ({
  ...{ netns, bootId },
  netnsId: place === undefined ? '4:17' : `4:17 via ${place}`,
});

describe('the witness', () => {
  test('knows a namespace by device and inode, the same by each path, and by the place where it was seen', () => {
    const { netnsId } = namespaces.witness(own);
    expect(netnsId).toBe(`${idOf(own)} via ${idOf('/proc/self/ns/pid')}`);
    expect(namespaces.witness('/proc/self/ns/net').netnsId?.split(' ')[0]).toBe(idOf(own));
    expect(namespaces.witness('/proc/self/ns/mnt').netnsId?.split(' ')[0]).not.toBe(idOf(own));
  });

  test('knows the boot of the host', () => {
    expect(bootId).toBe(readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
  });

  test('has seen nothing where there is no namespace, or none that can be seen from here', () => {
    writeFileSync(join(directory, 'file'), '');
    const absent = [join(directory, 'file'), join(directory, 'absent'), nobody];
    for (const netns of [...absent, '', 'relative/path', '/proc/self/ns/net/inside', `/${'x'.repeat(5_000)}`]) {
      expect(namespaces.witness(netns)).toEqual({ netns, netnsId: null, bootId });
    }
  });

  test('does not vouch for what lies behind a link: it may be out of sight where the link is not', () => {
    symlinkSync(own, join(directory, 'link'));
    expect(namespaces.witness(join(directory, 'link')).netnsId).toBe(idOf(own));
  });
});

describe('gone', () => {
  test('is not what is there', () => {
    expect(namespaces.isGone(namespaces.witness(own))).toBe(false);
  });

  test('is what is absent, is no namespace any more, or is another one, where it was seen', () => {
    writeFileSync(join(directory, 'unmounted'), '');
    expect(namespaces.isGone(seen(join(directory, 'absent'), idOf(directory)))).toBe(true);
    expect(namespaces.isGone(seen(join(directory, 'unmounted'), idOf(directory)))).toBe(true);
    expect(namespaces.isGone(seen(nobody, idOf('/proc/self/ns/pid')))).toBe(true);
    expect(namespaces.isGone(seen(own, idOf('/proc/self/ns/pid')))).toBe(true);
  });

  test('is not what was seen in a directory that is not the one of this path any more', () => {
    const place = join(directory, 'netns');
    mkdirSync(place);
    const witness = seen(join(place, 'x'), idOf(place));
    expect(namespaces.isGone(witness)).toBe(true);
    renameSync(place, join(directory, 'out-of-sight'));
    expect(namespaces.isGone(witness)).toBe(false);
    mkdirSync(place);
    expect(namespaces.isGone(witness)).toBe(false);
  });

  test('is not a process of another PID namespace, be there one of its number in this one or not', () => {
    expect(namespaces.isGone(seen(nobody, '4:1'))).toBe(false);
    expect(namespaces.isGone(seen(own, '4:1'))).toBe(false);
  });

  test('is not what was seen by a release that did not note where, nor what was never seen', () => {
    expect(namespaces.isGone(seen(join(directory, 'absent')))).toBe(false);
    expect(namespaces.isGone({ ...seen(nobody, idOf('/proc/self/ns/pid')), netnsId: null })).toBe(false);
  });

  test('is not what cannot be looked at', () => {
    expect(namespaces.isGone(seen('/proc/self/ns/net/inside', idOf('/proc/self/ns/net')))).toBe(false);
  });

  test('is everything that was seen before the host booted, but not what was seen at an unknown time', () => {
    const before = { ...namespaces.witness(own), bootId: 'of-the-boot-before' };
    expect(namespaces.isGone(before)).toBe(true);
    expect(namespaces.isGone({ ...before, netnsId: '4:17' })).toBe(true);
    expect(namespaces.isGone({ ...before, bootId: 'unknown' })).toBe(false);
  });
});
