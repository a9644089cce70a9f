import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { GridError } from '../../../src/infoblox/errors.ts';
import { newRow, type Row, Store } from '../../../src/infoblox/store.ts';

let directory: string;
const open: Store[] = [];

function openStore(at = directory) {
  const opened = Store.open(at);
  open.push(opened.store);
  return opened;
}

function row(identity: string, over: Partial<Row> = {}): Row {
  return {
    ...{ identity, network: 'net-1', view: 'default', state: 'held', address: '10.0.0.2' },
    ...{ netns: '/run/netns/a', netnsId: '4:17', processStart: 9, bootId: 'boot-1', bootedAt: 8 },
    ...{ createdAt: 1_000 },
    ...{ attempts: 0, dueAt: null, suspectUntil: null, doomedUntil: null, callers: null },
    ...over,
  };
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

  test('keeps rows and facts when it is closed and opened again', () => {
    const { store } = openStore();
    const full = row('a', { state: 'owed', dueAt: 5, suspectUntil: 7, attempts: 3, callers: 'a1 b2' });
    const empty = row('b', { state: 'intent', address: null, netns: null, netnsId: null, bootId: null });
    store.put(full);
    store.put(empty);
    store.put(row('c'));
    store.remove('c');
    store.setFact('adopted', 'yes');
    store.close();
    const again = openStore();
    expect(again.setAside).toBeUndefined();
    expect([again.store.get('a'), again.store.get('b'), again.store.get('c')]).toEqual([full, empty, undefined]);
    expect(again.store.fact('adopted')).toBe('yes');
    expect(again.store.fact('other')).toBeUndefined();
  });

  test('that an earlier release has left is brought up to this one, its rows as they were', () => {
    const { store } = openStore();
    store.put(row('a', { state: 'owed', dueAt: 5 }));
    store.close();
    const database = new DatabaseSync(join(directory, 'state.db'));
    database.exec(`ALTER TABLE attachment DROP COLUMN processStart; ALTER TABLE attachment DROP COLUMN bootedAt;
      ALTER TABLE attachment DROP COLUMN callers;
      DROP INDEX attachment_due; CREATE INDEX attachment_due ON attachment (dueAt) WHERE dueAt IS NOT NULL;
      PRAGMA user_version = 3`);
    database.close();
    const again = openStore();
    expect(again.setAside).toBeUndefined();
    expect(again.store.get('a')).toEqual(row('a', { state: 'owed', dueAt: 5, processStart: null, bootedAt: null }));
  });

  test('has one row an identity: the last that was put', () => {
    const { store } = openStore();
    store.put(row('a'));
    store.put(row('a', { address: '10.0.0.3' }));
    expect(store.get('a')?.address).toBe('10.0.0.3');
    expect(store.count('held')).toBe(1);
  });

  test('is held by one daemon: a second is refused and told what to do', () => {
    const { store } = openStore();
    store.put(row('a'));
    expect(refusalOf(directory)).toMatchObject({
      reason: 'state',
      message: expect.stringMatching(/state\.db: another daemon is using it$/),
      hint: expect.stringContaining('--state-dir of its own'),
    });
    expect(store.get('a')).toEqual(row('a'));
    store.close();
    expect(openStore().store.get('a')).toEqual(row('a'));
  });

  test.each([
    ['is no database', () => writeFileSync(join(directory, 'state.db'), 'not a database, but long enough'.repeat(50))],
    [
      'is damaged in the middle',
      () => {
        const { store } = Store.open(directory);
        for (let n = 0; n < 500; n += 1) store.put(row(`a${n}`));
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
        Store.open(directory).store.close();
        const database = new DatabaseSync(join(directory, 'state.db'));
        database.exec('PRAGMA user_version = 99');
        database.close();
      },
    ],
    [
      'has other tables',
      () => {
        const database = new DatabaseSync(join(directory, 'state.db'));
        database.exec('CREATE TABLE attachment (x TEXT)');
        database.close();
      },
    ],
  ])('that %s is set aside, not overwritten, and a fresh one begun', (_, spoil) => {
    mkdirSync(directory, { recursive: true });
    spoil();
    const { store, setAside } = openStore();
    expect(setAside?.file).toMatch(/state\.db\.unreadable-\d+$/);
    expect(existsSync(setAside?.file ?? '')).toBe(true);
    expect(store.count('held')).toBe(0);
    store.put(row('a'));
    expect(store.get('a')).toEqual(row('a'));
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
    expect(() => store.put(row('a'))).toThrow(/^cannot use the state file/);
  });
});

describe('rows', () => {
  test('that are new are intents that nothing is known of', () => {
    expect(newRow('a', 'n'.repeat(60), 'default', 7)).toEqual({
      ...row('a', { state: 'intent', address: null, createdAt: 7 }),
      ...{ netns: null, netnsId: null, processStart: null, bootId: null, bootedAt: null },
      network: expect.stringMatching(/^n{23}~[0-9a-f]{16}$/),
    });
  });

  test('that others are busy with are passed over', () => {
    const { store } = openStore();
    for (let n = 0; n < 9; n += 1) store.put(row(`a${n}`, { state: 'owed', dueAt: n }));
    const busy = { has: (identity: string) => identity < 'a7' };
    expect(store.due(100, 1_000, 1, busy).map(({ identity }) => identity)).toEqual(['a7']);
    expect(store.nextDue(busy)).toBe(7);
  });

  test('whose last attempt failed can be made due at once, and no others', () => {
    const { store } = openStore();
    const doomed = row('doomed', { state: 'owed', dueAt: 900, doomedUntil: 900 });
    store.put(row('failed', { state: 'owed', attempts: 4, dueAt: 900 }));
    store.put(doomed);
    store.hurryFailed(50);
    expect(store.get('failed')).toMatchObject({ attempts: 0, dueAt: 50 });
    expect(store.get('doomed')).toEqual(doomed);
  });

  test('are due from their time on, what is owed before what is only looked at, the longest due first', () => {
    const { store } = openStore();
    store.put(row('later', { state: 'owed', dueAt: 300 }));
    store.put(row('second', { state: 'owed', dueAt: 200 }));
    store.put(row('first', { dueAt: 100, suspectUntil: 500 }));
    store.put(row('never'));
    const due = (now: number, limit = 10) => store.due(now, 1_000, limit).map(({ identity }) => identity);
    expect(due(99)).toEqual([]);
    expect(due(200)).toEqual(['second', 'first']);
    expect(due(300, 2)).toEqual(['second', 'later']);
    expect(due(300)).toEqual(['second', 'later', 'first']);
    expect(store.nextDue(new Set())).toBe(100);
    expect(store.nextDue(new Set(['first']))).toBe(200);
    expect(store.nextDue(new Set(['first', 'second', 'later']))).toBeUndefined();
  });

  test('that cannot be removed are no reason to refuse another, hold nothing, and go when they can', () => {
    openStore().store.close();
    const file = join(directory, 'state.db');
    const change = (sql: string) => {
      const database = new DatabaseSync(file);
      database.exec(sql);
      database.close();
    };
    change("CREATE TRIGGER full BEFORE DELETE ON attachment BEGIN SELECT RAISE(FAIL, 'disk is full'); END");
    const { store } = openStore();
    store.put(row('a', { address: '10.0.0.2' }));
    expect(() => store.remove('a')).toThrow('full');
    expect(() => store.put(row('b', { address: '10.0.0.3' }))).not.toThrow();
    expect([store.get('a')?.state, store.holder('default', '10.0.0.2', 'c')]).toEqual(['held', undefined]);
    expect(store.holder('default', '10.0.0.3', 'c')).toBe('b');
  });

  test('dated beyond the horizon, by a clock set back since, are due too', () => {
    const { store } = openStore();
    store.put(row('a', { state: 'owed', dueAt: 5_000 }));
    expect(store.due(100, 1_000, 10)).toHaveLength(1);
    expect(store.due(100, 5_000, 10)).toHaveLength(0);
  });

  test('none of which is due have no next time', () => {
    const { store } = openStore();
    store.put(row('a'));
    expect(store.nextDue(new Set())).toBeUndefined();
  });

  test('are found by network and by having a namespace', () => {
    const { store } = openStore();
    store.put(row('a'));
    store.put(row('b', { network: 'net-2', netnsId: null }));
    store.put(row('c', { state: 'owed' }));
    expect(store.ofNetwork('net-1').map(({ identity }) => identity)).toEqual(['a', 'c']);
    expect(store.withNamespace().map(({ identity }) => identity)).toEqual(['a']);
  });

  test('of an earlier release are dated by this boot, if they are of it', () => {
    const { store } = openStore();
    store.put(row('of this boot', { bootedAt: null }));
    store.put(row('dated', { bootedAt: 7 }));
    store.put(row('of another boot', { bootId: 'boot-0', bootedAt: null }));
    store.dateBoot('boot-1', 99);
    const dates = ['of this boot', 'dated', 'of another boot'].map((identity) => store.get(identity)?.bootedAt);
    expect(dates).toEqual([99, 7, null]);
  });

  test('that were being given when the daemon died are owed, and mistrusted for a while', () => {
    const { store } = openStore();
    store.put(row('a', { state: 'intent', address: null }));
    store.put(row('b'));
    expect(store.oweIntents(50, 120)).toBe(1);
    expect(store.get('a')).toMatchObject({ state: 'owed', dueAt: 50, suspectUntil: 120 });
    expect(store.get('b')).toEqual(row('b'));
    expect([store.count('held'), store.count('owed'), store.count('intent')]).toEqual([1, 1, 0]);
  });

  test('are found to be due at a cost that does not grow with their number', () => {
    const prepare = vi.spyOn(DatabaseSync.prototype, 'prepare');
    const { store } = openStore();
    prepare.mockClear();
    const due = ['a', 'b', 'c'].map((name, n) => row(name, { state: 'owed', dueAt: n }));
    for (const each of due) store.put(each);
    const statements = prepare.mock.calls.length;
    expect(store.due(100, 1_000, 2)).toEqual(due.slice(0, 2));
    expect(store.nextDue()).toBe(0);
    expect(store.hasAny('b')).toBe(true);
    const queries = prepare.mock.calls.slice(statements).map(([sql]) => sql);
    prepare.mockRestore();
    store.close();
    const database = new DatabaseSync(join(directory, 'state.db'));
    const steps = queries.flatMap((sql) => database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all());
    database.close();
    expect(queries.length).toBeGreaterThan(2);
    for (const { detail } of steps) expect(detail).toMatch(/ USING (COVERING INDEX|INDEX|PRIMARY KEY) /);
  });

  test('of 10,000 attachments are opened, read and changed fast', () => {
    openStore().store.close();
    const database = new DatabaseSync(join(directory, 'state.db'));
    const names = Object.keys(row('a'));
    const insert = database.prepare(
      `INSERT INTO attachment (${names.join(', ')}) VALUES (${names.map((name) => `$${name}`).join(', ')})`,
    );
    database.exec('BEGIN');
    for (let n = 0; n < 10_000; n += 1) {
      insert.run(
        Object.fromEntries(
          Object.entries(row(`attachment ${n}`, { dueAt: n % 100 ? null : n })).map(([name, value]) => [
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
    for (let n = 0; n < 10_000; n += 1) store.get(`attachment ${n}`);
    for (let n = 0; n < 200; n += 1) {
      store.put(row(`attachment ${n}`, { address: '10.0.0.9' }));
      store.due(1_000, 100_000, 4);
      store.nextDue(new Set());
    }
    expect(store.ofNetwork('net-1')).toHaveLength(10_000);
    expect(store.withNamespace()).toHaveLength(10_000);
    // A wide margin: a durable write takes 0.15 ms on an ordinary disk, a read less.
    expect(performance.now() - begin).toBeLessThan(5_000);
  });
});
