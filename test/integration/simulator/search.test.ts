import { beforeEach, expect, test } from 'vitest';
import { reservation, useGrid } from '../../simulator/grid-fixture.ts';

const fixture = useGrid({ attributes: ['Site', 'VM ID'] });

beforeEach(() => {
  const { grid } = fixture;
  grid.add('networkview', { name: 'blue' });
  for (const network_view of ['default', 'blue']) grid.add('network', { network: '10.0.0.0/24', network_view });
  for (const host of [1, 2, 3]) {
    const extattrs = { Site: { value: host === 2 ? 'Bern' : 'Basel' } };
    grid.add('fixedaddress', { ...reservation(`10.0.0.${host}`), comment: `Pod ${host}`, extattrs });
  }
  grid.add('fixedaddress', {
    ...reservation('10.0.0.1'),
    network_view: 'blue',
    mac: '02:00:00:00:00:0A',
    match_client: 'MAC_ADDRESS',
  });
});

async function addresses(query: Record<string, string>): Promise<string[]> {
  const { rows } = await fixture.client.get('fixedaddress', query);
  return rows.map(({ ipv4addr, network_view }) => `${ipv4addr} ${network_view}`);
}

test('a search without results gives an empty list, pretty-printed and chunked', async () => {
  const answer = await fixture.client.get('fixedaddress', { comment: 'nobody' });
  expect(answer.json).toEqual([]);
  const full = await fixture.client.get('fixedaddress', { comment: 'Pod 1' });
  expect(full.text).toMatch(/^\[\n {4}\{\n {8}"_ref": /);
  expect(full.headers['transfer-encoding']).toBe('chunked');
});

test.each<[Record<string, string>, string[]]>([
  [{ ipv4addr: '10.0.0.1' }, ['10.0.0.1 default', '10.0.0.1 blue']],
  [{ ipv4addr: '10.0.0.1', network_view: 'blue' }, ['10.0.0.1 blue']],
  [{ network: '10.0.0.0/24', network_view: 'blue' }, ['10.0.0.1 blue']],
  [{ comment: 'Pod 2' }, ['10.0.0.2 default']],
  [{ comment: 'pod 2' }, []],
  [{ 'comment:': 'pod 2' }, ['10.0.0.2 default']],
  [{ 'comment~': '[12]$' }, ['10.0.0.1 default', '10.0.0.2 default']],
  [{ 'ipv4addr~': '\\.3$' }, ['10.0.0.3 default']],
  [{ mac: '02-00-00-00-00-0a' }, ['10.0.0.1 blue']],
  [{ mac: '00:00:00:00:00:00' }, ['10.0.0.1 default', '10.0.0.2 default', '10.0.0.3 default']],
  [{ match_client: 'MAC_ADDRESS' }, ['10.0.0.1 blue']],
  [{ '*Site': 'Bern' }, ['10.0.0.2 default']],
  [{ '*Site~': '^Ba', 'comment~': '3' }, ['10.0.0.3 default']],
  [{ '*Site!': 'Basel' }, ['10.0.0.2 default', '10.0.0.1 blue']],
])('a search by %j finds %j', async (query, expected) => {
  expect(await addresses(query)).toEqual(expected);
});

test('a search may come in the JSON body of a GET', async () => {
  const body = { network_view: 'default', comment: 'Pod 3', '*Site': 'Basel' };
  const { rows } = await fixture.client.call('GET', 'fixedaddress', { body });
  expect(rows.map(({ ipv4addr }) => ipv4addr)).toEqual(['10.0.0.3']);
});

test('a body sent along with a GET of a reference is ignored', async () => {
  const [fixed] = fixture.grid.fixedAddresses('blue');
  const answer = await fixture.client.call('GET', fixed?._ref ?? '', { body: { nonsense: 1 } });
  expect(answer.object.ipv4addr).toBe('10.0.0.1');
});

test.each([
  [{ colour: 'red' }, "Unknown argument/field: 'colour'"],
  [{ name: 'pod' }, 'Field is not searchable: name'],
  [{ extattrs: 'x' }, 'Field is not searchable: extattrs'],
  [{ 'network_view~': 'd' }, "Search modifier '~' not allowed for field: network_view"],
  [{ 'ipv4addr<': '10.0.0.9' }, "Search modifier '<' not allowed for field: ipv4addr"],
  [{ '*Colour': 'red' }, 'Unknown extensible attribute: Colour'],
  [{ ipv4addr: '10.36.199.711' }, "Invalid address_string '10.36.199.711'"],
  [{ ipv4addr: '' }, "Invalid address_string ''"],
])('a search by %j is refused: %s', async (query, text) => {
  expect((await fixture.client.get('fixedaddress', query)).error).toBe(`400 ${text}`);
});

test('_return_fields replaces the base fields and _return_fields+ adds to them', async () => {
  const { client } = fixture;
  const query = { comment: 'Pod 1' };
  const base = (await client.get('fixedaddress', query)).rows[0];
  expect(Object.keys(base ?? {})).toEqual(['_ref', 'ipv4addr', 'network_view']);
  const only = (await client.get('fixedaddress', { ...query, _return_fields: 'comment,mac' })).rows[0];
  expect(Object.keys(only ?? {})).toEqual(['_ref', 'comment', 'mac']);
  const more = (await client.get('fixedaddress', { ...query, '_return_fields+': 'extattrs' })).rows[0];
  expect(Object.keys(more ?? {})).toEqual(['_ref', 'ipv4addr', 'network_view', 'extattrs']);
  const unencoded = await client.get('fixedaddress?comment=Pod%201&_return_fields+=extattrs');
  expect(unencoded.rows[0]).toEqual(more);
  const unknown = await client.get('fixedaddress', { _return_fields: 'comment,colour' });
  expect(unknown.error).toBe("400 Unknown argument/field: 'colour'");
  const hidden = await client.get('fixedaddress', { _return_fields: 'restart_if_needed' });
  expect(hidden.error).toBe('400 Field is not readable: restart_if_needed');
});

test('_return_as_object wraps lists, objects and references', async () => {
  const { client } = fixture;
  const _return_as_object = '1';
  const reference = (await client.get('networkview', { name: 'blue' })).rows[0]?._ref;
  const blue = { _ref: reference, name: 'blue', is_default: false };
  expect((await client.get('networkview', { name: 'blue', _return_as_object })).json).toEqual({ result: [blue] });
  expect((await client.get(String(reference), { _return_as_object })).json).toEqual({ result: blue });
  const created = await client.create('networkview', { name: 'red' }, { _return_as_object });
  expect(created.object.result).toMatch(/^networkview\//);
});

test('a negative _max_results is an error if more match, and a positive one cuts the list', async () => {
  const { client } = fixture;
  const tooMany = await client.get('fixedaddress', { _max_results: '-2' });
  expect(tooMany.error).toBe('400 Result set too large (> 2)');
  expect((await client.get('fixedaddress', { _max_results: '-4' })).json).toHaveLength(4);
  expect((await client.get('fixedaddress', { _max_results: '2' })).json).toHaveLength(2);
});

test('without _max_results more than 1000 results are an error', async () => {
  const { client, grid } = fixture;
  grid.add('network', { network: '10.1.0.0/16' });
  for (let i = 0; i <= 1000; i++) grid.add('fixedaddress', reservation('func:nextavailableip:10.1.0.0/16'));
  const answer = await client.get('fixedaddress', { network: '10.1.0.0/16' });
  expect(answer.error).toBe('400 Result set too large (> 1000)');
});

test('paging walks through all results and needs the wrapped form', async () => {
  const { client } = fixture;
  const options = { _paging: '1', _max_results: '3' };
  const bare = await client.get('fixedaddress', options);
  expect(bare.error).toBe('400 _return_as_object needs to be enabled for paging requests.');
  const negative = { ...options, _max_results: '-1000', _return_as_object: '1' };
  expect((await client.get('fixedaddress', negative)).status).toBe(400);
  const first = (await client.get('fixedaddress', { ...options, _return_as_object: '1' })).object;
  expect(first.result).toHaveLength(3);
  const second = (await client.get('fixedaddress', { _page_id: String(first.next_page_id) })).object;
  expect(second).toEqual({ result: [expect.objectContaining({ network_view: 'blue' })] });
});

test('a network can be searched by an address inside', async () => {
  const query = { contains_address: '10.0.0.77', network_view: 'blue' };
  const { json } = await fixture.client.get('network', query);
  expect(json).toEqual([{ _ref: expect.any(String), network: '10.0.0.0/24', network_view: 'blue' }]);
});

test('?_schema lists versions and object types, and the fields of one type', async () => {
  const { client } = fixture;
  const grid = (await client.get('', { _schema: '1' })).object;
  expect(grid.requested_version).toBe('2.5');
  expect(grid.supported_versions).toContain('2.3');
  expect(grid.supported_objects).toContain('fixedaddress');
  const { fields } = (await client.get('fixedaddress', { _schema: '1' })).object;
  expect(fields).toContainEqual(expect.objectContaining({ name: 'name', supports: 'rwu' }));
  expect(fields).toContainEqual(expect.objectContaining({ name: 'comment', supports: 'rwus', searchable_by: '=:~' }));
});
