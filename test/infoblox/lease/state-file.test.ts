/** The state on a disk that takes no more: what can be read is enough to start. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'vitest';
import { GridError } from '../../../src/infoblox/errors.ts';
import { newRow, SqliteLeaseStore } from '../../../src/infoblox/lease/store.ts';
import { rootTest } from '../../reliability/root.ts';
import { fill, onSmallDisk } from './small-disk.ts';

/** A state with one row, as a daemon leaves it that has ended. */
function leaveState(directory: string): void {
  const { store } = SqliteLeaseStore.open(directory, new Conditions());
  store.put({ ...newRow('a', 'net-1', 'default', 1), state: 'held' });
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

rootTest('a state on a full disk is opened, read, and held against a second daemon', 'a small file system', () =>
  onSmallDisk((directory) => {
    leaveState(directory);
    const free = fill(directory);
    const { store } = SqliteLeaseStore.open(directory, new Conditions());
    expect(store.get('a')?.state).toBe('held');
    expect(store.oweIntents(1, 1)).toBe(0);
    expect(refusalOf(() => store.put(newRow('b', 'net-1', 'default', 1)))).toMatchObject({
      reason: 'state',
      message: expect.stringContaining('full'),
    });
    expect(refusalOf(() => SqliteLeaseStore.open(directory, new Conditions())).message).toContain(
      'another daemon is using it',
    );
    free();
    store.put(newRow('b', 'net-1', 'default', 1));
    store.close();
  }),
);

rootTest('a state of an earlier release on a full disk is refused, and whole afterwards', 'a small file system', () =>
  onSmallDisk((directory) => {
    leaveState(directory);
    const database = new DatabaseSync(join(directory, 'state.db'));
    database.exec('DROP INDEX attachment_address; ALTER TABLE attachment DROP COLUMN doomedUntil');
    for (const column of ['processStart', 'bootedAt', 'callers'])
      database.exec(`ALTER TABLE attachment DROP COLUMN ${column}`);
    database.exec('PRAGMA user_version = 1');
    database.close();
    const free = fill(directory);
    expect(refusalOf(() => SqliteLeaseStore.open(directory, new Conditions())).message).toContain('full');
    free();
    const { store, setAside } = SqliteLeaseStore.open(directory, new Conditions());
    expect([setAside, store.get('a')?.state]).toEqual([undefined, 'held']);
    store.close();
  }),
);

rootTest('a read-only file system is named as such', 'a small file system', () =>
  onSmallDisk((directory) => {
    leaveState(directory);
    mkdirSync(join(directory, 'empty'));
    execFileSync('mount', ['-o', 'remount,ro', directory]);
    for (const place of [directory, join(directory, 'empty'), join(directory, 'absent')]) {
      expect(refusalOf(() => SqliteLeaseStore.open(place, new Conditions()))).toMatchObject({
        reason: 'state',
        message: expect.stringContaining('read-only file system'),
        hint: expect.stringContaining('mount it writable'),
      });
    }
  }),
);
