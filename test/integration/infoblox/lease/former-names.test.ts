import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Conditions } from '../../../../src/infoblox/conditions.ts';
import { FormerNames } from '../../../../src/infoblox/lease/former-names.ts';
import { SqliteLeaseStore } from '../../../../src/infoblox/lease/store/sqlite-store.ts';
import { drop } from '../../../fixture/a-lease.ts';
import { Host, until } from '../../../fixture/host.ts';
import { type Grid, startGrid } from '../../../simulator/grid.ts';

/** The configuration of a GC without valid attachments. */
const knowingNone = { ifName: '', config: { 'cni.dev/valid-attachments': [] } };

let grid: Grid;
let host: Host;

beforeEach(async () => {
  grid = await startGrid();
  host = await new Host(grid, { node: 'old-name' }).start();
});
afterEach(async () => {
  await host.dispose();
  await grid.stop();
});

function addresses(): string[] {
  return grid
    .fixedAddresses()
    .filter((object) => object.comment?.includes(' container='))
    .map((object) => object.ipv4addr);
}

async function rename(name = 'new-name'): Promise<void> {
  await host.stop();
  host.flags.push(`--node-name=${name}`);
  await host.start();
}

test('a renamed host releases the addresses that it gave under its old name', async () => {
  await host.add('c1');
  await rename();
  await host.del('c1');
  expect(addresses()).toEqual([]);
});

test('a renamed host answers a repeated ADD with the address that the container has, and CHECK finds it', async () => {
  const address = await host.add('c1');
  await rename();
  expect(await host.add('c1')).toBe(address);
  const prevResult = { cniVersion: '1.1.0', ips: [{ address: `${address}/24` }] };
  await host.call('CHECK', 'c1', { config: { prevResult } });
});

test('a renamed host gives new addresses under its present name, even one that it just released', async () => {
  await host.add('c1');
  await rename();
  const marks = () =>
    grid.fixedAddresses().flatMap(({ comment = '' }) => /node=(\S+).* container=/.exec(comment)?.[1] ?? []);
  grid.inject({ method: 'DELETE', effect: { kind: 'delay', ms: 300 } });
  const deleted = host.call('DEL', 'c1');
  await host.add('c1');
  await deleted;
  await until('the earlier one is released', () => marks().length === 1);
  expect(marks()).toEqual(['new-name']);
  await host.call('DEL', 'c1');
  await until('the new one is released', () => addresses().length === 0);
});

test('garbage collection on a renamed host spares valid attachments and releases others, under both names', async () => {
  await host.add('c1');
  await host.add('c2');
  await rename();
  await host.add('c3');
  const valid = [{ containerID: 'c1', ifname: 'eth0' }];
  await host.call('GC', '', { ifName: '', config: { 'cni.dev/valid-attachments': valid } });
  expect(addresses()).toEqual(['10.0.0.2']);
});

test('garbage collection on a renamed host spares the leases of a new machine with the old name', async () => {
  await host.add('c1');
  await rename();
  const successor = await new Host(grid, { node: 'old-name' }).start();
  try {
    await successor.add('c2');
    await host.call('GC', '', knowingNone);
    expect(addresses()).toEqual(['10.0.0.3']);
  } finally {
    await successor.dispose();
  }
});

test('a former name is forgotten with the last reservation that was given under it', async () => {
  await host.add('c1');
  await host.add('c2');
  await rename();
  await host.stop();
  const directory = join(host.directory, 'state');
  const { store } = SqliteLeaseStore.open(directory, new Conditions());
  const present = { cluster: 'cluster-1', node: 'new-name' };
  const former = { cluster: 'cluster-1', node: 'old-name' };
  const names = new FormerNames(store, present);
  const marks = ['c1', 'c2'].map((containerId) => names.markOf({ network: 'net-1', containerId, ifName: 'eth0' }));
  expect(marks).toEqual([expect.stringContaining('node=old-name '), expect.stringContaining('node=old-name ')]);
  drop(store, marks[0] ?? '');
  expect(names.all).toEqual([present, former]);
  drop(store, marks[1] ?? '');
  expect(names.all).toEqual([present]);
  expect(new FormerNames(store, { cluster: 'cluster-1', node: 'third-name' }).all).toHaveLength(1);
  store.close();
});
