import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Conditions } from '../../../../src/infoblox/conditions.ts';
import { GridError } from '../../../../src/infoblox/errors.ts';
import { SqliteLeaseStore } from '../../../../src/infoblox/lease/state/store.ts';
import { aLease, drop, put } from '../a-lease.ts';

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
      // Closed by the test itself.
    }
  }
  rmSync(join(directory, '..'), { recursive: true, force: true });
});

describe('a state file', () => {
  test('is made with its directory, readable by the daemon only', () => {
    openStore();
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(readdirSync(directory)).toContain('state.db');
  });

  test('keeps leases and facts when it is closed and opened again', () => {
    const { store } = openStore();
    const full = aLease('a', { phase: 'releasing', dueAt: 5, createInDoubtUntil: 7, attempts: 3, callers: 'a1 b2' });
    const empty = aLease('b', { phase: 'pending', address: null, netns: null, netnsId: null, bootId: null });
    put(store, full);
    put(store, empty);
    put(store, aLease('c'));
    drop(store, 'c');
    store.setFact('imported', 'yes');
    store.close();
    const again = openStore();
    expect(again.setAside).toBeUndefined();
    expect([again.store.get('a'), again.store.get('b'), again.store.get('c')]).toEqual([full, empty, undefined]);
    expect(again.store.fact('imported')).toBe('yes');
    expect(again.store.fact('other')).toBeUndefined();
  });

  test('has one lease a mark: the last that was written', () => {
    const { store } = openStore();
    put(store, aLease('a'));
    put(store, aLease('a', { address: '10.0.0.3' }));
    expect(store.get('a')?.address).toBe('10.0.0.3');
    expect(store.count('bound')).toBe(1);
  });

  test('is held by one daemon: a second is refused and told what to do', () => {
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
    ['is no database', () => writeFileSync(join(directory, 'state.db'), 'not a database, but long enough'.repeat(50))],
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
  ])('that %s is set aside, not overwritten, and a fresh one begun', (_, spoil) => {
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
    // Where the kernel calls a new entry absent, Node's recursive mkdir does not return.
    ['is refused as absent', () => '/proc/self/infoblox-cni', /ENOENT|EACCES|EPERM/],
    ['cannot be written', () => '/sys', /unable to open|readonly|EROFS/],
  ])('whose directory %s is a clear error', (_, place, text) => {
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'file'), '');
    expect(refusalOf(place())).toMatchObject({
      reason: 'state',
      message: expect.stringMatching(text),
      hint: 'check that --state-dir is writable and its disk not full',
    });
  });

  test('that fails in use is an error of the state, naming the file', () => {
    const { store } = openStore();
    store.close();
    expect(() => put(store, aLease('a'))).toThrow(/^cannot use the state file/);
  });
});

describe('leases', () => {
  test('are changed by a transition of what is there then, and are durable when that returns', () => {
    const { store } = openStore();
    expect(store.apply('a', (lease) => (lease === undefined ? aLease('a') : lease))).toEqual(aLease('a'));
    expect(store.apply('a', (lease) => lease && { ...lease, attempts: lease.attempts + 1 })?.attempts).toBe(1);
    expect(store.apply('a', (lease) => lease && { ...lease, address: '10.0.0.3' })).toMatchObject({ attempts: 1 });
    expect(store.apply('a', () => undefined)).toBeUndefined();
    expect([store.get('a'), store.apply('a', (lease) => lease)]).toEqual([undefined, undefined]);
  });

  test('that a transition leaves as they are cost no write', () => {
    const { store } = openStore();
    put(store, aLease('a', { dueAt: 5 }));
    let told = 0;
    store.subscribe(() => {
      told += 1;
    });
    store.apply('a', (lease) => lease);
    expect(told).toBe(0);
    store.apply('a', (lease) => lease && { ...lease, dueAt: 6 });
    store.apply('a', (lease) => lease && { ...lease, dueAt: null });
    expect(told).toBe(1);
  });

  test('that are forgotten are named to whoever watches', () => {
    const { store } = openStore();
    put(store, aLease('before'));
    put(store, aLease('during'));
    drop(store, 'before');
    const { forgotten, end } = store.watchForgotten();
    drop(store, 'during');
    drop(store, 'never there');
    end();
    put(store, aLease('after'));
    drop(store, 'after');
    expect([...forgotten]).toEqual(['during']);
  });

  test('written to the grid since a time are made due, spread over a while; others are not', () => {
    const { store } = openStore();
    put(store, aLease('old', { writtenAt: 10 }));
    put(store, aLease('new', { writtenAt: 20 }));
    put(store, aLease('due already', { writtenAt: 20, dueAt: 3 }));
    put(store, aLease('going', { writtenAt: 20, phase: 'releasing' }));
    store.recheckSince(10, 100, 50);
    const [old, due, going] = ['old', 'due already', 'going'].map((mark) => store.get(mark)?.dueAt);
    expect([old, due, going]).toEqual([null, 3, null]);
    expect(store.get('new')?.dueAt).toBeGreaterThanOrEqual(100);
    expect(store.get('new')?.dueAt).toBeLessThan(150);
  });

  test('that others are busy with are passed over', () => {
    const { store } = openStore();
    for (let n = 0; n < 9; n += 1) put(store, aLease(`a${n}`, { phase: 'releasing', dueAt: n }));
    const busy = { has: (mark: string) => mark < 'a7' };
    expect(store.due({ now: 100, horizon: 1_000 }, 1, busy)).toEqual(['a7']);
    expect(store.nextDue(busy)).toBe(7);
  });

  test('whose last attempt failed can be made due at once, and no others', () => {
    const { store } = openStore();
    const doubtful = aLease('doubtful', { phase: 'releasing', dueAt: 900, deleteInDoubtUntil: 900 });
    put(store, aLease('failed', { phase: 'releasing', attempts: 4, dueAt: 900 }));
    put(store, doubtful);
    store.hurryFailed(50);
    expect(store.get('failed')).toMatchObject({ attempts: 0, dueAt: 50 });
    expect(store.get('doubtful')).toEqual(doubtful);
  });

  test('are due from their time on, releases before re-checks, the longest due first', () => {
    const { store } = openStore();
    put(store, aLease('later', { phase: 'releasing', dueAt: 300 }));
    put(store, aLease('second', { phase: 'releasing', dueAt: 200 }));
    put(store, aLease('first', { dueAt: 100, createInDoubtUntil: 500 }));
    put(store, aLease('never'));
    const due = (now: number, limit = 10) => store.due({ now, horizon: 1_000 }, limit);
    expect(due(99)).toEqual([]);
    expect(due(200)).toEqual(['second', 'first']);
    expect(due(300, 2)).toEqual(['second', 'later']);
    expect(due(300)).toEqual(['second', 'later', 'first']);
    expect(store.nextDue(new Set())).toBe(100);
    expect(store.nextDue(new Set(['first']))).toBe(200);
    expect(store.nextDue(new Set(['first', 'second', 'later']))).toBeUndefined();
  });

  test('that cannot be forgotten are no reason to refuse another, hold nothing, and go when they can', () => {
    openStore().store.close();
    const change = (sql: string) => {
      const database = new DatabaseSync(join(directory, 'state.db'));
      database.exec(sql);
      database.close();
    };
    change("CREATE TRIGGER full BEFORE DELETE ON lease BEGIN SELECT RAISE(FAIL, 'disk is full'); END");
    const { store } = openStore();
    put(store, aLease('a', { phase: 'releasing', dueAt: 1 }));
    expect(() => drop(store, 'a')).toThrow('full');
    expect(() => put(store, aLease('b', { address: '10.0.0.3' }))).not.toThrow();
    expect([store.get('a')?.phase, store.boundAt('default', '10.0.0.2', 'c')]).toEqual(['releasing', undefined]);
    expect(store.boundAt('default', '10.0.0.3', 'c')?.mark).toBe('b');
    expect(store.due({ now: 1, horizon: 1_000 }, 10)).toEqual(['a']);
    store.close();
    change('DROP TRIGGER full');
    const again = openStore();
    drop(again.store, 'a');
    expect(again.store.get('a')).toBeUndefined();
  });

  test('that cannot be written are a condition until one can be', () => {
    openStore().store.close();
    const database = new DatabaseSync(join(directory, 'state.db'));
    database.exec(`CREATE TRIGGER full BEFORE INSERT ON lease WHEN new.mark = 'a'
      BEGIN SELECT RAISE(FAIL, 'disk is full'); END`);
    database.close();
    const { store } = openStore();
    expect(() => put(store, aLease('a'))).toThrow('full');
    expect(conditions.find('state-not-writable')?.error).toMatchObject({
      reason: 'state',
      message: expect.stringContaining('full'),
    });
    put(store, aLease('b'));
    expect(conditions.all()).toEqual([]);
  });

  test('at an address are found by view, whatever is pending or going there', () => {
    const { store } = openStore();
    put(store, aLease('bound'));
    put(store, aLease('going', { phase: 'releasing' }));
    put(store, aLease('elsewhere', { view: 'other' }));
    expect(store.boundAt('default', '10.0.0.2', 'nobody')?.mark).toBe('bound');
    expect(store.boundAt('default', '10.0.0.2', 'bound')).toBeUndefined();
    expect(store.boundAt('other', '10.0.0.2', 'bound')?.mark).toBe('elsewhere');
    expect(store.boundAt('default', '10.0.0.3', 'nobody')).toBeUndefined();
  });

  test('dated beyond the horizon, by a clock set back since, are due too', () => {
    const { store } = openStore();
    put(store, aLease('a', { phase: 'releasing', dueAt: 5_000 }));
    expect(store.due({ now: 100, horizon: 1_000 }, 10)).toHaveLength(1);
    expect(store.due({ now: 100, horizon: 5_000 }, 10)).toHaveLength(0);
  });

  test('none of which is due have no next time', () => {
    const { store } = openStore();
    put(store, aLease('a'));
    expect(store.nextDue(new Set())).toBeUndefined();
  });

  test('are found by network and by having a sandbox that was seen', () => {
    const { store } = openStore();
    put(store, aLease('a'));
    put(store, aLease('b', { network: 'net-2', netnsId: null }));
    put(store, aLease('c', { phase: 'releasing' }));
    expect(store.ofNetwork('net-1').map(({ mark }) => mark)).toEqual(['a', 'c']);
    expect(store.withSandbox().map(({ mark }) => mark)).toEqual(['a']);
  });

  test('are found and counted by phase', () => {
    const { store } = openStore();
    put(store, aLease('a', { phase: 'pending', address: null }));
    put(store, aLease('b'));
    put(store, aLease('c', { phase: 'releasing', dueAt: 9 }));
    put(store, aLease('d', { phase: 'releasing', dueAt: 5 }));
    put(store, aLease('e', { phase: 'releasing', view: 'other' }));
    expect(store.inPhase('pending').map(({ mark }) => mark)).toEqual(['a']);
    expect(store.boundIn('default', 10).map(({ mark }) => mark)).toEqual(['b']);
    expect(store.boundIn('default', 0)).toEqual([]);
    expect(store.releasing('default').map(({ mark }) => mark)).toEqual(['d', 'c']);
    expect([store.count('bound'), store.count('releasing'), store.count('pending')]).toEqual([1, 3, 1]);
  });

  test('that are being released say how long for; the oldest counts', () => {
    const { store } = openStore();
    put(store, aLease('a'));
    expect(store.oldestRelease()).toBeUndefined();
    put(store, aLease('b', { phase: 'releasing', releasedAt: 700, dueAt: 900 }));
    put(store, aLease('c', { phase: 'releasing', releasedAt: 600, dueAt: 950 }));
    expect(store.oldestRelease()).toBe(600);
  });

  test('name one address in each network of each view, of bound ones alone', () => {
    const { store } = openStore();
    put(store, aLease('a', { address: '10.0.0.2' }));
    put(store, aLease('b', { address: '10.0.0.3' }));
    put(store, aLease('c', { address: '10.0.0.2', view: 'other' }));
    put(store, aLease('d', { address: '10.1.0.2', network: 'net-2' }));
    put(store, aLease('e', { address: '10.2.0.2', network: 'net-3', phase: 'releasing', dueAt: 1 }));
    const all = store.addressOfEach(10);
    expect(all.map(({ view, address }) => `${address} ${view}`).sort()).toEqual([
      '10.0.0.2 default',
      '10.0.0.2 other',
      '10.1.0.2 default',
    ]);
    expect(store.addressOfEach(2)).toHaveLength(2);
  });

  test('are found to be due at a cost that does not grow with their number', () => {
    const prepare = vi.spyOn(DatabaseSync.prototype, 'prepare');
    const { store } = openStore();
    prepare.mockClear();
    const due = ['a', 'b', 'c'].map((name, n) => aLease(name, { phase: 'releasing', dueAt: n }));
    for (const each of due) put(store, each);
    const statements = prepare.mock.calls.length;
    expect(store.due({ now: 100, horizon: 1_000 }, 2)).toEqual(['a', 'b']);
    expect(store.nextDue()).toBe(0);
    expect(store.hasAny('b')).toBe(true);
    expect(store.releasing('default')).toEqual(due);
    const queries = prepare.mock.calls.slice(statements).map(([sql]) => sql);
    prepare.mockRestore();
    store.close();
    const database = new DatabaseSync(join(directory, 'state.db'));
    const steps = queries.flatMap((sql) => database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all());
    database.close();
    expect(queries.length).toBeGreaterThan(2);
    for (const { detail } of steps) expect(detail).toMatch(/ USING (COVERING INDEX|INDEX|PRIMARY KEY) /);
  });

  test('of 10,000 containers are opened, read and changed fast', () => {
    openStore().store.close();
    const database = new DatabaseSync(join(directory, 'state.db'));
    const names = Object.keys(aLease('a'));
    const insert = database.prepare(
      `INSERT INTO lease (${names.join(', ')}) VALUES (${names.map((name) => `$${name}`).join(', ')})`,
    );
    database.exec('BEGIN');
    for (let n = 0; n < 10_000; n += 1) {
      insert.run(
        Object.fromEntries(
          Object.entries(aLease(`lease ${n}`, { dueAt: n % 100 ? null : n })).map(([name, value]) => [
            `$${name}`,
            value,
          ]),
        ),
      );
    }
    database.exec('COMMIT');
    database.close();

    const begin = performance.now();
    const { store } = openStore();
    for (let n = 0; n < 10_000; n += 1) store.get(`lease ${n}`);
    for (let n = 0; n < 200; n += 1) {
      put(store, aLease(`lease ${n}`, { address: '10.0.0.9' }));
      store.due({ now: 1_000, horizon: 100_000 }, 4);
      store.nextDue(new Set());
    }
    expect(store.ofNetwork('net-1')).toHaveLength(10_000);
    expect(store.withSandbox()).toHaveLength(10_000);
    // A wide margin: a durable write takes 0.15 ms on an ordinary disk, a read less.
    expect(performance.now() - begin).toBeLessThan(5_000);
  });
});
