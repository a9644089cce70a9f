import { beforeEach, expect, test } from 'vitest';
import { reservation, useGrid } from '../../simulator/grid-fixture.ts';

const fixture = useGrid();
const MAC = '02:00:00:00:00:01';

beforeEach(() => {
  fixture.grid.add('network', { network: '10.0.0.0/24' });
});

test('the reference is the natural key, so that the same address gets the same one again', async () => {
  const { client } = fixture;
  const first = await client.create('fixedaddress', reservation('10.0.0.7'));
  expect(first.json).toMatch(/^fixedaddress\/\w+:10\.0\.0\.7\/default$/);
  const opaque = String(first.json).split(/[/:]/)[1] ?? '';
  expect(Buffer.from(opaque, 'base64').toString()).toBe('dns.fixed_address$10.0.0.7.0..');
  await client.delete(String(first.json));
  expect((await client.create('fixedaddress', reservation('10.0.0.7'))).json).toBe(first.json);
  const elsewhere = String(first.json).replace('10.0.0.7', 'anything');
  expect((await client.get(elsewhere)).status).toBe(200);
});

test('reservations with the zero MAC coexist in a network', async () => {
  const { client, grid } = fixture;
  for (const host of [1, 2, 3])
    expect((await client.create('fixedaddress', reservation(`10.0.0.${host}`))).status).toBe(201);
  expect(grid.fixedAddresses().map(({ match_client }) => match_client)).toEqual(['RESERVED', 'RESERVED', 'RESERVED']);
});

test('an address can be held once in a view, and again in another view', async () => {
  const { client, grid } = fixture;
  grid.add('networkview', { name: 'blue' });
  grid.add('network', { network: '10.0.0.0/24', network_view: 'blue' });
  await client.create('fixedaddress', reservation('10.0.0.1'));
  const again = await client.create('fixedaddress', reservation('10.0.0.1'));
  expect(again.error).toBe("400 Duplicate object '10.0.0.1' of type 'fixed_address' already exists in the database.");
  expect(again.object.code).toBe('Client.Ibap.Data.Conflict');
  expect((await client.create('fixedaddress', reservation('10.0.0.1', { network_view: 'blue' }))).status).toBe(201);
});

test('a real MAC may appear once in a network in any spelling, and again in others', async () => {
  const { client, grid } = fixture;
  grid.add('network', { network: '10.0.1.0/24' });
  await client.create('fixedaddress', { ipv4addr: '10.0.0.1', mac: MAC });
  const expected = (first: string, second: string) =>
    `400 MAC address ${MAC} is used in two fixed addresses ${first} and ${second}, which are in the same network 10.0.0.0/24.`;
  const sameAddress = await client.create('fixedaddress', { ipv4addr: '10.0.0.1', mac: MAC });
  expect(sameAddress.error).toBe(expected('10.0.0.1', '10.0.0.1'));
  const next = await client.create('fixedaddress', {
    ipv4addr: 'func:nextavailableip:10.0.0.0/24',
    mac: '0200.0000.0001',
  });
  expect(next.error).toBe(expected('10.0.0.1', '10.0.0.2'));
  expect((await client.create('fixedaddress', { ipv4addr: '10.0.1.1', mac: '02-00-00-00-00-01' })).status).toBe(201);
});

test('a fixed address needs a parent network, which must be the one that it names', async () => {
  const { client } = fixture;
  for (const body of [reservation('10.9.9.9'), reservation('10.0.0.1', { network: '10.0.0.0/16' })]) {
    const answer = await client.create('fixedaddress', body);
    expect(answer.error).toBe('400 The action is not allowed. A parent was not found.');
  }
  expect((await client.create('fixedaddress', reservation('10.0.0.1', { network: '10.0.0.0/24' }))).status).toBe(201);
});

test('an identifier is needed that fits match_client', async () => {
  const { client } = fixture;
  const missing = (body: object) => client.create('fixedaddress', { ipv4addr: '10.0.0.1', ...body });
  expect((await missing({})).error).toBe('400 field for create missing: mac');
  expect((await missing({ match_client: 'MAC_ADDRESS' })).error).toBe('400 field for create missing: mac');
  expect((await missing({ match_client: 'CLIENT_ID' })).error).toBe(
    '400 field for create missing: dhcp_client_identifier',
  );
  expect((await missing({ match_client: 'RESERVED', mac: MAC })).status).toBe(400);
  expect((await missing({ mac: 'zz' })).status).toBe(400);
  expect((await missing({ match_client: 'RESERVED' })).status).toBe(201);
});

test('a client id is unique in the network', async () => {
  const { client } = fixture;
  const body = { match_client: 'CLIENT_ID', dhcp_client_identifier: 'pod-1' };
  expect((await client.create('fixedaddress', { ipv4addr: '10.0.0.1', ...body })).status).toBe(201);
  expect((await client.create('fixedaddress', { ipv4addr: '10.0.0.2', ...body })).status).toBe(400);
});

test('a real MAC put into a reservation makes it an ordinary fixed address, and back', async () => {
  const { client, grid } = fixture;
  const reference = grid.add('fixedaddress', reservation('10.0.0.1'));
  const answer = await client.update(reference, { _ref: reference, mac: MAC }, { _return_fields: 'mac,match_client' });
  expect(answer.json).toEqual({ _ref: reference, mac: MAC, match_client: 'MAC_ADDRESS' });
  expect((await client.get('fixedaddress', { mac: MAC })).rows).toHaveLength(1);
  await client.update(reference, { match_client: 'RESERVED' });
  expect(grid.fixedAddresses()[0]).toMatchObject({ mac: '00:00:00:00:00:00', match_client: 'RESERVED' });
  expect((await client.get('fixedaddress', { mac: MAC })).rows).toHaveLength(0);
});

test('a new address gives a new reference and frees the old address', async () => {
  const { client, grid } = fixture;
  const reference = grid.add('fixedaddress', reservation('10.0.0.1', { comment: 'moves' }));
  const moved = await client.update(reference, { ipv4addr: '10.0.0.9' });
  expect(moved.json).not.toBe(reference);
  expect((await client.get(reference)).status).toBe(404);
  expect((await client.get(String(moved.json), { _return_fields: 'comment' })).object.comment).toBe('moves');
  expect(grid.add('fixedaddress', reservation('func:nextavailableip:10.0.0.0/24'))).toContain(':10.0.0.1/');
});

test('a deleted fixed address is found by no search', async () => {
  const { client, grid } = fixture;
  const reference = grid.add('fixedaddress', { ipv4addr: '10.0.0.1', mac: MAC, comment: 'gone' });
  expect((await client.delete(reference)).json).toBe(reference);
  for (const query of [{ network: '10.0.0.0/24' }, { comment: 'gone' }, { mac: MAC }, { ipv4addr: '10.0.0.1' }]) {
    expect((await client.get('fixedaddress', query)).json).toEqual([]);
  }
});

test('an update that collides changes nothing', async () => {
  const { client, grid } = fixture;
  grid.add('fixedaddress', { ipv4addr: '10.0.0.1', mac: MAC });
  const second = grid.add('fixedaddress', reservation('10.0.0.2', { comment: 'as it was' }));
  expect((await client.update(second, { mac: MAC, comment: 'changed' })).status).toBe(400);
  expect((await client.update(second, { ipv4addr: '10.0.0.1' })).status).toBe(400);
  expect(grid.fixedAddresses()[1]).toMatchObject({ comment: 'as it was', ipv4addr: '10.0.0.2' });
});

test('the lease time comes first among the options', async () => {
  const options = [{ name: 'routers', num: 3, value: '10.0.0.1' }];
  const answer = await fixture.client.create('fixedaddress', reservation('10.0.0.1', { options }), {
    _return_fields: 'options',
  });
  expect(answer.object.options).toMatchObject([{ num: 51, value: '43200', use_option: false }, { num: 3 }]);
});

test('an address shows its holder and its type', async () => {
  const { client, grid } = fixture;
  const reference = grid.add('fixedaddress', reservation('10.0.0.1', { name: 'pod-1' }));
  const look = async (ip_address: string) => (await client.get('ipv4address', { ip_address })).rows[0];
  expect(await look('10.0.0.1')).toMatchObject({
    status: 'USED',
    types: ['RESERVATION'],
    names: ['pod-1'],
    objects: [reference],
  });
  expect(await look('10.0.0.2')).toMatchObject({ status: 'UNUSED', types: [], objects: [] });
  expect(await look('10.0.0.0')).toMatchObject({ status: 'USED', types: ['NETWORK'] });
  expect(await look('10.0.0.255')).toMatchObject({ status: 'USED', types: ['BROADCAST'] });
  const window = { 'ip_address>': '10.0.0.250', 'ip_address<': '10.0.0.252', network: '10.0.0.0/24' };
  const rows = (await client.get('ipv4address', window)).rows;
  expect(rows.map(({ ip_address }) => ip_address)).toEqual(['10.0.0.250', '10.0.0.251', '10.0.0.252']);
  expect((await client.get(String(rows[0]?._ref))).object.ip_address).toBe('10.0.0.250');
});
