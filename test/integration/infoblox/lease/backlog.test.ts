/** Many releases at once after an outage of the grid. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { GridError } from '../../../../src/infoblox/errors.ts';
import type { SqliteLeaseStore } from '../../../../src/infoblox/lease/store/sqlite-store.ts';
import { Host, until } from '../../../fixture/host.ts';
import { intercept } from '../../../fixture/intercept.ts';
import { type Grid, startGrid } from '../../../simulator/grid.ts';
import { held } from '../grid-and-host.ts';

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

const count = (method: string) =>
  grid.requests.filter((one) => one.type === 'fixedaddress' && one.method === method).length;
const said = (text: string) => host.log.filter(({ message }) => message === text).length;

/** Adds containers and deletes them while the grid is away. */
async function owe(containers: number): Promise<void> {
  for (let n = 0; n < containers; n += 1) await host.add(`c${n}`);
  await grid.pause();
  for (let n = 0; n < containers; n += 1) await host.call('DEL', `c${n}`);
  await until('it is missed', () => said('grid unavailable') > 0);
  grid.clearLog();
}

/** Waits until the grid holds at most that many addresses, including the gateway. */
async function payBack(left = 1): Promise<void> {
  await grid.resume();
  await until('the others are back', () => held(grid).length === left);
}

test('a backlog costs a look and a delete for each release', async () => {
  await owe(40);
  await payBack();
  expect([count('GET'), count('DELETE')]).toEqual([40, 40]);
});

test('all objects with the mark are removed', async () => {
  await owe(10);
  const mark = grid.fixedAddresses().find(({ comment }) => comment?.includes('container=c0 '))?.comment ?? '';
  const reservation = { match_client: 'RESERVED', mac: '00:00:00:00:00:00', comment: mark };
  grid.add('fixedaddress', { ipv4addr: '10.0.0.200', network_view: 'default', ...reservation });
  await payBack();
  expect(count('DELETE')).toBe(11);
});

test('a lease that cannot be read does not block the others', async () => {
  await owe(12);
  isDamaged = true;
  await payBack(2);
  expect(grid.fixedAddresses().map(({ comment }) => comment)).toContainEqual(expect.stringContaining('container=c0 '));
});
