/** The history of addresses in the state of a daemon. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { holdersAt, holdings } from '../../../../src/infoblox/lease/history.ts';
import type { SqliteLeaseStore } from '../../../../src/infoblox/lease/store/sqlite-store.ts';
import { leaveNote } from '../../../../src/modes/plugin/leave-note.ts';
import { Host, until } from '../../../fixture/host.ts';
import { type Grid, startGrid } from '../../../simulator/grid.ts';

let grid: Grid;
let host: Host;
let store: SqliteLeaseStore;

async function start(...flags: string[]): Promise<void> {
  host = new Host(grid, {
    flags,
    wrapStore: (opened) => {
      store = opened;
      return opened;
    },
  });
  await host.start();
}

const address = '10.0.0.2';
const told = () => holdings(store.history(address).entries);
const pod = (name: string) => ({ args: `IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${name};K8S_POD_UID=u-1` });

beforeEach(async () => {
  grid = await startGrid({ attributes: ['Pod', 'Namespace', 'Job', 'Task Group', 'VM ID'] });
});
afterEach(async () => {
  await host.dispose();
  await grid.stop();
});

test('an address of two successive pods is listed with both and their times', async () => {
  await start();
  const begin = Date.now();
  expect(await host.add('c1', pod('web-1'))).toBe(address);
  await host.del('c1');
  const between = Date.now();
  expect(await host.add('c2', pod('web-2'))).toBe(address);
  const [second, first] = told();
  expect(first).toMatchObject({ container: 'c1', pod: 'web-1', namespace: 'shop', uid: 'u-1', releasedBy: 'DEL' });
  expect(second).toMatchObject({ container: 'c2', pod: 'web-2', until: null, returned: null, overlaps: false });
  const times = [first?.from, first?.until, first?.returned, second?.from].map((time) => Date.parse(time ?? ''));
  expect([...times]).toEqual([...times].sort((one, other) => one - other));
  expect(times[0]).toBeGreaterThanOrEqual(begin);
  expect(times[2]).toBeLessThanOrEqual(between);
  await host.stop();
  await host.start();
  expect(told()).toEqual([second, first]);
  const { holders } = holdersAt(store.history(address).entries, Date.parse(first?.from ?? ''));
  expect(holders).toMatchObject([{ pod: 'web-1', state: 'held' }]);
});

test('a DEL that was noted while no daemon ran ends the holding at that time', async () => {
  await start();
  await host.add('c1');
  await host.stop();
  leaveNote({ socketDir: host.socketDir, driverName: 'infoblox' }, 'DEL', host.callOf('c1', {}));
  const noted = Date.now();
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  await host.start();
  await until('it is taken over', () => told()[0]?.until !== null);
  expect(Date.parse(told()[0]?.until ?? '')).toBeLessThan(noted + 1_000);
});

test('the cause of each release is shown, even if it was not a DEL', async () => {
  await start();
  await host.add('c1');
  await host.call('GC', '', { config: { 'cni.dev/valid-attachments': [] } });
  expect(told()).toMatchObject([{ container: 'c1', releasedBy: 'GC', returned: expect.any(String) }]);
});

test('an imported lease after a lost state has no begin', async () => {
  await start();
  await host.add('c1', pod('web-1'));
  await host.stop();
  rmSync(join(host.directory, 'state'), { recursive: true });
  await host.start();
  await until('it is imported', () => told().length > 0);
  expect(told()).toMatchObject([{ container: 'c1', from: null, recorded: expect.any(String), until: null }]);
  expect(told()[0]).not.toHaveProperty('pod');
  // Earlier entries are not corrected.
  await host.add('c1', pod('web-1'));
  expect(told()).toMatchObject([{ container: 'c1', from: null, until: null }]);
});

test('the holding continues when a lost reservation is re-created', async () => {
  await start();
  await host.add('c1', pod('web-1'));
  const made = () => grid.fixedAddresses().find(({ ipv4addr }) => ipv4addr === address);
  const before = made();
  grid.remove(before?._ref ?? '');
  expect(await host.add('c1')).toBe(address);
  expect(made()).toMatchObject({
    name: 'shop/web-1',
    extattrs: { Pod: { value: 'web-1' }, Namespace: { value: 'shop' }, 'VM ID': { value: 'c1' } },
  });
  expect(made()?.extattrs).toEqual(before?.extattrs);
  expect(told()).toHaveLength(1);
});

test('a job of Nomad is named on the grid, and in the log even for its DEL, which does not name it', async () => {
  await start();
  const args = 'IgnoreUnknown=true;NOMAD_ALLOC_ID=c1;NOMAD_GROUP_NAME=front;NOMAD_JOB_ID=web;NOMAD_NAMESPACE=shop';
  await host.add('c1', { args });
  expect(grid.fixedAddresses().find(({ ipv4addr }) => ipv4addr === address)).toMatchObject({
    name: 'shop/web.front',
    extattrs: { Namespace: { value: 'shop' }, Job: { value: 'web' }, 'Task Group': { value: 'front' } },
  });
  await host.del('c1');
  const names = { namespace: 'shop', job: 'web', taskGroup: 'front' };
  for (const command of ['ADD', 'DEL']) {
    expect(host.log.find(({ message }) => message === command)?.details).toMatchObject(names);
  }
});

test('a daemon with --lease-history=0 keeps no history', async () => {
  await start('--lease-history=0');
  await host.add('c1');
  await host.del('c1');
  expect([told(), store.history(address).since]).toEqual([[], null]);
});
