/** Many releases at once: what they have on the grid is looked for together where that works, and alone where it does not. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { GridError } from '../../../../src/infoblox/errors.ts';
import type { SqliteLeaseStore } from '../../../../src/infoblox/lease/state/store.ts';
import { Host, until } from '../../../fixture/host.ts';
import { type Effect, type Grid, type RequestRecord, startGrid } from '../../../simulator/grid.ts';
import { held } from '../../grid-and-host.ts';
import { intercept } from '../intercept.ts';

let grid: Grid;
let host: Host;
/** Whether the lease of c0 cannot be read. */
let isDamaged: boolean;

const wrapStore = (store: SqliteLeaseStore) =>
  intercept(store, (method, [mark], run) => {
    if (isDamaged && method === 'get' && String(mark).includes('container=c0 '))
      throw new GridError('state', 'damaged');
    return run();
  });

beforeEach(async () => {
  isDamaged = false;
  grid = await startGrid();
  host = await new Host(grid, { wrapStore, doubtWindow: { recheck: 100, end: 400 } }).start();
});
afterEach(async () => {
  isDamaged = false;
  await host.dispose();
  await grid.stop();
});

const isShared = ({ method, query }: RequestRecord) => method === 'GET' && query['comment~']?.startsWith('^(') === true;
const isLook = ({ method, type }: RequestRecord) => method === 'GET' && type === 'fixedaddress';
const isDelete = ({ method }: RequestRecord) => method === 'DELETE';
const count = (matches: (request: RequestRecord) => boolean) => grid.requests.filter(matches).length;
const said = (text: string) => host.log.filter(({ message }) => message === text).length;

/** Containers that are deleted while the grid is away. */
async function owe(containers: number): Promise<void> {
  for (let n = 0; n < containers; n += 1) await host.add(`c${n}`);
  await grid.pause();
  for (let n = 0; n < containers; n += 1) await host.call('DEL', `c${n}`);
  await until('it is missed', () => said('grid unavailable') > 0);
  grid.clearLog();
}

/** Waits until the grid holds no more than that many addresses, of which one is the gateway's. */
async function payBack(left = 1): Promise<void> {
  await grid.resume();
  await until('the others are back', () => held(grid).length === left, 20_000);
}

// A machine that stalls makes such a search too late, and each is looked for alone.
const retry = 2;

test('a backlog is looked for thirty at a time', { retry }, async () => {
  await owe(40);
  await payBack();
  const marks = grid.requests.filter(isShared).map(({ query }) => query['comment~']?.split('|').length);
  expect(marks).toContain(30);
  expect(count(isDelete)).toBe(40);
});

test('one release is looked for alone', async () => {
  await host.add('c1');
  grid.clearLog();
  await host.del('c1');
  expect(held(grid)).toHaveLength(1);
  expect([count(isShared), count(isLook)]).toEqual([0, 1]);
});

test('all that carries a mark is removed', async () => {
  await owe(10);
  const mark = grid.fixedAddresses().find(({ comment }) => comment?.includes('container=c0 '))?.comment ?? '';
  const reservation = { match_client: 'RESERVED', mac: '00:00:00:00:00:00', comment: mark };
  grid.add('fixedaddress', { ipv4addr: '10.0.0.200', network_view: 'default', ...reservation });
  await payBack();
  expect(count(isDelete)).toBe(11);
});

test.each<[string, Effect]>([
  ['finds nothing', { kind: 'alter', answer: () => '{"result": []}' }],
  [
    'is refused',
    { kind: 'status', status: 400, contentType: 'application/json', body: '{"Error": "AdmConProtoError"}' },
  ],
  ['is forbidden', { kind: 'status', status: 403 }],
  ['is too long', { kind: 'status', status: 414 }],
  ['makes the grid fail', { kind: 'status', status: 500 }],
  ['is cut off', { kind: 'reset' }],
  ['is slow', { kind: 'answer-late', after: 900 }],
  ['is not answered', { kind: 'hang' }],
])(
  'where such a search %s, each is looked for alone, and the grid is not reported as unavailable',
  { retry },
  async (_, effect) => {
    await owe(40);
    const troubles = said('grid unavailable');
    grid.inject({ times: 1_000, when: isShared, effect });
    await payBack();
    expect(count(isShared)).toBeGreaterThan(0);
    expect(count(isShared)).toBeLessThanOrEqual(4);
    expect(said('grid unavailable')).toBe(troubles);
  },
);

test('one lease that cannot be read keeps no other', async () => {
  await owe(12);
  isDamaged = true;
  await payBack(2);
  expect(grid.fixedAddresses().map(({ comment }) => comment)).toContainEqual(expect.stringContaining('container=c0 '));
});

test('names of any length make no search that is longer than web servers take', { retry }, async () => {
  const name = (n: number) => `${n}.${'a.'.repeat(60)}`;
  for (let n = 0; n < 20; n += 1) await host.add(name(n));
  await grid.pause();
  for (let n = 0; n < 20; n += 1) await host.call('DEL', name(n));
  await until('it is missed', () => said('grid unavailable') > 0);
  grid.clearLog();
  await payBack();
  const searches = grid.requests
    .filter(isShared)
    .map(({ query }) => encodeURIComponent(query['comment~'] ?? '').length);
  expect(Math.max(...searches)).toBeGreaterThan(1_000);
  expect(Math.max(...searches)).toBeLessThan(7_000);
});
