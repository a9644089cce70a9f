/** The contract of a lease store, the same for all of them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { parseCidr } from '../../../../../src/infoblox/address.ts';
import { Conditions } from '../../../../../src/infoblox/conditions.ts';
import type { LeaseStore } from '../../../../../src/infoblox/lease/store/lease-store.ts';
import { SqliteLeaseStore } from '../../../../../src/infoblox/lease/store/sqlite-store.ts';
import { hasLeaseIn } from '../../../../../src/infoblox/network/views.ts';
import { aBlock } from '../../../../fixture/a-block.ts';
import { aLease, drop, put, window } from '../../../../fixture/a-lease.ts';
import { ManualClock } from '../../../../fixture/manual-clock.ts';
import { Disk, MemoryLeaseStore } from '../../../../simulation/memory-store.ts';

/** One kind of store and its disk. */
interface Kind {
  open(options: { clock: ManualClock; conditions: Conditions; aroundCommit: (commit: () => void) => void }): LeaseStore;
  /** Ends the process of the store without a commit. */
  crash(): void;
  dispose(): void;
}

function inMemory(): Kind {
  const disk = new Disk();
  return {
    open: (options) => new MemoryLeaseStore(disk, { ...options, window }),
    crash: () => {},
    dispose: () => {},
  };
}

function inSqlite(): Kind {
  const directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-store-'));
  let store: SqliteLeaseStore | undefined;
  const crash = () => {
    isCrashing = true;
    store?.close();
    isCrashing = false;
  };
  return {
    open: ({ conditions, ...options }) => {
      store = SqliteLeaseStore.open(directory, conditions, { ...options, window }).store;
      return store;
    },
    crash,
    dispose: () => rmSync(directory, { recursive: true }),
  };
}

let kind: Kind;
let clock: ManualClock;
let conditions: Conditions;
let store: LeaseStore;
let commits: number;
let isFull: boolean;
let isCrashing = false;

function reopened(): LeaseStore {
  kind.crash();
  return open();
}

function open(): LeaseStore {
  const aroundCommit = (commit: () => void) => {
    if (isCrashing) throw new Error('killed');
    if (isFull) throw new Error('disk is full');
    commits += 1;
    commit();
  };
  store = kind.open({ clock, conditions, aroundCommit });
  return store;
}

const failure = expect.objectContaining({ reason: 'state', message: expect.stringContaining('disk is full') });
const marks = (leases: readonly { mark: string }[]) => leases.map(({ mark }) => mark).sort();

describe.each([
  ['in memory', inMemory],
  ['in SQLite', inSqlite],
] as const)('a lease store %s', (_, make) => {
  beforeEach(() => {
    kind = make();
    clock = new ManualClock();
    conditions = new Conditions(clock);
    commits = 0;
    isFull = false;
    open();
  });
  afterEach(() => {
    kind.crash();
    kind.dispose();
  });

  test('applies transitions to the current lease, and shows the result at once', () => {
    expect(store.apply('a', (lease) => (lease === undefined ? aLease('a') : lease))).toEqual(aLease('a'));
    expect(store.apply('a', (lease) => lease && { ...lease, attempts: lease.attempts + 1 })?.attempts).toBe(1);
    expect(store.apply('a', (lease) => lease && { ...lease, address: '10.0.0.3' })).toMatchObject({ attempts: 1 });
    expect(store.get('a')).toMatchObject({ attempts: 1, address: '10.0.0.3' });
    expect(store.apply('a', () => undefined)).toBeUndefined();
    expect([store.get('a'), store.apply('a', (lease) => lease)]).toEqual([undefined, undefined]);
  });

  test('keeps durable changes across a restart', async () => {
    const releasing = aLease('a', { phase: 'releasing', dueAt: 5, releasedAt: 4, attempts: 3, callers: 'a1 b2' });
    const pending = aLease('b', { phase: 'pending', address: null, netns: null, netnsId: null, bootId: null });
    for (const lease of [releasing, pending, aLease('c')]) put(store, lease);
    drop(store, 'c');
    store.setFact('writer', 'one');
    store.setFact('writer', 'two');
    store.setWhole(clock.wall());
    await store.durable();
    reopened();
    expect(marks(store.where(() => true))).toEqual(['a', 'b']);
    expect([store.get('a'), store.get('b')]).toEqual([releasing, pending]);
    expect([store.fact('writer'), store.isWhole, store.fact('other')]).toEqual(['two', true, undefined]);
  });

  test('commits and undoes blocks and leases together', async () => {
    const [block, other] = [aBlock(), aBlock({ mark: 'other', takenAt: null })];
    expect(store.applyBlock(block.mark, (before) => before ?? block)).toEqual(block);
    store.applyBlock('other', () => other);
    put(store, aLease('a'));
    await store.durable();
    expect([commits, store.blocks()]).toEqual([1, [block, other]]);
    isFull = true;
    store.applyBlock(block.mark, (before) => before && { ...before, usedAt: 5 });
    store.applyBlock('other', () => undefined);
    store.applyBlock('new', () => ({ ...block, mark: 'new' }));
    put(store, aLease('b'));
    expect(store.blocks().map(({ mark, usedAt }) => [mark, usedAt])).toEqual([
      [block.mark, 5],
      ['new', 1_000],
    ]);
    await expect(store.durable()).rejects.toEqual(failure);
    expect([marks(store.blocks()), store.get('b')]).toEqual([[block.mark, 'other'], undefined]);
    isFull = false;
    store.applyBlock('other', () => undefined);
    store.applyBlock(block.mark, (before) => before && { ...before, lastGiven: '10.0.0.17' });
    await store.durable();
    expect(reopened().blocks()).toEqual([{ ...block, lastGiven: '10.0.0.17' }]);
  });

  test('drops changes that were not durable at a restart', async () => {
    put(store, aLease('a'));
    await store.durable();
    put(store, aLease('a', { address: '10.0.0.3' }));
    put(store, aLease('b'));
    store.setFact('writer', 'one');
    reopened();
    expect(store.where(() => true)).toEqual([aLease('a')]);
    expect(store.fact('writer')).toBeUndefined();
  });

  test('commits the changes of one turn of the event loop together, and reports to all that wait', async () => {
    const told: string[] = [];
    const add = async (mark: string) => {
      put(store, aLease(mark));
      await store.durable();
      told.push(`${mark} after ${commits}`);
    };
    await Promise.all([add('a'), add('b'), Promise.resolve().then(() => add('c'))]);
    expect(told).toEqual(['a after 1', 'b after 1', 'c after 1']);
    await Promise.all([add('d'), store.durable()]);
    expect(commits).toBe(2);
  });

  test('commits a change a moment later if no caller waits, and does not wait without a change', async () => {
    await store.durable();
    store.apply('a', (lease) => lease);
    put(store, aLease('a'));
    await clock.advance(99);
    expect(commits).toBe(0);
    await clock.advance(1);
    expect(commits).toBe(1);
    await store.durable();
    await clock.advance(10_000);
    expect(commits).toBe(1);
  });

  test('collects new changes after an earlier commit', async () => {
    let commitSoon = () => {};
    vi.spyOn(clock, 'after').mockImplementation((_, action) => {
      commitSoon = action;
      return () => {};
    });
    put(store, aLease('a'));
    const first = store.durable();
    const turn = clock.turn();
    commitSoon();
    put(store, aLease('b'));
    const second = store.durable();
    await turn;
    expect(commits).toBe(1);
    await Promise.all([first, second]);
    expect(commits).toBe(2);
  });

  test('that cannot commit fails all that wait, shows the durable leases again, and is a condition until it can', async () => {
    put(store, aLease('a'));
    put(store, aLease('gone'));
    store.setFact('writer', 'one');
    await store.durable();
    const told: (string | undefined)[] = [];
    store.subscribe({
      changed: (mark, lease) => told.push(`${mark} ${lease?.address}`),
      failed: (error) => told.push(error.reason),
    });
    isFull = true;
    put(store, aLease('a', { address: '10.0.0.3' }));
    put(store, aLease('a', { address: '10.0.0.4' }));
    drop(store, 'gone');
    put(store, aLease('new'));
    store.setFact('writer', 'two');
    told.length = 0;
    await Promise.all([
      expect(store.durable()).rejects.toEqual(failure),
      expect(store.durable()).rejects.toEqual(failure),
    ]);
    expect([store.get('a'), store.get('gone'), store.get('new')]).toEqual([aLease('a'), aLease('gone'), undefined]);
    expect(store.fact('writer')).toBe('one');
    expect(told).toEqual(['a 10.0.0.2', 'gone 10.0.0.2', 'new undefined', 'state']);
    expect(conditions.find('state-not-writable')?.error).toEqual(failure);
    isFull = false;
    put(store, aLease('a', { address: '10.0.0.5' }));
    await store.durable();
    expect(conditions.all()).toEqual([]);
    expect(reopened().get('a')?.address).toBe('10.0.0.5');
  });

  test('that cannot commit a change undoes it even if no caller waits', async () => {
    isFull = true;
    put(store, aLease('a'));
    await clock.advance(100);
    expect(store.get('a')).toBeUndefined();
    expect(conditions.find('state-not-writable')).toBeDefined();
    isFull = false;
    await store.durable();
  });

  test('restarts doubt and due times of an earlier run with their full length', async () => {
    const day = 86_400_000;
    const doubt = (until: number) => ({ createInDoubtUntil: until, deleteInDoubtUntil: until, dueAt: until });
    const now = clock.now();
    put(store, aLease('by a clock that was ahead', doubt(now + day)));
    put(store, aLease('by a clock that was behind', doubt(now - day)));
    put(store, aLease('without doubt', { phase: 'releasing', dueAt: now + 300_000 }));
    put(store, aLease('never', { deleteInDoubtUntil: now }));
    put(store, aLease('resting', { phase: 'releasing', cooldownMs: day, restsUntil: now + 1, dueAt: now + 1 }));
    await store.durable();
    await clock.advance(1_000);
    reopened();
    const end = clock.now() + window.end;
    expect(store.get('by a clock that was ahead')).toMatchObject(doubt(end));
    expect(store.get('by a clock that was behind')).toMatchObject({ ...doubt(end), dueAt: now - day });
    expect(store.get('without doubt')).toMatchObject({ createInDoubtUntil: null, dueAt: end });
    expect(store.get('never')).toMatchObject({ deleteInDoubtUntil: end, dueAt: null });
    expect(store.get('resting')).toMatchObject({ restsUntil: clock.now() + day, dueAt: clock.now() + day });
  });

  test('knows the highest uptime of a boot even when the lease with it is gone', async () => {
    put(store, aLease('a', { bootId: 'one', uptime: 70 }));
    put(store, aLease('b', { bootId: 'one', uptime: 90 }));
    put(store, aLease('c', { bootId: 'two', uptime: 5 }));
    put(store, aLease('d', { bootId: 'three', uptime: null }));
    const all = () => ['one', 'two', 'three', null].map((boot) => store.lastUptime(boot));
    expect(all()).toEqual([90, 5, null, null]);
    drop(store, 'b');
    expect(all()).toEqual([90, 5, null, null]);
    await store.durable();
    reopened();
    expect(all()).toEqual([70, 5, null, null]);
  });

  test('reports changed and forgotten leases to its listeners, and no unchanged ones', () => {
    put(store, aLease('a', { dueAt: 5 }));
    const told: string[] = [];
    const end = store.subscribe({ changed: (mark, lease) => told.push(`${mark} ${lease?.dueAt}`) });
    store.apply('a', (lease) => lease);
    store.apply('a', (lease) => lease && { ...lease, dueAt: 6 });
    drop(store, 'a');
    drop(store, 'never there');
    end();
    put(store, aLease('b'));
    expect(told).toEqual(['a 6', 'a undefined']);
  });

  test('lists due leases: releases before re-checks, the longest due first, without locked ones', () => {
    put(store, aLease('later', { phase: 'releasing', dueAt: 300 }));
    put(store, aLease('second', { phase: 'releasing', dueAt: 200 }));
    put(store, aLease('first', { dueAt: 100, createInDoubtUntil: 500 }));
    put(store, aLease('elsewhere', { phase: 'releasing', dueAt: 250, view: 'other' }));
    put(store, aLease('never'));
    const due = (now: number, except = new Set<string>()) => store.due(now, except)?.mark;
    expect(due(99)).toBeUndefined();
    expect(due(100)).toBe('first');
    expect(due(200)).toBe('second');
    expect(due(300)).toBe('second');
    expect(due(300, new Set(['second']))).toBe('elsewhere');
    expect(due(300, new Set(['second', 'elsewhere', 'later']))).toBe('first');
    expect(due(300, new Set(['second', 'elsewhere', 'later', 'first']))).toBeUndefined();
    expect(store.nextDue()).toBe(100);
    expect(store.nextDue(new Set(['first']))).toBe(200);
    expect(store.nextDue(new Set(['first', 'second', 'later', 'elsewhere']))).toBeUndefined();
  });

  test('finds bound leases by view and address, whatever is pending or releasing there', () => {
    put(store, aLease('bound'));
    put(store, aLease('going', { phase: 'releasing' }));
    put(store, aLease('elsewhere', { view: 'other' }));
    expect(store.boundAt('default', '10.0.0.2', 'nobody')?.mark).toBe('bound');
    expect(store.boundAt('default', '10.0.0.2', 'bound')).toBeUndefined();
    expect(store.boundAt('other', '10.0.0.2', 'bound')?.mark).toBe('elsewhere');
    expect(store.boundAt('default', '10.0.0.3', 'nobody')).toBeUndefined();
    expect(store.boundIn('default').map(({ mark }) => mark)).toEqual(['bound']);
    const cidr = (text: string) => parseCidr(text) ?? expect.fail('no CIDR');
    const isIn = (name: string, view: string, text: string) => hasLeaseIn(store, { name, view }, cidr(text));
    expect(isIn('net-1', 'default', '10.0.0.0/24')).toBe(true);
    expect(isIn('net-2', 'default', '10.0.0.0/24')).toBe(false);
    expect(isIn('net-1', 'third', '10.0.0.0/24')).toBe(false);
    expect(isIn('net-1', 'default', '10.0.1.0/24')).toBe(false);
  });
});
