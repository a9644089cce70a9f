import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Conditions } from '../../../../../src/infoblox/conditions.ts';
import { GridError } from '../../../../../src/infoblox/errors.ts';
import { SqliteLeaseStore } from '../../../../../src/infoblox/lease/store/sqlite-store.ts';
import { aLease, drop, put } from '../../../../fixture/a-lease.ts';

let directory: string;
let conditions: Conditions;
const open: SqliteLeaseStore[] = [];

function openStore(at = directory) {
  const opened = SqliteLeaseStore.open(at, conditions);
  open.push(opened.store);
  return opened;
}

function refusalOf(at: string): GridError {
  try {
    openStore(at);
  } catch (error) {
    if (error instanceof GridError) return error;
  }
  throw new Error('expected a GridError');
}

beforeEach(() => {
  conditions = new Conditions();
  directory = join(mkdtempSync(join(tmpdir(), 'infoblox-cni-store-')), 'state');
});
afterEach(() => {
  for (const store of open.splice(0)) {
    try {
      store.close();
    } catch {
      // The test closed the store itself.
    }
  }
  rmSync(join(directory, '..'), { recursive: true, force: true });
});

describe('a state file', () => {
  test('is created with its directory, readable only by the daemon', () => {
    openStore();
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(readdirSync(directory)).toContain('state.db');
  });

  test('contains what was applied before it was closed, even if no caller waited', () => {
    const { store } = openStore();
    put(store, aLease('a'));
    store.close();
    const again = openStore();
    expect(again.setAside).toBeUndefined();
    expect(again.store.get('a')).toEqual(aLease('a'));
  });

  test('is locked by one daemon, and a second one is refused with a hint', () => {
    const { store } = openStore();
    put(store, aLease('a'));
    expect(refusalOf(directory)).toMatchObject({
      reason: 'state',
      message: expect.stringMatching(/state\.db: another daemon is using it$/),
      hint: expect.stringContaining('--state-dir of its own'),
    });
    expect(store.get('a')).toEqual(aLease('a'));
    store.close();
    expect(openStore().store.get('a')).toEqual(aLease('a'));
  });

  test.each([
    [
      'is not a database',
      () => writeFileSync(join(directory, 'state.db'), 'not a database, but long enough'.repeat(50)),
    ],
    [
      'is damaged in the middle',
      () => {
        const { store } = SqliteLeaseStore.open(directory, conditions);
        for (let n = 0; n < 500; n += 1) put(store, aLease(`a${n}`));
        store.close();
        const file = join(directory, 'state.db');
        const { size } = statSync(file);
        const database = new DatabaseSync(file);
        database.close();
        writeFileSync(file, Buffer.alloc(size - 8192, 0xa5), { flag: 'r+' });
      },
    ],
    [
      'is of a newer release',
      () => {
        SqliteLeaseStore.open(directory, conditions).store.close();
        const database = new DatabaseSync(join(directory, 'state.db'));
        database.exec('PRAGMA user_version = 99');
        database.close();
      },
    ],
    [
      'has other tables',
      () => {
        const database = new DatabaseSync(join(directory, 'state.db'));
        database.exec('CREATE TABLE lease (x TEXT)');
        database.close();
      },
    ],
  ])('that %s is set aside, and a new one is started', (_, spoil) => {
    mkdirSync(directory, { recursive: true });
    spoil();
    const { store, setAside } = openStore();
    expect(setAside?.file).toMatch(/state\.db\.unreadable-\d+$/);
    expect(existsSync(setAside?.file ?? '')).toBe(true);
    expect(store.count('bound')).toBe(0);
    put(store, aLease('a'));
    expect(store.get('a')).toEqual(aLease('a'));
  });

  test.each([
    ['lies under a file', () => join(directory, 'file', 'state'), /ENOTDIR|EEXIST/],
    ['cannot be made', () => '/sys/infoblox-cni', /EACCES|EPERM|EROFS/],
    // /proc answers ENOENT to mkdir, on which Node's recursive mkdir never returns.
    ['is refused as absent', () => '/proc/self/infoblox-cni', /ENOENT|EACCES|EPERM/],
    ['cannot be written', () => '/sys', /unable to open|readonly|EROFS/],
  ])('whose directory %s fails with a clear error', (_, place, text) => {
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'file'), '');
    expect(refusalOf(place())).toMatchObject({
      reason: 'state',
      message: expect.stringMatching(text),
      hint: 'check that --state-dir is writable and its disk not full',
    });
  });

  test('that fails in use gives an error that names the file', async () => {
    const { store } = openStore();
    store.close();
    put(store, aLease('a'));
    await expect(store.durable()).rejects.toThrow(/^cannot use the state file/);
  });

  test('that is found damaged in use is lost, and set aside at the next start', async () => {
    const address = (n: number) => `10.0.${n >> 8}.${n & 255}`;
    const filled = openStore().store;
    for (let n = 0; n < 20_000; n += 1) put(filled, aLease(`lease ${n}`, { address: address(n) }));
    filled.close();
    const { store } = openStore();
    expect(store.loss).toBeUndefined();
    // This exceeds the cache of SQLite.
    const file = join(directory, 'state.db');
    const { size } = statSync(file);
    writeFileSync(file, Buffer.concat([readFileSync(file).subarray(0, 8192), Buffer.alloc(size - 8192, 0xa5)]));
    for (let n = 0; n < 20_000; n += 100) put(store, aLease(`lease ${n}`, { phase: 'releasing', address: address(n) }));
    await expect(store.durable()).rejects.toThrow('malformed');
    expect(store.loss?.message).toMatch(/^the state file is damaged: .*malformed/);
    store.close();
    const again = openStore();
    expect(again.setAside?.file).toMatch(/state\.db\.unreadable-\d+$/);
    expect(again.store.where(() => true)).toEqual([]);
  });
});

describe('leases', () => {
  /** Changes the file in a way that the product never does. */
  function change(sql: string): void {
    const database = new DatabaseSync(join(directory, 'state.db'));
    database.exec(sql);
    database.close();
  }

  test('that cannot be forgotten block no others, hold no address, and are forgotten later', async () => {
    openStore().store.close();
    change("CREATE TRIGGER full BEFORE DELETE ON lease BEGIN SELECT RAISE(FAIL, 'disk is full'); END");
    const { store } = openStore();
    put(store, aLease('a', { phase: 'releasing', dueAt: 1 }));
    await store.durable();
    drop(store, 'a');
    await expect(store.durable()).rejects.toThrow('full');
    put(store, aLease('b', { address: '10.0.0.3' }));
    await store.durable();
    expect([store.get('a')?.phase, store.boundAt('default', '10.0.0.2', 'c')]).toEqual(['releasing', undefined]);
    expect(store.boundAt('default', '10.0.0.3', 'c')?.mark).toBe('b');
    expect(store.due(1)?.mark).toBe('a');
    store.close();
    change('DROP TRIGGER full');
    const again = openStore();
    drop(again.store, 'a');
    await again.store.durable();
    expect(again.store.get('a')).toBeUndefined();
  });

  test('that cannot be written are a condition until one is written', async () => {
    openStore().store.close();
    change(`CREATE TRIGGER full BEFORE INSERT ON lease WHEN new.mark = 'a'
      BEGIN SELECT RAISE(FAIL, 'disk is full'); END`);
    const { store } = openStore();
    put(store, aLease('a'));
    await expect(store.durable()).rejects.toThrow('full');
    expect(conditions.find('state-not-writable')?.error).toMatchObject({
      reason: 'state',
      message: expect.stringContaining('full'),
    });
    put(store, aLease('b'));
    await store.durable();
    expect(conditions.all()).toEqual([]);
  });

  test('are counted by phase, with the age of the oldest release', () => {
    const { store } = openStore();
    put(store, aLease('a', { phase: 'pending', address: null }));
    put(store, aLease('b'));
    expect(store.oldestRelease()).toBeUndefined();
    put(store, aLease('c', { phase: 'releasing', releasedAt: 700, dueAt: 900 }));
    put(store, aLease('d', { phase: 'releasing', releasedAt: 600, dueAt: 950 }));
    expect([store.count('bound'), store.count('releasing'), store.count('pending')]).toEqual([1, 2, 1]);
    expect(store.oldestRelease()).toBe(600);
    drop(store, 'd');
    const now = Date.now();
    put(store, aLease('e', { phase: 'releasing', releasedAt: 500, restsUntil: now + 60_000, dueAt: now + 60_000 }));
    expect([store.count('resting'), store.count('releasing'), store.oldestRelease()]).toEqual([1, 1, 700]);
  });

  test('of 10,000 containers are opened, read and changed fast', async () => {
    const address = (n: number) => `10.0.${n >> 8}.${n & 255}`;
    const filled = openStore().store;
    for (let n = 0; n < 10_000; n += 1)
      put(filled, aLease(`lease ${n}`, { address: address(n), dueAt: n % 100 ? null : n }));
    filled.close();
    const begin = process.cpuUsage();
    const { store } = openStore();
    for (let n = 0; n < 10_000; n += 1) store.get(`lease ${n}`);
    for (let n = 0; n < 200; n += 1) {
      put(store, aLease(`lease ${n}`, { address: address(n + 10_000) }));
      await store.durable();
      store.due(1_000);
      store.nextDue(new Set());
    }
    expect(store.count('bound')).toBe(10_000);
    // The margin is wide: a durable write takes 0.15 ms, and a read less. The work of other processes does not count.
    expect(process.cpuUsage(begin).user / 1_000).toBeLessThan(5_000);
  });
});
