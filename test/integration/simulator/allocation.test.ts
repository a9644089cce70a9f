import { beforeEach, describe, expect, test } from 'vitest';
import { reservation, useGrid } from '../../simulator/grid-fixture.ts';
import type { Values } from '../../simulator/store/grid-objects.ts';

const fixture = useGrid({ attributes: ['Site'] });
let network = '';

beforeEach(() => {
  network = fixture.grid.add('network', { network: '10.0.0.0/29' });
});

async function reserveNext(source = '10.0.0.0/29', more: Values = {}): Promise<unknown> {
  const body = reservation(`func:nextavailableip:${source}`, more);
  const answer = await fixture.client.create('fixedaddress', body, { _return_fields: 'ipv4addr' });
  return answer.status === 201 ? answer.object.ipv4addr : answer.error;
}

function host(name: string, ipv4addr: string, more: Values = {}): Values {
  return { name, configure_for_dns: false, ipv4addrs: [{ ipv4addr, ...more }] };
}

describe('the next available address', () => {
  test('is the lowest free one, and a released one is handed out again at once', async () => {
    const { grid } = fixture;
    expect([await reserveNext(), await reserveNext(), await reserveNext()]).toEqual([
      '10.0.0.1',
      '10.0.0.2',
      '10.0.0.3',
    ]);
    grid.remove(grid.fixedAddresses()[1]?._ref ?? '');
    expect([await reserveNext(), await reserveNext()]).toEqual(['10.0.0.2', '10.0.0.4']);
  });

  test('is different for each of many simultaneous creates, until none is left', async () => {
    const answers = await Promise.all(Array.from({ length: 7 }, () => reserveNext()));
    const none = '400 Cannot find 1 available IP address(es) in this network.';
    expect(answers.filter((answer) => answer === none)).toHaveLength(1);
    expect(new Set(answers).size).toBe(7);
  });

  test('skips host records and all addresses inside ranges', async () => {
    const { grid } = fixture;
    grid.add('record:host', host('h', '10.0.0.1'));
    const range = grid.add('range', { start_addr: '10.0.0.2', end_addr: '10.0.0.4' });
    expect([await reserveNext(), await reserveNext()]).toEqual(['10.0.0.5', '10.0.0.6']);
    expect(await reserveNext()).toBe('400 Cannot find 1 available IP address(es) in this network.');
    grid.remove(range);
    expect(await reserveNext()).toBe('10.0.0.2');
  });

  test('can be taken from a range', async () => {
    fixture.grid.add('range', { start_addr: '10.0.0.4', end_addr: '10.0.0.5' });
    expect([await reserveNext('10.0.0.4-10.0.0.5'), await reserveNext('10.0.0.4-10.0.0.5,default')]).toEqual([
      '10.0.0.4',
      '10.0.0.5',
    ]);
    expect(await reserveNext('10.0.0.4-10.0.0.5')).toBe('400 Cannot find 1 available IP address(es) in this range.');
  });

  test('comes from the view that the function names, which must be that of the object, too', async () => {
    const { grid } = fixture;
    grid.add('networkview', { name: 'blue' });
    grid.add('network', { network: '10.7.0.0/24', network_view: 'blue' });
    expect(await reserveNext('10.7.0.0/24,blue', { network_view: 'blue' })).toBe('10.7.0.1');
    expect(await reserveNext('10.7.0.0/24,blue')).toBe('400 The action is not allowed. A parent was not found.');
    expect(await reserveNext('10.7.0.0/24')).toBe(
      '400 The search parameters {"network": "10.7.0.0/24", "network_view": "default"} for object network did not return any result',
    );
    expect(await reserveNext('10.7.0.0/24,red')).toBe('404 Network View red not found');
  });

  test('is only reported by the function, which takes a number and exclusions', async () => {
    const { client, grid } = fixture;
    const look = (body: unknown) => client.run(network, 'next_available_ip', body);
    expect((await look({ num: 2, exclude: ['10.0.0.1'] })).json).toEqual({ ips: ['10.0.0.2', '10.0.0.3'] });
    expect((await look({})).json).toEqual({ ips: ['10.0.0.1'] });
    expect((await look({ num: 7 })).error).toBe('400 Cannot find 7 available IP address(es) in this network.');
    expect((await look({ num: 21 })).status).toBe(400);
    expect(grid.fixedAddresses()).toEqual([]);
  });

  test('can be requested in the long form, with exclusions and a selection by attribute', async () => {
    const { client, grid } = fixture;
    grid.add('network', { network: '10.1.0.0/29', extattrs: { Site: { value: 'Bern' } } });
    const call = {
      _object_function: 'next_available_ip',
      _parameters: { num: 1, exclude: ['10.1.0.1'] },
      _result_field: 'ips',
      _object: 'network',
      _object_parameters: { '*Site': 'Bern' },
    };
    const good = await client.create(
      'fixedaddress',
      { ...reservation(''), ipv4addr: call },
      { _return_fields: 'ipv4addr' },
    );
    expect(good.object.ipv4addr).toBe('10.1.0.2');
    const nowhere = { ...call, _object_parameters: { network: '10.9.0.0/24' }, network_view: 'default' };
    const bad = await client.create('fixedaddress', { ...reservation(''), ipv4addr: nowhere });
    expect(bad.error).toBe(
      '400 The search parameters {"network": "10.9.0.0/24"} for object network did not return any result',
    );
  });

  test.each(['10.0.2.0/31', '10.0.2.0/32'])('uses every address of %s', async (cidr) => {
    fixture.grid.add('network', { network: cidr });
    expect(await reserveNext(cidr)).toBe('10.0.2.0');
  });
});

describe('the next available network', () => {
  const take = (body: Values) => fixture.client.create('network', body, { _return_fields: 'network' });

  test('is the lowest free one of the container', async () => {
    const { grid } = fixture;
    grid.add('networkcontainer', { network: '172.18.0.0/22' });
    grid.add('network', { network: '172.18.1.0/25' });
    const body = { network: 'func:nextavailablenetwork:172.18.0.0/22,default,24' };
    const answers = [await take(body), await take(body), await take(body)];
    expect(answers.map(({ object }) => object.network)).toEqual(['172.18.0.0/24', '172.18.2.0/24', '172.18.3.0/24']);
    const full = await take(body);
    expect(full.error).toBe('400 Can not find requested number of networks');
    expect(full.object.code).toBe('Client.Ibap.Data');
    expect((await take({ network: 'func:nextavailablenetwork:172.18.0.0/22,default,25' })).object.network).toBe(
      '172.18.1.128/25',
    );
  });

  test('is only reported by the function', async () => {
    const { client, grid } = fixture;
    const container = grid.add('networkcontainer', { network: '172.18.0.0/16' });
    const look = (body: unknown) => client.run(container, 'next_available_network', body);
    const answer = await look({ cidr: 24, num: 2, exclude: ['172.18.0.0/24'] });
    expect(answer.json).toEqual({ networks: ['172.18.1.0/24', '172.18.2.0/24'] });
    expect((await look({})).error).toBe('400 required function parameter missing: cidr');
    expect((await look({ cidr: 8 })).error).toBe('400 Can not find requested number of networks');
  });

  test('needs a container that exists', async () => {
    const answer = await take({ network: 'func:nextavailablenetwork:172.30.0.0/16,default,24' });
    expect(answer.error).toContain('for object networkcontainer did not return any result');
  });
});

test('functions are called by POST on an object that supports them', async () => {
  const { client } = fixture;
  const byGet = await client.get(network, { _function: 'next_available_ip' });
  expect(byGet.error).toBe('400 Function next_available_ip illegal with this method');
  expect((await client.run(network, 'csv_export')).error).toBe('400 Function csv_export is not valid for this object');
  expect((await client.run('network', 'next_available_ip')).error).toBe('400 Invalid reference: ');
});

test('hosts share an address without DHCP and exclude each other and fixed addresses with it', async () => {
  const { client, grid } = fixture;
  const create = (body: Values) => client.create('record:host', body);
  expect((await create(host('a', '10.0.0.1'))).status).toBe(201);
  expect((await create(host('b', '10.0.0.1'))).status).toBe(201);
  expect((await create(host('a', '10.0.0.2'))).error).toBe("400 The record 'a' already exists.");
  expect((await create(host('c', '10.0.0.2', { mac: '02:00:00:00:00:01' }))).status).toBe(201);
  expect((await create(host('d', '10.0.0.2', { configure_for_dhcp: true }))).status).toBe(400);
  expect((await client.create('fixedaddress', reservation('10.0.0.2'))).status).toBe(400);
  grid.remove(grid.objects('record:host')[0]?._ref ?? '');
  expect(await reserveNext()).toBe('10.0.0.3');
  const found = await client.get('record:host', { ipv4addr: '10.0.0.1' });
  expect(found.rows).toMatchObject([{ name: 'b', view: ' ', ipv4addrs: [{ ipv4addr: '10.0.0.1', host: 'b' }] }]);
});

test('a host record with DNS is refused, as there is no zone', async () => {
  const body = { name: 'h.example.com', ipv4addrs: [{ ipv4addr: '10.0.0.1' }] };
  const answer = await fixture.client.create('record:host', body);
  expect(answer.error).toBe('400 The action is not allowed. A parent was not found.');
});
