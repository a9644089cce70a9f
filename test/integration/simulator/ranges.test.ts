import { beforeEach, describe, expect, test } from 'vitest';
import { reservation, useGrid } from '../../simulator/grid-fixture.ts';
import type { Values } from '../../simulator/store/grid-objects.ts';

const fixture = useGrid({ attributes: ['Site'] });

beforeEach(() => {
  fixture.grid.add('network', { network: '10.0.0.0/28' });
});

function range(start_addr: string, end_addr: string, more: Values = {}): Values {
  return { start_addr, end_addr, ...more };
}

function create(body: Values) {
  return fixture.client.create('range', body);
}

test('a range is reserved unless a member serves it, and can be searched by its fields', async () => {
  const { client } = fixture;
  const block = range('10.0.0.2', '10.0.0.3', { network: '10.0.0.0/28', comment: 'Block 1', name: 'b' });
  const created = await create({ ...block, extattrs: { Site: { value: 'Bern' } } });
  expect(created.json).toMatch(/^range\/\w+:10\.0\.0\.2\/10\.0\.0\.3\/default$/);
  const member = { _struct: 'dhcpmember', name: 'member.example.com' };
  await create(range('10.0.0.8', '10.0.0.9', { server_association_type: 'MEMBER', member }));
  const found = async (query: Record<string, string>) =>
    (await client.get('range', query)).rows.map(({ start_addr }) => start_addr);
  expect(await found({ network: '10.0.0.0/28', network_view: 'default' })).toEqual(['10.0.0.2', '10.0.0.8']);
  for (const query of [
    { comment: 'Block 1' },
    { 'comment~': '^Block ' },
    { 'comment:': 'block 1' },
    { 'start_addr~': '2$' },
    { end_addr: '10.0.0.3' },
    { server_association_type: 'NONE' },
    { '*Site': 'Bern' },
  ]) {
    expect({ query, found: await found(query) }).toEqual({ query, found: ['10.0.0.2'] });
  }
  const ordered = await client.get('range', { 'start_addr<': '10.0.0.9' });
  expect(ordered.error).toBe("400 Search modifier '<' not allowed for field: start_addr");
  const fields = { _return_fields: 'name,disable,server_association_type' };
  expect((await client.get(String(created.json), fields)).object).toMatchObject({
    name: 'b',
    disable: false,
    server_association_type: 'NONE',
  });
});

test.each([
  ['overlaps another range', range('10.0.0.1', '10.0.0.4'), /^400 The range .* overlaps another range\.$/],
  ['ends before it begins', range('10.0.0.9', '10.0.0.8'), /^400 Invalid range 10\.0\.0\.9-10\.0\.0\.8$/],
  ['leaves its network', range('10.0.0.9', '10.0.0.19'), /^400 The action is not allowed\. A parent was not found\.$/],
  ['has no network', range('10.1.0.1', '10.1.0.2'), /^400 The action is not allowed\. A parent was not found\.$/],
  ['has no view', range('10.0.0.9', '10.0.0.9', { network_view: 'red' }), /^404 Network View red not found$/],
  ['has no end', { start_addr: '10.0.0.9' }, /^400 field for create missing: end_addr$/],
])('a range that %s is refused', async (_, body, error) => {
  await create(range('10.0.0.4', '10.0.0.5'));
  expect((await create(body)).error).toMatch(error);
  expect(fixture.grid.objects('range')).toHaveLength(1);
});

test('a range can be moved, which changes its reference, and deleted without the reservations inside', async () => {
  const { client, grid } = fixture;
  const reference = grid.add('range', range('10.0.0.2', '10.0.0.3'));
  grid.add('range', range('10.0.0.8', '10.0.0.9'));
  expect((await client.update(reference, { end_addr: '10.0.0.8' })).status).toBe(400);
  const moved = await client.update(reference, { end_addr: '10.0.0.4', comment: 'longer' });
  expect((await client.get(reference)).status).toBe(404);
  grid.add('fixedaddress', reservation('10.0.0.4'));
  expect((await client.run(String(moved.json), 'next_available_ip')).json).toEqual({ ips: ['10.0.0.2'] });
  await client.delete(String(moved.json));
  expect(grid.fixedAddresses()).toMatchObject([{ ipv4addr: '10.0.0.4' }]);
  expect(grid.objects('range')).toHaveLength(1);
});

test('an address in a range shows the kind of the range, and its objects', async () => {
  const { client, grid } = fixture;
  grid.add('range', range('10.0.0.2', '10.0.0.4'));
  grid.add('range', range('10.0.0.5', '10.0.0.6', { server_association_type: 'MEMBER' }));
  grid.add('fixedaddress', reservation('10.0.0.3', { comment: 'mark' }));
  const ipv4addrs = [{ ipv4addr: '10.0.0.4' }];
  grid.add('record:host', { name: 'h', comment: 'printer', configure_for_dns: false, ipv4addrs });
  const query = { network: '10.0.0.0/28', 'ip_address>': '10.0.0.2', 'ip_address<': '10.0.0.5' };
  const answer = await client.get('ipv4address', { ...query, _return_fields: 'ip_address,status,types,comment' });
  expect(answer.rows).toMatchObject([
    { ip_address: '10.0.0.2', status: 'UNUSED', types: ['RESERVED_RANGE'] },
    { ip_address: '10.0.0.3', status: 'USED', types: ['RESERVATION', 'RESERVED_RANGE'], comment: 'mark' },
    { ip_address: '10.0.0.4', status: 'USED', types: ['HOST', 'RESERVED_RANGE'], comment: 'printer' },
    { ip_address: '10.0.0.5', status: 'UNUSED', types: ['DHCP_RANGE'] },
  ]);
});

test('users without the right to see ranges are refused', async () => {
  fixture.grid.denied.add('range');
  expect((await create(range('10.0.0.2', '10.0.0.3'))).error).toMatch(
    /^400 You need to have .* permission for the range/,
  );
  expect((await fixture.client.get('range')).status).toBe(400);
});

describe('assumptions without a source:', () => {
  test('ranges may overlap, even completely', async () => {
    const { client, grid } = fixture;
    grid.quirks.rangesMayOverlap = true;
    const made = [await create(range('10.0.0.2', '10.0.0.3')), await create(range('10.0.0.2', '10.0.0.3'))];
    expect(made.map(({ status }) => status)).toEqual([201, 201]);
    await client.delete(String(made[0]?.json));
    expect((await client.get(String(made[1]?.json))).status).toBe(200);
    expect((await client.get('range', { network: '10.0.0.0/28' })).rows).toHaveLength(1);
  });

  test('the next address of a network may lie in a range', async () => {
    const { grid } = fixture;
    grid.add('range', range('10.0.0.1', '10.0.0.8'));
    grid.quirks.networksGiveFromRanges = true;
    grid.add('fixedaddress', reservation('func:nextavailableip:10.0.0.0/28'));
    expect(grid.fixedAddresses()).toMatchObject([{ ipv4addr: '10.0.0.1' }]);
  });

  test('an address in a range may be reported as USED without an object', async () => {
    const { client, grid } = fixture;
    grid.add('range', range('10.0.0.1', '10.0.0.8'));
    grid.quirks.rangesReadUsed = true;
    expect((await client.get('ipv4address', { ip_address: '10.0.0.8' })).rows).toMatchObject([
      { status: 'USED', objects: [] },
    ]);
    expect((await client.get('ipv4address', { ip_address: '10.0.0.9' })).rows).toMatchObject([{ status: 'UNUSED' }]);
  });
});
