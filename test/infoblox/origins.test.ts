import { afterEach, beforeEach, expect, test } from 'vitest';
import { Host } from '../fixture/host.ts';
import { type Grid, startGrid } from '../simulator/grid.ts';

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

async function rename(): Promise<void> {
  await host.stop();
  host.flags.push('--node-name=new-name');
  await host.start();
}

test('a renamed host gives back what it gave under its old name', async () => {
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

test('garbage collection on a renamed host spares valid attachments and releases others, whatever their name', async () => {
  await host.add('c1');
  await host.add('c2');
  await rename();
  await host.add('c3');
  const valid = [{ containerID: 'c1', ifname: 'eth0' }];
  await host.call('GC', '', { ifName: '', config: { 'cni.dev/valid-attachments': valid } });
  expect(addresses()).toEqual(['10.0.0.2']);
});
