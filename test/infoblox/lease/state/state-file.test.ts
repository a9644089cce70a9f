/** The state file: brought up to this release from every earlier one; on a disk that takes no more. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Conditions } from '../../../../src/infoblox/conditions.ts';
import { GridError } from '../../../../src/infoblox/errors.ts';
import { SqliteLeaseStore } from '../../../../src/infoblox/lease/state/store.ts';
import { rootTest } from '../../../reliability/root.ts';
import { aLease, put } from '../a-lease.ts';
import { leaveOldState, type OldRow, oldVersions } from './old-schemas.ts';
import { fill, onSmallDisk } from './small-disk.ts';

const open = (directory: string) => SqliteLeaseStore.open(directory, new Conditions());

/** A state with one lease, as a daemon leaves it that has ended. */
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

const held: OldRow = {
  ...{ identity: 'held', network: 'net-1', view: 'default', state: 'held', address: '10.0.0.2' },
  ...{ netns: '/run/netns/a', netnsId: '4:17', bootId: 'boot-1', createdAt: 1_000, attempts: 0, dueAt: 700 },
  ...{ suspectUntil: 800, doomedUntil: 900, processStart: 9, bootedAt: 8, callers: 'a1 b2' },
};
const oldRows: readonly OldRow[] = [
  held,
  {
    ...{ ...held, identity: 'intent', state: 'intent', address: null, netns: null, netnsId: null, bootId: null },
    ...{ dueAt: null, suspectUntil: null, doomedUntil: null, processStart: null, bootedAt: null, callers: null },
  },
  { ...held, identity: 'owed', state: 'owed', view: 'other', attempts: 4, doomedUntil: null, callers: '' },
];

describe('a state file of an earlier release', () => {
  let directory: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-old-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  test.each(oldVersions)('with schema version %i is brought up to this one with all its rows', (version) => {
    leaveOldState(directory, version, oldRows);
    const { store, setAside } = open(directory);
    try {
      expect(setAside).toBeUndefined();
      expect(store.fact('adopted')).toBe(version === 0 ? undefined : 'long ago');
      const had = (since: number) => version >= since;
      const bound = aLease('held', {
        ...{ dueAt: 700, createInDoubtUntil: 800, deleteInDoubtUntil: had(2) ? 900 : null },
        ...{ processStart: had(5) ? 9 : null, bootedAt: had(5) ? 8 : null, callers: had(6) ? 'a1 b2' : null },
      });
      const releasing = aLease('owed', {
        ...{ ...bound, mark: 'owed', phase: 'releasing', view: 'other', attempts: 4 },
        ...{ deleteInDoubtUntil: null, callers: had(6) ? '' : null },
      });
      const pending = aLease('intent', {
        ...{ phase: 'pending', address: null, netns: null, netnsId: null, bootId: null },
        ...{ processStart: null, bootedAt: null },
      });
      expect(store.ofNetwork('net-1')).toEqual(version === 0 ? [] : [bound, pending, releasing]);
      // The one that is bound is held since its ADD; by what, and by whom before, nobody has written down.
      expect(store.history('10.0.0.2').entries).toMatchObject(
        version === 0 ? [] : [{ mark: 'held', workload: null, boundAt: 1_000, releasedAt: null }],
      );
      put(store, aLease('new'));
      expect(store.get('new')).toEqual(aLease('new'));
    } finally {
      store.close();
    }
    const again = open(directory);
    expect([again.setAside, again.store.get('new')]).toEqual([undefined, aLease('new')]);
    again.store.close();
  });
});

rootTest('a state on a full disk is opened, read, and held against a second daemon', 'a small file system', () =>
  onSmallDisk((directory) => {
    leaveState(directory);
    const free = fill(directory);
    const { store } = open(directory);
    expect(store.get('a')?.phase).toBe('bound');
    expect(store.inPhase('pending')).toEqual([]);
    expect(refusalOf(() => put(store, aLease('b')))).toMatchObject({
      reason: 'state',
      message: expect.stringContaining('full'),
    });
    expect(refusalOf(() => open(directory)).message).toContain('another daemon is using it');
    free();
    put(store, aLease('b'));
    store.close();
  }),
);

rootTest('a state of an earlier release on a full disk is refused, and whole afterwards', 'a small file system', () =>
  onSmallDisk((directory) => {
    leaveOldState(directory, 1, [held]);
    const free = fill(directory);
    expect(refusalOf(() => open(directory)).message).toContain('full');
    free();
    const { store, setAside } = open(directory);
    expect([setAside, store.get('held')?.phase]).toEqual([undefined, 'bound']);
    store.close();
  }),
);

rootTest('a read-only file system is named as such', 'a small file system', () =>
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
