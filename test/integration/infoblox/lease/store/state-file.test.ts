/** The state file on a full disk. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Conditions } from '../../../../../src/infoblox/conditions.ts';
import { GridError } from '../../../../../src/infoblox/errors.ts';
import { SqliteLeaseStore } from '../../../../../src/infoblox/lease/store/sqlite-store.ts';
import { aLease, put } from '../../../../fixture/a-lease.ts';
import { rootTest } from '../../../../fixture/root.ts';
import { fill, onSmallDisk } from './small-disk.ts';

const open = (directory: string) => SqliteLeaseStore.open(directory, new Conditions());

/** Makes a state with one lease, like a daemon that has ended. */
function leaveState(directory: string): void {
  const { store } = open(directory);
  put(store, aLease('a'));
  store.close();
}

function refusalOf(action: () => unknown): GridError {
  try {
    action();
  } catch (error) {
    if (error instanceof GridError) return error;
    throw error;
  }
  throw new Error('expected a refusal');
}

rootTest('a state on a full disk is opened, read and locked against a second daemon', 'a small file system', () =>
  onSmallDisk(async (directory) => {
    leaveState(directory);
    const free = fill(directory);
    const { store } = open(directory);
    expect(store.get('a')?.phase).toBe('bound');
    put(store, aLease('b'));
    await expect(store.durable()).rejects.toMatchObject({ reason: 'state', message: expect.stringContaining('full') });
    expect(refusalOf(() => open(directory)).message).toContain('another daemon is using it');
    free();
    put(store, aLease('b'));
    await store.durable();
    store.close();
  }),
);

rootTest('the error names a read-only file system', 'a small file system', () =>
  onSmallDisk((directory) => {
    leaveState(directory);
    mkdirSync(join(directory, 'empty'));
    execFileSync('mount', ['-o', 'remount,ro', directory]);
    for (const place of [directory, join(directory, 'empty'), join(directory, 'absent')]) {
      expect(refusalOf(() => open(place))).toMatchObject({
        reason: 'state',
        message: expect.stringContaining('read-only file system'),
        hint: expect.stringContaining('mount it writable'),
      });
    }
  }),
);
