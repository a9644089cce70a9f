/** Attachments whose reservation is not where this daemon left it. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Host } from '../fixture/host.ts';
import { type Grid, startGrid } from '../simulator/grid.ts';
import { failureOf } from './session-fixture.ts';

let grid: Grid;
let host: Host;

beforeEach(async () => {
  grid = await startGrid();
  host = await new Host(grid).start();
});
afterEach(async () => {
  await host.dispose();
  await grid.stop();
});

test('a network view that was renamed by hand does not keep an address from being released', async () => {
  const ipam = { 'network-view': 'before' };
  await host.add('c1', { ipam });
  const [view] = grid.objects('networkview').filter(({ name }) => name === 'before');
  grid.update(view?._ref ?? '', { name: 'after' });
  await host.del('c1', { ipam });
  expect(grid.fixedAddresses('after').map(({ ipv4addr }) => ipv4addr)).toEqual(['10.0.0.1']);
});

test('CHECK of a container whose DEL is still owed says that it has been deleted', async () => {
  const address = await host.add('c1');
  await grid.pause();
  await host.del('c1');
  await grid.resume();
  const prevResult = { cniVersion: '1.1.0', ips: [{ address: `${address}/24` }] };
  expect(await failureOf(host.call('CHECK', 'c1', { config: { prevResult } }))).toMatchObject({ code: 104 });
});
