/** A state that cannot be written for a while: what is released meanwhile is noted when it can be, and hits nothing newer. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { GridError } from '../../../../src/infoblox/errors.ts';
import type { SqliteLeaseStore } from '../../../../src/infoblox/lease/state/store.ts';
import { Host, until } from '../../../fixture/host.ts';
import { type Grid, startGrid } from '../../../simulator/grid.ts';
import { errorOf, held, writes } from '../../grid-and-host.ts';
import { intercept } from '../intercept.ts';

let grid: Grid;
let host: Host;
/** Whether a write of the state fails, by how many have been made of that attachment. */
let fails: (attempt: number) => boolean;
let attempts: number;

const wrapStore = (store: SqliteLeaseStore) =>
  intercept(store, (method, [mark], run) => {
    if (method === 'apply' && String(mark).includes('container=c1 ')) {
      attempts += 1;
      if (fails(attempts)) throw new GridError('state', 'the disk is full');
    }
    return run();
  });

beforeEach(async () => {
  fails = () => false;
  grid = await startGrid();
  host = await new Host(grid, { wrapStore, doubtWindow: { recheck: 100, end: 400 } }).start();
  await host.add('c0');
  attempts = 0;
});
afterEach(async () => {
  fails = () => false;
  await host.dispose();
  await grid.stop();
});

test('an ADD that failed for it does not undo the next one of the attachment', async () => {
  // Its beginning is written, nothing after it.
  fails = (attempt) => attempt > 1;
  expect(await errorOf(host.add('c1'))).toMatchObject({ code: 5 });
  expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.2']);
  fails = () => false;
  expect(await host.add('c1')).toBe('10.0.0.3');
  await host.add('c2');
  expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4']);
});

// The disk has room now and then: for the beginning and the end of an ADD, but not for the release between them.
test.each([1, 2, 3, 4])('what is told while write %i fails is not released by what could not be noted', async (nth) => {
  fails = (attempt) => attempt > 1;
  await errorOf(host.add('c1'));
  attempts = 0;
  fails = (attempt) => attempt === nth;
  const told = await host.add('c1').catch(() => undefined);
  fails = () => false;
  await host.add('c2');
  const address = told ?? (await host.add('c1'));
  const prevResult = { cniVersion: '1.1.0', ips: [{ address: `${address}/24` }] };
  expect(await host.call('CHECK', 'c1', { config: { prevResult } })).toBeNull();
});

test('a DEL during an ADD sends no second delete for what the ADD removes', async () => {
  const isCreate = { method: 'POST', type: 'fixedaddress' } as const;
  grid.inject({ ...isCreate, effect: { kind: 'answer-late', after: 300 } });
  const added = errorOf(host.add('c1'));
  await until('the create is there', () => held(grid).length === 3);
  fails = () => true;
  grid.clearLog();
  grid.latencyMs = 50;
  expect(await errorOf(host.call('DEL', 'c1'))).toMatchObject({ code: 5 });
  await added;
  expect(writes(grid)).toEqual(['DELETE fixedaddress 200']);
});

test.each([
  ['at once', { kind: 'reset', commit: true }],
  ['late', { kind: 'commit-later', after: 200 }],
] as const)(
  'a create without an answer, carried out %s, is released though its doubt could not be noted',
  async (...row) => {
    const [, effect] = row;
    grid.inject({ method: 'POST', type: 'fixedaddress', effect });
    fails = (attempt) => attempt === 2;
    await errorOf(host.add('c1'));
    await until('it is carried out', () => writes(grid).length > 0);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await until('it is released', () => held(grid).length === 2, 2_000);
  },
);

test.each([
  ['before the release can be noted', () => true, 5],
  ['when only the release could be noted', (attempt: number) => attempt > 1 && attempt < 5, undefined],
] as const)('a delete that is carried out late is not sent again: the state fails %s', async (...row) => {
  const [, failing, code] = row;
  await host.dispose();
  host = await new Host(grid, { wrapStore, doubtWindow: { recheck: 100, end: 9_000 } }).start();
  const lost = await host.add('c1');
  attempts = 0;
  fails = failing;
  grid.clearLog();
  grid.inject({ method: 'DELETE', type: 'fixedaddress', effect: { kind: 'commit-later', after: 1_000 } });
  const deleted = host.call('DEL', 'c1');
  if (code === undefined) await deleted;
  else {
    expect(await errorOf(deleted)).toMatchObject({ code });
    // Nor by a DEL again, noted or not.
    expect(await errorOf(host.call('DEL', 'c1'))).toMatchObject({ code });
    fails = () => false;
    await host.call('DEL', 'c1');
  }
  await until('it is carried out', () => !held(grid).includes(lost), 15_000);
  expect(await host.add('c2')).toBe(lost);
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  expect(writes(grid)).toEqual(['DELETE fixedaddress 0', 'POST fixedaddress 201']);
  expect(held(grid)).toContain(lost);
});
