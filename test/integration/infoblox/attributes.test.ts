import { afterEach, describe, expect, test } from 'vitest';
import { attributeDefinitions, attributedName, ofNetwork, reservedAtIn } from '../../../src/infoblox/attributes.ts';
import { GridError, type Reason } from '../../../src/infoblox/errors.ts';
import { ExtensibleAttributes } from '../../../src/infoblox/wapi/attributes.ts';
import { Host, until } from '../../fixture/host.ts';
import { type Grid, type GridOptions, startGrid } from '../../simulator/grid.ts';
import { fromContainer } from './grid-and-host.ts';

const open: { grid: Grid; host: Host }[] = [];

/** Starts a host and waits until its daemon has had an answer of the grid. */
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

/** A grid, and the attributes that the address and the network of a container get there. */
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
    'an attribute has a list of other values',
    { attributes: ['VM Name', 'Network Name'] },
    restricted('CMP Type', 'OpenStack'),
    { 'VM Name': 'web-1', 'Network Name': 'net-1' },
    { 'Network Name': 'net-1' },
  ],
  [
    'the attribute for network names has a list of other values',
    { attributes: ['VM Name'] },
    restricted('Network Name', 'x'),
    { 'VM Name': 'web-1' },
    {},
  ],
];

describe.each(cases)('when %s', (_, options, prepare, ofAddress, ofNetwork) => {
  const values = (extattrs: Record<string, { value: unknown }> = {}) =>
    Object.fromEntries(Object.entries(extattrs).map(([name, { value }]) => [name, value]));

  test('address and network carry the attributes that the grid accepts, and a further ADD costs one request', async () => {
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

test('a refused value of one network does not keep the next one from being found by its attribute', async () => {
  // A user who may not read the definitions learns from refusals what the grid accepts.
  const { host } = await start({}, (fresh) => {
    fresh.add('extensibleattributedef', { name: 'Network Name', type: 'ENUM', list_values: [{ value: 'pods' }] });
    fresh.add('networkcontainer', { network: '172.18.0.0/16' });
    fresh.add('network', { network: '172.18.7.0/24', extattrs: { 'Network Name': { value: 'pods' } } });
    fresh.denied.add('extensibleattributedef');
  });
  await host.add('c1', fromContainer({}, 'n'.repeat(300)));
  expect(await host.add('c2', fromContainer({}, 'pods'))).toBe('172.18.7.1');
  await host.add('c3', fromContainer({}, 'other'));
  expect(host.log.filter(({ message }) => message.includes('attribute left out'))).toMatchObject([
    { level: 'warn', details: { name: 'Network Name' } },
  ]);
});

test('an attribute that is not allowed for addresses is left out of them, and networks are found by it', async () => {
  const { grid, host } = await start({ attributes: ['Network Name'] });
  const body = JSON.stringify({
    ...{ Error: 'AdmConDataError', code: 'Client.Ibap.Data.Conflict' },
    text: "Extensible attribute 'Network Name' is not allowed for this operation",
  });
  const when = ({ body }: { body: unknown }) => JSON.stringify(body).includes('Network Name');
  const effect = { kind: 'status', status: 400, contentType: 'application/json', body } as const;
  grid.inject({ method: 'POST', type: 'fixedaddress', times: 99, when, effect });
  await host.add('c1', fromContainer({}, 'pods'));
  expect(grid.networks()[0]?.extattrs).toEqual({ 'Network Name': { value: 'pods' } });
});

test('inherited attributes of the network do no harm', async () => {
  const { grid, host } = await start({ attributes: all }, (fresh) => {
    fresh.add('extensibleattributedef', { name: 'Site', type: 'STRING', flags: 'VI' });
    fresh.add('network', { network: '10.0.0.0/24', extattrs: { Site: { value: ['Rome', 'Oslo'] } } });
  });
  const address = await host.add('c1');
  expect(await host.add('c1')).toBe(address);
  expect(grid.fixedAddresses()[0]?.extattrs.Site).toEqual({ value: ['Rome', 'Oslo'] });
  await host.del('c1');
});

test('a reservation carries its time if the grid defines an attribute for it', async () => {
  const { grid, host } = await start({ attributes: ['Reserved At'] });
  const before = Date.now();
  const address = await host.add('c1');
  const object = grid.fixedAddresses().find(({ ipv4addr }) => ipv4addr === address);
  const values = Object.entries(object?.extattrs ?? {}).map(([name, { value }]) => [name, value] as const);
  const at = reservedAtIn(new Map(values)) ?? 0;
  expect(at).toBeGreaterThanOrEqual(before);
  expect(at).toBeLessThanOrEqual(Date.now());
  expect(reservedAtIn(new Map([['Reserved At', 'yesterday']]))).toBeNull();
});

test('`attributeDefinitions` lists exactly the attributes that are written', async () => {
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

test('an attribute that is removed from the grid later is left out after its refusal', async () => {
  const { grid, host } = await start({ attributes: ['VM Name'] });
  await host.add('c1');
  grid.remove(grid.objects('extensibleattributedef')[0]?._ref ?? '');
  expect(await host.add('c2')).toBe('10.0.0.3');
  grid.clearLog();
  await host.add('c3');
  expect(grid.requests).toHaveLength(1);
});

describe('extensible attributes', () => {
  const type = 'fixedaddress';
  const refusal = (reason: Reason, attribute: string) => new GridError(reason, 'refused', { attribute });
  let told: unknown[];
  const made = (own = {}) => {
    told = [];
    return new ExtensibleAttributes('blue', own, (refused) => told.push(refused));
  };

  test('are sent until the grid says which it defines', () => {
    const attributes = made();
    expect(Object.keys(attributes.taken(type, ofNetwork('n')))).toEqual([
      'Tenant ID',
      'CMP Type',
      'Cloud API Owned',
      'Network Name',
    ]);
    attributes.learn(['CMP Type']);
    expect(attributes.taken(type, ofNetwork('n'))).toEqual({ 'CMP Type': 'CNI' });
    expect(told).toEqual([]);
  });

  test('are sent despite an empty list of definitions, which may be a lack of rights', () => {
    const attributes = made();
    attributes.learn([]);
    expect(attributes.taken(type, {})['Tenant ID']).toBe('blue');
  });

  test('are left out once refused, whatever the definitions say', () => {
    const attributes = made({ Site: 'Paris' });
    const sent = attributes.taken(type, {});
    for (const name of ['Tenant ID', 'Site', 'Site']) {
      expect(attributes.noteRefusal(refusal('unknown-attribute', name), { type, attributes: sent })).toBe(true);
    }
    attributes.learn(['Tenant ID', 'CMP Type', 'Site']);
    expect(attributes.taken('network', {})).toEqual({ 'CMP Type': 'CNI' });
    expect(told).toEqual([{ name: 'Site' }]);
  });

  test('that were not sent are not blamed for a refusal', () => {
    const attributes = made();
    for (const error of [refusal('unknown-attribute', 'Site'), new GridError('rejected', 'no'), new Error('no')]) {
      expect(attributes.noteRefusal(error, { type, attributes: { 'Tenant ID': 'blue' } })).toBe(false);
    }
  });

  test('lose only a refused value, which is reported once', () => {
    const attributes = made();
    for (const network of ['odd', 'strange']) {
      const request = { type, attributes: ofNetwork(network) };
      expect(attributes.noteRefusal(refusal('attribute-value', 'Network Name'), request)).toBe(true);
    }
    expect(attributes.taken(type, ofNetwork('odd'))).not.toHaveProperty('Network Name');
    expect(attributes.taken(type, ofNetwork('pods'))).toHaveProperty('Network Name', 'pods');
    expect(told).toEqual([{ name: 'Network Name', value: 'odd' }]);
  });

  test('that are not allowed on one type of object stay on the others', () => {
    const attributes = made();
    const request = { type, attributes: ofNetwork('pods') };
    expect(attributes.noteRefusal(refusal('attribute-not-allowed', 'Network Name'), request)).toBe(true);
    expect(attributes.takes(type, 'Network Name', 'pods')).toBe(false);
    expect(attributes.takes('network', 'Network Name', 'pods')).toBe(true);
    expect(told).toEqual([{ name: 'Network Name', type }]);
  });

  test('are not sent after an empty list and a refused attribute of the cloud licence, except for those of the operator', () => {
    const search = { type: 'network', attributes: ofNetwork('n') };
    const unknown = refusal('unknown-attribute', 'Network Name');
    const attributes = made({ Site: 'Paris' });
    attributes.learn([]);
    attributes.noteRefusal(unknown, search);
    expect(Object.keys(attributes.taken(type, ofNetwork('n')))).toEqual(['Site']);
    const unread = made();
    unread.noteRefusal(unknown, search);
    expect(Object.keys(unread.taken(type, ofNetwork('n')))).toEqual(['Tenant ID', 'CMP Type', 'Cloud API Owned']);
  });
});

test('a network name that is too long for an attribute is shortened like in the mark, and stays unique', () => {
  const long = attributedName('n'.repeat(300));
  expect(long).toMatch(/^n{233}~[0-9a-f]{16}$/);
  expect(attributedName('n'.repeat(301))).not.toBe(long);
  expect(attributedName('n'.repeat(250))).toBe('n'.repeat(250));
});
