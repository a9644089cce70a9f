import { afterEach, describe, expect, test } from 'vitest';
import { attributeDefinitions, ExtensibleAttributes, ofNetwork, reservedAtIn } from '../../src/infoblox/attributes.ts';
import { Host, until } from '../fixture/host.ts';
import { type Grid, type GridOptions, startGrid } from '../simulator/grid.ts';
import { fromContainer } from './grid-and-host.ts';

const open: { grid: Grid; host: Host }[] = [];

/** A host whose daemon has had its first contact with the grid. */
async function start(options: GridOptions, prepare: (grid: Grid) => void = () => undefined) {
  const grid = await startGrid(options);
  prepare(grid);
  const host = new Host(grid);
  open.push({ grid, host });
  await host.start();
  await until('the first contact', () => grid.requests.filter(({ status }) => status > 0).length >= 3);
  return { grid, host };
}

afterEach(async () => {
  for (const { grid, host } of open.splice(0)) {
    await host.dispose();
    await grid.stop();
  }
});

const all = ['Tenant ID', 'CMP Type', 'Cloud API Owned', 'VM ID', 'VM Name', 'Network Name'];
const cloud = { 'Tenant ID': 'cluster-1', 'CMP Type': 'CNI', 'Cloud API Owned': 'True' };
const container = { 'VM ID': 'c1', 'VM Name': 'web-1', 'Network Name': 'net-1' };

type Case = readonly [string, GridOptions, (grid: Grid) => void, Record<string, string>, Record<string, string>];
const nothing = () => undefined;
const restricted = (name: string, value: string) => (grid: Grid) => {
  grid.add('extensibleattributedef', { name, type: 'ENUM', list_values: [{ value }] });
};

/** A grid, and the attributes that a container's address and its network get there. */
const cases: readonly Case[] = [
  ['no attribute is defined', {}, nothing, {}, {}],
  [
    'all attributes are defined',
    { attributes: all },
    nothing,
    { ...cloud, ...container },
    { ...cloud, 'Network Name': 'net-1' },
  ],
  ['some are defined', { attributes: ['VM Name', 'Site'] }, nothing, { 'VM Name': 'web-1' }, {}],
  [
    'the cloud licence is installed',
    { cloudLicence: true },
    nothing,
    { ...cloud, ...container },
    { ...cloud, 'Network Name': 'net-1' },
  ],
  [
    'the user is a cloud API user, who may not read the definitions',
    { cloudUser: true },
    nothing,
    { ...cloud, ...container },
    { ...cloud, 'Network Name': 'net-1' },
  ],
  [
    'an attribute takes other values only',
    { attributes: ['VM Name', 'Network Name'] },
    restricted('CMP Type', 'OpenStack'),
    { 'VM Name': 'web-1', 'Network Name': 'net-1' },
    { 'Network Name': 'net-1' },
  ],
  [
    'the attribute that names networks takes other values only',
    { attributes: ['VM Name'] },
    restricted('Network Name', 'x'),
    { 'VM Name': 'web-1' },
    {},
  ],
];

describe.each(cases)('when %s', (_, options, prepare, ofAddress, ofNetwork) => {
  const values = (extattrs: Record<string, { value: unknown }> = {}) =>
    Object.fromEntries(Object.entries(extattrs).map(([name, { value }]) => [name, value]));

  test('address and network carry the attributes that the grid takes, and a further ADD costs one request', async () => {
    const { grid, host } = await start(options, prepare);
    const args = 'K8S_POD_NAME=web-1';
    const address = await host.add('c1', { args });
    const object = grid.fixedAddresses().find(({ ipv4addr }) => ipv4addr === address);
    expect(values(object?.extattrs)).toEqual(ofAddress);
    expect(values(grid.networks()[0]?.extattrs)).toEqual(ofNetwork);
    expect(object?.name).toBe('web-1');
    grid.clearLog();
    await host.add('c2', { args });
    expect(grid.requests.map(({ method, type, status }) => `${method} ${type} ${status}`)).toEqual([
      'POST fixedaddress 201',
    ]);
  });

  test('a network is found by name', async () => {
    const { grid, host } = await start(options, prepare);
    await host.add('c1', fromContainer({}, 'net-1'));
    const other = new Host(grid, { node: 'host-b' });
    open.push({ grid, host: other });
    await other.start();
    expect(await other.add('c2', fromContainer({}, 'net-1'))).toBe('172.18.0.2');
  });
});

test('an attribute that is defined but refused is said in no error and tried once only', async () => {
  const { grid, host } = await start({}, restricted('VM ID', 'vm-1'));
  await host.add('c1');
  await host.add('c2');
  expect(grid.requests.filter(({ status }) => status === 400)).toHaveLength(1);
});

test('attributes that the network hands down do no harm', async () => {
  const { grid, host } = await start({ attributes: all }, (fresh) => {
    fresh.add('extensibleattributedef', { name: 'Site', type: 'STRING', flags: 'VI' });
    fresh.add('network', { network: '10.0.0.0/24', extattrs: { Site: { value: ['Rome', 'Oslo'] } } });
  });
  const address = await host.add('c1');
  expect(await host.add('c1')).toBe(address);
  expect(grid.fixedAddresses()[0]?.extattrs.Site).toEqual({ value: ['Rome', 'Oslo'] });
  await host.del('c1');
});

test('a reservation says when it was made, where the grid defines an attribute for that', async () => {
  const { grid, host } = await start({ attributes: ['Reserved At'] });
  const before = Date.now();
  const address = await host.add('c1');
  const object = grid.fixedAddresses().find(({ ipv4addr }) => ipv4addr === address);
  const at = reservedAtIn(object?.extattrs ?? {}) ?? 0;
  expect(at).toBeGreaterThanOrEqual(before);
  expect(at).toBeLessThanOrEqual(Date.now());
  expect(reservedAtIn({ 'Reserved At': { value: 'yesterday' } })).toBeNull();
});

test('what is said to be written is what is written', async () => {
  const definitions = attributeDefinitions({ Site: 'Paris' });
  const grid = await startGrid();
  for (const { name, type, values } of definitions) {
    const list = values === undefined ? {} : { list_values: values.map((value) => ({ value })) };
    grid.add('extensibleattributedef', { name, type, ...list });
  }
  const host = new Host(grid, { flags: ['--labels=Site=Paris'] });
  open.push({ grid, host });
  await host.start();
  const args = 'K8S_POD_NAME=web-1;K8S_POD_NAMESPACE=shop;NOMAD_JOB_ID=web;NOMAD_GROUP_NAME=front';
  const address = await host.add('c1', { args });
  const object = grid.fixedAddresses().find(({ ipv4addr }) => ipv4addr === address);
  expect(Object.keys(object?.extattrs ?? {}).sort()).toEqual(definitions.map(({ name }) => name).sort());
});

test('an attribute that is removed from the grid later is learned from the refusal', async () => {
  const { grid, host } = await start({ attributes: ['VM Name'] });
  await host.add('c1');
  grid.remove(grid.objects('extensibleattributedef')[0]?._ref ?? '');
  expect(await host.add('c2')).toBe('10.0.0.3');
  grid.clearLog();
  await host.add('c3');
  expect(grid.requests).toHaveLength(1);
});

describe('extensible attributes', () => {
  test('are sent until the grid says which it defines', () => {
    const attributes = new ExtensibleAttributes('blue');
    expect(Object.keys(attributes.taken(ofNetwork('n')))).toEqual([
      'Tenant ID',
      'CMP Type',
      'Cloud API Owned',
      'Network Name',
    ]);
    attributes.learn(['CMP Type']);
    expect(attributes.taken(ofNetwork('n'))).toEqual({ 'CMP Type': { value: 'CNI' } });
  });

  test('do not believe an empty list of definitions, which rights may have emptied', () => {
    const attributes = new ExtensibleAttributes('blue');
    attributes.learn([]);
    expect(attributes.taken({})['Tenant ID']).toEqual({ value: 'blue' });
  });

  test('leave out what was refused, whatever the definitions say', () => {
    const attributes = new ExtensibleAttributes('blue');
    attributes.refuse('Tenant ID');
    attributes.learn(['Tenant ID', 'CMP Type']);
    expect(Object.keys(attributes.taken({}))).toEqual(['CMP Type']);
    attributes.refuse('CMP Type');
    expect(attributes.taken({})).toEqual({});
    expect(attributes.mayUse('CMP Type')).toBe(false);
  });

  test('believe an empty list if the grid does not know what is searched by either, but try what the operator wants', () => {
    const attributes = new ExtensibleAttributes('blue', { Site: 'Paris' });
    attributes.learn([]);
    attributes.refuseSearch('Network Name');
    expect(Object.keys(attributes.taken(ofNetwork('n')))).toEqual(['Site']);
    const unread = new ExtensibleAttributes('blue');
    unread.refuseSearch('Network Name');
    expect(Object.keys(unread.taken(ofNetwork('n')))).toEqual(['Tenant ID', 'CMP Type', 'Cloud API Owned']);
  });
});
