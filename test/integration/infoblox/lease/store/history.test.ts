/** The history of addresses, kept in the state beside the leases. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hostClock } from '../../../../../src/infoblox/concurrency/clock.ts';
import { Conditions } from '../../../../../src/infoblox/conditions.ts';
import { historyChanges } from '../../../../../src/infoblox/lease/history.ts';
import { begin, bind, emptied, imported, type Lease, startRelease } from '../../../../../src/infoblox/lease/lease.ts';
import { HistoryTable } from '../../../../../src/infoblox/lease/store/history-table.ts';
import { SqliteLeaseStore, type StoreOptions } from '../../../../../src/infoblox/lease/store/sqlite-store.ts';
import { openStateFile } from '../../../../../src/infoblox/lease/store/state-file.ts';
import { aLease, asking, drop, momentAt, put, workload } from '../../../../fixture/a-lease.ts';

const day = 86_400_000;
const address = '10.0.0.2';
let directory: string;
let conditions: Conditions;
let now: number;
let store: SqliteLeaseStore;

function open(options: StoreOptions = {}): void {
  const clock = { ...hostClock(), wall: () => now };
  store = SqliteLeaseStore.open(directory, conditions, { clock, ...options }).store;
}

function reopen(options: StoreOptions = {}): void {
  store.close();
  open(options);
}

/** Changes the file in a way that the product never does. */
function tamper(sql: string): void {
  store.close();
  const database = new DatabaseSync(join(directory, 'state.db'));
  database.exec(sql);
  database.close();
  open();
}

function add(mark: string, at = address): void {
  const beginning = { mark, network: 'net-1', view: 'default', ...asking, callers: [] };
  store.apply(mark, (lease) => begin(lease, beginning, momentAt(now)));
  store.apply(mark, (lease) => lease && bind(lease, at, momentAt(now)));
}
const del = (mark: string) => store.apply(mark, (lease) => lease && startRelease(lease, 'DEL', momentAt(now)));
const held = (mark: string, at = now) => ({ mark, address, boundAt: at, releasedAt: null, returnedAt: null });
const entries = () => store.history(address).entries;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-history-'));
  conditions = new Conditions();
  now = 1_000 * day;
  open();
});
afterEach(() => {
  store.close();
  rmSync(directory, { recursive: true });
});

describe('the history of an address', () => {
  test('names the holder, begin and end, the cause of the release, and the time of the delete on the grid', () => {
    add('a');
    const bound = now;
    now += 5_000;
    del('a');
    now += 7_000;
    drop(store, 'a');
    now += 1_000;
    add('b');
    expect(entries()).toEqual([
      {
        ...{ address, view: 'default', mark: 'a', workload, boundAt: bound, recordedAt: bound },
        ...{ releasedAt: bound + 5_000, releasedBy: 'DEL', returnedAt: bound + 12_000 },
      },
      {
        ...{ address, view: 'default', mark: 'b', workload, boundAt: now, recordedAt: now },
        ...{ releasedAt: null, releasedBy: null, returnedAt: null },
      },
    ]);
    expect(store.history('10.0.0.3').entries).toEqual([]);
  });

  test('survives a restart, and continues', () => {
    add('a');
    const before = entries();
    reopen();
    expect(entries()).toEqual(before);
    del('a');
    expect(entries()).toMatchObject([{ mark: 'a', releasedAt: now }]);
  });

  test('has no begin for an imported lease, but the time of the import', () => {
    const lease = imported({ mark: 'a', network: 'net-1', view: 'default' }, address);
    put(store, lease);
    expect(entries()).toMatchObject([{ mark: 'a', workload: null, boundAt: null, recordedAt: now, releasedAt: null }]);
  });

  test('has a new entry when an attachment gets its address again after a release', () => {
    add('a');
    del('a');
    now += 1_000;
    add('a');
    expect(entries()).toMatchObject([{ releasedBy: 'DEL', returnedAt: now }, held('a')]);
  });

  test('shows a lost reservation and the new address of the attachment', () => {
    add('a');
    now += 1_000;
    add('a', '10.0.0.9');
    expect(entries()).toMatchObject([{ mark: 'a', releasedAt: now, releasedBy: 'lost', returnedAt: now }]);
    expect(store.history('10.0.0.9').entries).toMatchObject([{ mark: 'a', boundAt: now, releasedAt: null }]);
  });

  test('has one entry for a release in two steps', () => {
    add('a');
    del('a');
    now += 1_000;
    const returned = now;
    store.apply('a', (lease) => lease && emptied(lease));
    now += 1_000;
    drop(store, 'a');
    expect(entries()).toMatchObject([{ returnedAt: returned }]);
  });

  test('keeps the order of events when the clock is set back', () => {
    add('a');
    now -= day;
    del('a');
    drop(store, 'a');
    add('b');
    expect(entries().map(({ mark, boundAt }) => [mark, boundAt])).toEqual([
      ['a', 1_000 * day],
      ['b', 999 * day],
    ]);
  });

  test('is kept for the configured days after the release', () => {
    reopen({ historyAgeMs: 2 * day });
    add('lasting', '10.0.0.7');
    add('a');
    now += 5 * day;
    del('a');
    drop(store, 'a');
    now += 2 * day;
    expect(entries()).toMatchObject([{ mark: 'a' }]);
    now += 1;
    expect(entries()).toEqual([]);
    expect(store.history('10.0.0.7').entries).toHaveLength(1);
    // Expired entries leave the file at the next release or start.
    reopen();
    expect(entries()).toHaveLength(1);
    reopen({ historyAgeMs: 2 * day });
    reopen();
    expect(entries()).toEqual([]);
  });

  test('names the time since which it is complete', () => {
    const { since } = store.history(address);
    expect(since).toBe(now);
    now += 10 * day;
    expect(store.history(address).since).toBe(since);
    now += 30 * day;
    expect(store.history(address).since).toBe(now - 30 * day);
  });
});

test('drops the entry with the oldest release when there are too many, and never a current one', () => {
  const { database, close } = openStateFile(join(directory, 'small'), { clock: hostClock() });
  const history = new HistoryTable(database, conditions, {
    maxAgeMs: 30 * day,
    now: () => now,
    maxEnded: 3,
  });
  const change = (before: Lease | undefined, after: Lease | undefined) =>
    history.write(historyChanges(before, after).map((change) => ({ at: now, change })));
  const leases = ['a', 'b', 'c', 'd', 'e', 'f'].map((mark) => aLease(mark, { address }));
  for (const lease of leases) change(undefined, lease);
  const left = () => history.of(address).entries.map(({ mark }) => mark);
  // `a` has been held the longest.
  for (const lease of leases.slice(1).reverse()) {
    now += 1_000;
    change(lease, startRelease(lease, 'DEL', momentAt(now)));
  }
  expect(left()).toEqual(['a', 'b', 'c', 'd']);
  expect(history.of(address).since).toBe(now - 2_000);
  expect(database.prepare('SELECT number FROM history').all()).toHaveLength(4);
  close();
});

describe('a host without history', () => {
  test('drops the history that it had', () => {
    add('a');
    del('a');
    reopen({ historyAgeMs: 0 });
    add('b');
    expect(store.history(address)).toEqual({ since: null, entries: [] });
    reopen();
    expect(store.history(address)).toEqual({ since: now, entries: [expect.objectContaining(held('b'))] });
  });
});

describe('a history that cannot be written', () => {
  const failure = "BEGIN SELECT RAISE(ABORT, 'damaged'); END";

  test('stops no allocation and no release, and is a condition until it can be written', async () => {
    tamper(
      `CREATE TRIGGER one BEFORE INSERT ON history ${failure}; CREATE TRIGGER two BEFORE UPDATE ON history ${failure}`,
    );
    add('a');
    expect([store.get('a')?.phase, entries()]).toEqual(['bound', []]);
    expect(conditions.all()).toMatchObject([{ kind: 'history-not-written' }]);
    del('a');
    expect(store.get('a')?.phase).toBe('releasing');
    drop(store, 'a');
    expect(store.get('a')).toBeUndefined();
    add('b');
    now += 1_000;
    tamper('DROP TRIGGER one; DROP TRIGGER two');
    expect(entries()).toMatchObject([{ mark: 'b', boundAt: now - 1_000, recordedAt: now, releasedAt: null }]);
    add('c', '10.0.0.3');
    await store.durable();
    expect(conditions.all()).toEqual([]);
  });

  test('is completed at the next start for releases meanwhile', () => {
    add('a');
    tamper(`CREATE TRIGGER one BEFORE UPDATE ON history ${failure}`);
    del('a');
    expect(entries()).toMatchObject([held('a')]);
    now += 1_000;
    tamper('DROP TRIGGER one');
    expect(entries()).toMatchObject([{ mark: 'a', releasedAt: now, releasedBy: 'unknown' }]);
  });

  test('stops nothing if its table is missing', () => {
    tamper('DROP TABLE history');
    add('a');
    expect(store.get('a')?.phase).toBe('bound');
    expect(conditions.all()).toMatchObject([{ kind: 'history-not-written' }]);
  });
});

test('gets no entry for a lease that cannot be written', async () => {
  tamper("CREATE TRIGGER full BEFORE INSERT ON lease WHEN new.phase = 'bound' BEGIN SELECT RAISE(FAIL, 'full'); END");
  add('a');
  await expect(store.durable()).rejects.toThrow('full');
  expect([store.get('a'), entries()]).toEqual([undefined, []]);
  put(store, aLease('b', { phase: 'releasing' }));
  await store.durable();
  expect(store.get('b')?.phase).toBe('releasing');
});
