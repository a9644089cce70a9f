import { beforeEach, expect, test } from 'vitest';
import { useGrid } from '../../simulator/grid-fixture.ts';
import type { Values } from '../../simulator/store/grid-objects.ts';

const fixture = useGrid({ attributes: ['Site'] });
const network = 'fd00:18:1::/64';

beforeEach(() => {
  fixture.grid.add('ipv6network', { network });
});

let duids = 0;
/** Creates a fixed address with a DUID of its own. */
function fixed(ipv6addr: string, more: Values = {}): Values {
  duids += 1;
  return { ipv6addr, duid: `00:04:${duids.toString(16).padStart(32, '0')}`, ...more };
}

const next = `func:nextavailableip:${network}`;
const made = { _return_fields: 'ipv6addr,duid,network,network_view,address_type,comment' };

test('a fixed address takes the lowest free address of a /64, and its reference is the natural key', async () => {
  const { client, grid } = fixture;
  const first = await client.create('ipv6fixedaddress', fixed(next, { comment: 'mark', name: 'pod-1' }), made);
  const described = { network, network_view: 'default', address_type: 'ADDRESS', comment: 'mark' };
  expect(first.object).toMatchObject({ ipv6addr: 'fd00:18:1::1', ...described });
  expect(first.object.duid).toMatch(/^00:04(:[0-9a-f]{2}){16}$/);
  expect(first.object._ref).toMatch(/^ipv6fixedaddress\/\w+:fd00%3A18%3A1%3A%3A1\/default$/);
  const again = await client.create('ipv6fixedaddress', fixed(next), made);
  expect(again.object.ipv6addr).toBe('fd00:18:1::2');
  await client.delete(String(first.object._ref));
  expect((await client.get('ipv6network', { network })).rows).toMatchObject([{ network, network_view: 'default' }]);
  expect(grid.objects('ipv6fixedaddress')).toMatchObject([{ ipv6addr: 'fd00:18:1::2' }]);
  expect(grid.add('ipv6fixedaddress', fixed(next))).toContain(':fd00%3A18%3A1%3A%3A1/');
});

test('a fixed address is found by address in any spelling, comment, DUID, network and attribute, but by no IPv4 search', async () => {
  const { client, grid } = fixture;
  const { duid } = fixed('');
  grid.add('ipv6fixedaddress', { ipv6addr: 'fd00:18:1::a', duid: String(duid).toUpperCase(), comment: 'Mark' });
  grid.add('ipv6fixedaddress', fixed('fd00:18:1::b', { extattrs: { Site: { value: 'Bern' } } }));
  grid.add('network', { network: '10.0.0.0/24' });
  grid.add('fixedaddress', { ipv4addr: '10.0.0.1', match_client: 'RESERVED', comment: 'Mark' });
  const found = async (query: Record<string, string>) =>
    (await client.get('ipv6fixedaddress', query)).rows.map(({ ipv6addr }) => ipv6addr);
  for (const query of [
    { ipv6addr: 'FD00:18:1:0:0:0:0:A' },
    { comment: 'Mark' },
    { 'comment~': '^Mar' },
    { 'comment:': 'mark' },
    { duid: String(duid) },
    { 'ipv6addr~': '::a$' },
  ]) {
    expect({ query, found: await found(query) }).toEqual({ query, found: ['fd00:18:1::a'] });
  }
  expect(await found({ '*Site': 'Bern' })).toEqual(['fd00:18:1::b']);
  expect(await found({ network, network_view: 'default' })).toEqual(['fd00:18:1::a', 'fd00:18:1::b']);
  expect((await client.get('fixedaddress', { comment: 'Mark' })).rows).toMatchObject([{ ipv4addr: '10.0.0.1' }]);
  expect((await client.get('ipv6fixedaddress', { mac: '02:00:00:00:00:01' })).error).toMatch(/^400 Unknown argument/);
  expect((await client.get('ipv6network', { contains_address: 'fd00:18:1::a' })).error).toMatch(
    /^400 Unknown argument/,
  );
  expect((await client.get('ipv6network', { network: '10.0.0.0/24' })).status).toBe(400);
});

test.each([
  ['no DUID', { ipv6addr: 'fd00:18:1::5' }, '400 field for create missing: duid'],
  ['an empty DUID', { ipv6addr: 'fd00:18:1::5', duid: '' }, "400 Invalid DUID ''"],
  ['an address of IPv4', fixed('10.0.0.1'), "400 Invalid address_string '10.0.0.1'"],
  ['no parent network', fixed('fd00:18:2::1'), '400 The action is not allowed. A parent was not found.'],
  ['the address of the routers', fixed('fd00:18:1::'), "400 Invalid address_string 'fd00:18:1::'"],
  [
    'a reservation’s match_client',
    fixed('fd00:18:1::5', { match_client: 'RESERVED' }),
    "400 Unknown argument/field: 'match_client'",
  ],
])('a fixed address with %s is refused', async (_, body, error) => {
  expect((await fixture.client.create('ipv6fixedaddress', body)).error).toBe(error);
});

test('an address can be held once, and a DUID once in a network, unless the grid is lenient', async () => {
  const { client, grid } = fixture;
  const { duid = '' } = fixed('');
  grid.add('ipv6fixedaddress', { ipv6addr: 'fd00:18:1::5', duid });
  const taken = await client.create('ipv6fixedaddress', fixed('fd00:18:1::5'));
  expect(taken.error).toMatch(/^400 Duplicate object 'fd00:18:1::5' of type 'fixed_address' /);
  const twice = () => client.create('ipv6fixedaddress', { ipv6addr: next, duid });
  const refused = await twice();
  expect(refused.error).toMatch(/^400 DUID .* is used in two fixed addresses fd00:18:1::5 and fd00:18:1::1, /);
  expect(refused.object.code).toBe('Client.Ibap.Data.Conflict');
  grid.add('ipv6network', { network: 'fd00:18:2::/64' });
  expect((await client.create('ipv6fixedaddress', { ipv6addr: 'fd00:18:2::5', duid })).status).toBe(201);
  grid.quirks.duidsMayRepeat = true;
  expect((await twice()).status).toBe(201);
});

test('a comment is changed in place, and the DUID stays', async () => {
  const { client, grid } = fixture;
  const reference = grid.add('ipv6fixedaddress', fixed('fd00:18:1::5', { comment: 'before' }));
  const [before] = grid.objects('ipv6fixedaddress');
  await client.update(reference, { comment: 'after' });
  expect(grid.objects('ipv6fixedaddress')).toMatchObject([{ comment: 'after', duid: before?.duid }]);
});

test('networks come from containers, /64 after /64, and from a network inside a network', async () => {
  const { client, grid } = fixture;
  const container = grid.add('ipv6networkcontainer', { network: 'fd00:19::/62' });
  grid.add('ipv6network', { network: 'fd00:19:0:1::/64' });
  const body = { network: 'func:nextavailablenetwork:fd00:19::/62,default,64' };
  const networks = [1, 2, 3].map(() => grid.add('ipv6network', body));
  expect(networks.map((reference) => reference.replace(/^.*?:/, ''))).toEqual([
    'fd00%3A19%3A%3A/64/default',
    'fd00%3A19%3A0%3A2%3A%3A/64/default',
    'fd00%3A19%3A0%3A3%3A%3A/64/default',
  ]);
  expect((await client.create('ipv6network', body)).error).toBe('400 Can not find requested number of networks');
  expect((await client.run(container, 'next_available_network', { cidr: 80 })).status).toBe(400);
  expect((await client.create('ipv6network', { network })).error).toBe(
    `400 The network ${network} already exists.  Select another network.`,
  );
  grid.add('ipv6network', { network: 'fd00:18:1::/80' });
  expect(grid.objects('ipv6networkcontainer')).toMatchObject([{ network: 'fd00:19::/62' }, { network }]);
  expect((await client.get('ipv6network', { _return_fields: 'utilization' })).error).toMatch(/^400 Unknown argument/);
});

test('addresses of a range are given only to requests that name it', async () => {
  const { client, grid } = fixture;
  const bounds = { start_addr: 'fd00:18:1::1', end_addr: 'fd00:18:1::ffff:ffff:ffff' };
  const created = await client.create('ipv6range', { ...bounds, network, comment: 'block' });
  expect(created.json).toMatch(/^ipv6range\/\w+:fd00%3A18%3A1%3A%3A1\/fd00%3A18%3A1%3A%3Affff%3Affff%3Affff\/default$/);
  expect((await client.create('ipv6range', bounds)).error).toMatch(/overlaps another range\.$/);
  expect(grid.add('ipv6fixedaddress', fixed(next))).toContain(':fd00%3A18%3A1%3A0%3A1%3A%3A/');
  const inside = `func:nextavailableip:${bounds.start_addr}-${bounds.end_addr}`;
  expect(grid.add('ipv6fixedaddress', fixed(inside))).toContain(':fd00%3A18%3A1%3A%3A1/');
  const range = (await client.get('ipv6range', { comment: 'block', server_association_type: 'NONE' })).rows[0];
  const free = await client.run(String(range?._ref), 'next_available_ip', { num: 2, exclude: ['fd00:18:1::2'] });
  expect(free.json).toEqual({ ips: ['fd00:18:1::3', 'fd00:18:1::4'] });
});

test('an address shows its objects, even in a window of a /64', async () => {
  const { client, grid } = fixture;
  const reference = grid.add('ipv6fixedaddress', fixed('fd00:18:1::5', { comment: 'mark' }));
  const ipv6addrs = [{ ipv6addr: 'fd00:18:1::6' }];
  grid.add('record:host', { name: 'h', comment: 'printer', configure_for_dns: false, ipv6addrs });
  const query = { network, 'ip_address>': 'fd00:18:1::5', 'ip_address<': 'fd00:18:1::7' };
  const answer = await client.get('ipv6address', {
    ...query,
    _return_fields: 'ip_address,status,types,comment,objects',
  });
  expect(answer.rows).toMatchObject([
    { ip_address: 'fd00:18:1::5', status: 'USED', types: ['FA'], comment: 'mark', objects: [reference] },
    { ip_address: 'fd00:18:1::6', status: 'USED', types: ['HOST'], comment: 'printer' },
    { ip_address: 'fd00:18:1::7', status: 'UNUSED', types: [], objects: [] },
  ]);
  expect((await client.get('record:host', { ipv6addr: 'fd00:18:1::6' })).rows).toMatchObject([
    { name: 'h', ipv6addrs: [{ ipv6addr: 'fd00:18:1::6', configure_for_dhcp: false }] },
  ]);
  const around = await client.get('ipv6address', { ip_address: 'fd00:18:1::ffff', _return_fields: 'network' });
  expect(around.rows).toMatchObject([{ network }]);
  expect((await client.get('ipv6address', { ip_address: 'fd00:99::1' })).json).toEqual([]);
  expect(grid.add('ipv6fixedaddress', fixed('fd00:18:1::7'))).toBeTruthy();
});

test('rights apply to one type, and a reference of one family is not found in the other', async () => {
  const { client, grid } = fixture;
  grid.denied.add('ipv6fixedaddress');
  expect((await client.get('ipv6fixedaddress')).error).toMatch(/permission for the ipv6fixedaddress/);
  expect((await client.get('fixedaddress')).json).toEqual([]);
  const [reference = ''] = (await client.get('ipv6network')).rows.map(({ _ref }) => String(_ref));
  expect((await client.get(reference)).object.network).toBe(network);
  expect((await client.get(reference.slice('ipv6'.length))).status).toBe(404);
});
