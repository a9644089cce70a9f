/** Addresses from a part of a subnet, and from further sources when the first is full. */
import { expect, test } from 'vitest';
import { rangeMark } from '../../../../src/infoblox/mark.ts';
import { errorOf, held, useGridAndHost } from '../grid-and-host.ts';

const fixture = useGridAndHost();
const lines = () => fixture.grid.requests.map(({ method, type }) => `${method} ${type}`);
const ranges = () => fixture.grid.objects('range').map((one) => `${one.start_addr}-${one.end_addr} ${one.comment}`);
const mark = rangeMark('net-1');

const ends = (rangeStart: string, rangeEnd: string, more = {}) => ({ ipam: { rangeStart, rangeEnd, ...more } });
const part = ends('10.0.0.50', '10.0.0.52');

test('addresses come from a reserved range of exactly these bounds, and cost one request each once it exists', async () => {
  const { grid, host } = fixture;
  expect(await host.add('c1', part)).toBe('10.0.0.50');
  expect(ranges()).toEqual([`10.0.0.50-10.0.0.52 ${mark}`]);
  grid.clearLog();
  expect(await host.add('c2', part)).toBe('10.0.0.51');
  expect(lines()).toEqual(['POST fixedaddress']);
});

test('two hosts that create the range at once agree on one', async () => {
  const { grid, host, another } = fixture;
  const other = await another({ node: 'host-b' }).start();
  grid.add('network', { network: '10.0.0.0/24' });
  const given = await Promise.all([host.add('c1', part), other.add('c1', part)]);
  expect(given.sort()).toEqual(['10.0.0.50', '10.0.0.51']);
  expect(ranges()).toHaveLength(1);
});

test('a reserved range of these bounds made by an administrator is used unchanged', async () => {
  const { grid, host } = fixture;
  grid.add('network', { network: '10.0.0.0/24' });
  grid.add('range', { start_addr: '10.0.0.50', end_addr: '10.0.0.52', comment: 'pods' });
  expect(await host.add('c1', part)).toBe('10.0.0.50');
  expect(ranges()).toEqual(['10.0.0.50-10.0.0.52 pods']);
});

test('the parts missing around an earlier range of ours are added', async () => {
  const { host } = fixture;
  await host.add('c1', ends('10.0.0.52', '10.0.0.53'));
  const wide = ends('10.0.0.51', '10.0.0.54');
  const given = [];
  for (const id of ['c2', 'c3', 'c4']) given.push(await host.add(id, wide));
  expect(given).toEqual(['10.0.0.51', '10.0.0.53', '10.0.0.54']);
  expect(ranges().sort()).toEqual(
    ['51-10.0.0.51', '52-10.0.0.53', '54-10.0.0.54'].map((one) => `10.0.0.${one} ${mark}`),
  );
});

test.each([
  [
    'a range that a DHCP member serves',
    { start_addr: '10.0.0.50', end_addr: '10.0.0.52', server_association_type: 'MEMBER', comment: 'dhcp' },
    'the range 10.0.0.50-10.0.0.52 is served to DHCP clients: "dhcp"',
  ],
  [
    "a stranger's range that overlaps",
    { start_addr: '10.0.0.40', end_addr: '10.0.0.50', comment: 'printers' },
    'the range 10.0.0.50-10.0.0.52 overlaps the range 10.0.0.40-10.0.0.50 on the grid: "printers"',
  ],
  [
    'a range of ours that reaches beyond it',
    { start_addr: '10.0.0.40', end_addr: '10.0.0.50', comment: mark },
    'the range 10.0.0.50-10.0.0.52 overlaps 10.0.0.40-10.0.0.50 of an earlier configuration of network net-1, which reaches beyond it',
  ],
])('%s is refused, and nothing is reserved', async (_, range, msg) => {
  const { grid, host } = fixture;
  grid.add('network', { network: '10.0.0.0/24' });
  grid.add('range', range);
  expect(await errorOf(host.add('c1', part))).toMatchObject({ code: 102, msg });
  expect(held(grid)).toEqual(['10.0.0.1']);
});

test('hosts with a block-size divide a range into blocks, and hosts without one take blocks of 8 of it, until it is full', async () => {
  const { grid, host, another } = fixture;
  const shared = ends('10.0.0.16', '10.0.0.47', { 'block-size': 8 });
  const other = await another({ node: 'host-b' }).start();
  const [first] = [await host.add('c0', shared), await other.add('c0', ends('10.0.0.16', '10.0.0.47'))];
  const blockOf = (node: string) => new RegExp(`^10\\.0\\.0\\.(16|24|32|40)-\\S+ .*node=${node} network=net-1 block=`);
  expect(ranges()).toEqual([expect.stringMatching(blockOf('host-a')), expect.stringMatching(blockOf('host-b'))]);
  const more = Array.from({ length: 23 }, (_, n) => host.add(`c${n + 1}`, shared));
  expect(new Set([first, ...(await Promise.all(more))]).size).toBe(24);
  expect(ranges()).toHaveLength(4);
  await host.call('STATUS', '', shared);
  expect(await errorOf(host.add('c24', shared))).toMatchObject({
    code: 101,
    msg: 'no free address in 10.0.0.16-10.0.0.47 (view default)',
    details: expect.stringContaining('hosts have all of it in blocks'),
  });
  expect(await errorOf(host.call('STATUS', '', shared))).toMatchObject({ code: 50 });
  await other.add('c1', ends('10.0.0.16', '10.0.0.47'));
  await host.del('c5', shared);
  await host.call('STATUS', '', shared);
  grid.clearLog();
  await host.add('c25', shared);
  expect(lines()).toEqual(['POST fixedaddress']);
});

test('a range that was deleted is created again', async () => {
  const { grid, host } = fixture;
  await host.add('c1', part);
  for (const { _ref } of grid.objects('range')) grid.remove(String(_ref));
  expect(await host.add('c2', part)).toBe('10.0.0.51');
  expect(ranges()).toHaveLength(1);
});

test('excluded addresses are never given, at one request for an ADD', async () => {
  const { grid, host } = fixture;
  const some = { ipam: { exclude: ['10.0.0.2-10.0.0.9', '10.0.0.11'] } };
  expect(await host.add('c1', some)).toBe('10.0.0.10');
  grid.clearLog();
  expect(await host.add('c2', some)).toBe('10.0.0.12');
  expect(lines()).toEqual(['POST fixedaddress']);
  expect(ranges()).toEqual([]);
});

test('more exclusions than a request can name divide a range, and the first part with room gives the address', async () => {
  const { grid, host } = fixture;
  const cut = ends('10.0.0.2', '10.0.0.101', { exclude: ['10.0.0.3', '10.0.0.5-10.0.0.99'] });
  const given = [];
  for (const id of ['c1', 'c2', 'c3']) given.push(await host.add(id, cut));
  expect(given).toEqual(['10.0.0.2', '10.0.0.4', '10.0.0.100']);
  grid.clearLog();
  expect(await host.add('c4', cut)).toBe('10.0.0.101');
  expect(lines()).toEqual(['POST fixedaddress']);
  expect(await errorOf(host.add('c5', cut))).toMatchObject({
    code: 101,
    msg: 'no free address in 10.0.0.2-10.0.0.4 (view default), 10.0.0.100-10.0.0.101 (view default)',
  });
});

test.each([
  ['outside the range', '10.0.0.53'],
  ['that is excluded', '10.0.0.51'],
])('a requested address %s is refused', async (_, address) => {
  const wanted = { ...ends('10.0.0.50', '10.0.0.52', { exclude: ['10.0.0.51'] }), args: `IP=${address}` };
  expect(await errorOf(fixture.host.add('c1', wanted))).toMatchObject({
    code: 105,
    msg: `the requested address ${address} is excluded, or outside its range, in 10.0.0.0/24`,
  });
});

test('the next source is used only while those before it are full, and each has its gateway', async () => {
  const { grid, host } = fixture;
  const ipam = {
    subnet: undefined,
    gateway: undefined,
    ranges: [[{ subnet: '10.0.1.0/30' }, { subnet: '10.0.2.0/24' }]],
  };
  const first = await host.call('ADD', 'c1', { ipam });
  const second = await host.call('ADD', 'c2', { ipam });
  expect([first, second]).toMatchObject([
    { ips: [{ address: '10.0.1.2/30', gateway: '10.0.1.1' }] },
    { ips: [{ address: '10.0.2.2/24', gateway: '10.0.2.1' }] },
  ]);
  grid.clearLog();
  expect(await host.add('c3', { ipam })).toBe('10.0.2.3');
  expect(lines()).toEqual(['POST fixedaddress']);
  // The network name is the same, so the attachment keeps its address.
  expect(await host.add('c2', { ipam })).toBe('10.0.2.2');
  expect(await host.add('c1', { ipam })).toBe('10.0.1.2');
  await host.call('STATUS', '', { ipam });
  await host.del('c1', { ipam });
  expect(await host.add('c4', { ipam })).toBe('10.0.1.2');
  expect(await host.add('c5', { ipam, args: 'IP=10.0.2.77' })).toBe('10.0.2.77');
});

test('STATUS fails when all sources of a set are full', async () => {
  const { host } = fixture;
  const ipam = {
    subnet: undefined,
    gateway: undefined,
    ranges: [[{ subnet: '10.0.1.0/30' }, { subnet: '10.0.2.0/30' }]],
  };
  await host.add('c1', { ipam });
  await host.add('c2', { ipam });
  expect(await errorOf(host.add('c3', { ipam }))).toMatchObject({
    code: 101,
    msg: 'no free address in 10.0.1.0/30 (view default), 10.0.2.0/30 (view default)',
  });
  expect(await errorOf(host.call('STATUS', '', { ipam }))).toMatchObject({ code: 50 });
});
