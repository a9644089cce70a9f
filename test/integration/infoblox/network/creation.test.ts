/** The objects that the driver may create on the grid, and the errors if it may not. */
import { expect, test } from 'vitest';
import { errorOf, fromContainer, useGridAndHost, writes } from '../grid-and-host.ts';

const networks = useGridAndHost({}, { flags: ['--create=networks'] });
const blue = { 'network-view': 'blue' };

test('with --create=networks neither view nor network container is created, and error 102 names the missing one', async () => {
  const { grid, host } = networks;
  expect(await errorOf(host.add('c1', { ipam: blue }))).toMatchObject({
    code: 102,
    msg: 'network view blue is missing on the grid, and must not be created here (create: networks)',
    details: expect.stringContaining('have it created on the grid'),
  });
  const pods = fromContainer({ ...blue, 'network-container': '172.18.0.0/16' });
  expect(await errorOf(host.add('c1', pods))).toMatchObject({
    code: 102,
    msg: 'network view blue and network container 172.18.0.0/16 in view blue are missing on the grid, and must not be created here (create: networks)',
  });
  expect(writes(grid)).toEqual([]);
  grid.add('networkview', { name: 'blue' });
  grid.add('networkcontainer', { network: '172.18.0.0/16', network_view: 'blue' });
  expect(await host.add('c1', { ipam: blue })).toBe('10.0.0.2');
  expect(await host.add('c2', pods)).toBe('172.18.0.1');
});

test('with "create": "none" only reservations are created, and no ranges', async () => {
  const { grid, host } = networks;
  const none = { create: 'none' };
  expect(await errorOf(host.add('c1', { ipam: none }))).toMatchObject({
    code: 102,
    msg: 'network 10.0.0.0/24 in view default is missing on the grid, and must not be created here (create: none)',
  });
  const part = { ...none, rangeStart: '10.0.0.50', rangeEnd: '10.0.0.99' };
  expect(await errorOf(host.add('c1', { ipam: part }))).toMatchObject({
    code: 102,
    msg: 'network 10.0.0.0/24 in view default and range 10.0.0.50-10.0.0.99 in view default are missing on the grid, and must not be created here (create: none)',
    details: expect.stringContaining('have them created on the grid, each range reserved; or allow it'),
  });
  expect(await errorOf(host.add('c1', fromContainer(none)))).toMatchObject({
    code: 102,
    msg: expect.stringContaining('a network for pods, a /24 of 172.18.0.0/16 in view default, '),
    details: expect.stringContaining('the network with the comment "infoblox-cni network=pods"'),
  });
  expect(writes(grid)).toEqual([]);
  grid.add('network', { network: '10.0.0.0/24' });
  expect(await host.add('c1', { ipam: none })).toBe('10.0.0.2');
  expect(await errorOf(host.add('c2', { ipam: part }))).toMatchObject({
    code: 102,
    msg: 'range 10.0.0.50-10.0.0.99 in view default is missing on the grid, and must not be created here (create: none)',
  });
  expect(writes(grid)).toEqual(['POST fixedaddress 201', 'POST fixedaddress 201']);
});
