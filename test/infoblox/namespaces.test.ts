import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hostNamespaces } from '../../src/infoblox/namespaces.ts';

const namespaces = hostNamespaces();

test('a namespace that is there is known by device and inode, the same by each path', () => {
  const look = namespaces.look('/proc/self/ns/net');
  expect(look).toEqual({ kind: 'there', id: expect.stringMatching(/^\d+:\d+$/) });
  expect(namespaces.look(`/proc/${process.pid}/ns/net`)).toEqual(look);
  expect(namespaces.look('/proc/self/ns/mnt')).not.toEqual(look);
});

test('a path that leads nowhere, or to what is no namespace any more, is gone', () => {
  const directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-netns-'));
  try {
    writeFileSync(join(directory, 'unmounted'), '');
    expect(namespaces.look(join(directory, 'unmounted'))).toEqual({ kind: 'gone' });
    expect(namespaces.look(join(directory, 'absent'))).toEqual({ kind: 'gone' });
    expect(namespaces.look('/proc/4194999/ns/net')).toEqual({ kind: 'gone' });
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('what cannot be seen from here proves nothing', () => {
  for (const path of ['', 'relative/path', '/proc/self/ns/net/inside', `/${'x'.repeat(5_000)}`]) {
    expect(namespaces.look(path)).toEqual({ kind: 'unknown' });
  }
});

test('the boot of the host is known', () => {
  expect(namespaces.bootId).toBe(readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
});
