import { expect, test } from 'vitest';
import { useGrid } from '../../simulator/grid-fixture.ts';
import type { ClientAnswer } from '../../simulator/wapi-client.ts';

const fixture = useGrid();

async function textOf(answer: Promise<ClientAnswer>): Promise<string> {
  const { status, object } = await answer;
  return `${status} ${object.code}: ${object.text}`;
}

test('a protocol error has the exact bytes of a real one, with a Content-Length', async () => {
  const answer = await fixture.client.get('foo');
  const text = 'Unknown object type (foo)';
  expect(answer.text).toBe(
    `{ "Error": "AdmConProtoError: ${text}", \n  "code": "Client.Ibap.Proto", \n  "text": "${text}"\n}`,
  );
  expect(answer.headers['content-type']).toBe('application/json');
  expect(answer.headers['content-length']).toBe(String(answer.text.length));
  expect(answer.headers['transfer-encoding']).toBeUndefined();
});

test('a conflict wraps the class of the database layer and is a 400', async () => {
  const { client } = fixture;
  await client.create('network', { network: '10.0.0.0/24' });
  const { status, object } = await client.create('network', { network: '10.0.0.0/24' });
  expect(status).toBe(400);
  expect(object.Error).toBe(`AdmConDataError: None (IBDataConflictError: IB.Data.Conflict:${object.text})`);
  expect(object.code).toBe('Client.Ibap.Data.Conflict');
});

test('a line that is too long for the web server is refused with 414 in HTML, even without credentials', async () => {
  const { status, headers } = await fixture.client.get('network', { network_view: 'v'.repeat(9_000) });
  expect({ status, type: headers['content-type'] }).toEqual({ status: 414, type: 'text/html; charset=iso-8859-1' });
});

test('every request for a type that the user may not read is refused', async () => {
  const { client, grid } = fixture;
  grid.denied.add('network');
  expect(await textOf(client.get('network'))).toBe(
    '400 Client.Ibap.Data: You need to have Read permission for the network to access objects of this type',
  );
  expect((await client.get('networkview')).status).toBe(200);
});

test('an answer has the time of the grid', async () => {
  const { client, grid } = fixture;
  const tells = async () => Date.parse(String((await client.get('networkview')).headers.date)) - Date.now();
  expect(Math.abs(await tells())).toBeLessThan(5_000);
  grid.clockAhead = -3_600_000;
  expect(Math.abs((await tells()) + 3_600_000)).toBeLessThan(5_000);
});

test.each([
  ['network', { network: '10.0.0.0/24', colour: 'red' }, "Unknown argument/field: 'colour'"],
  ['network', {}, 'field for create missing: network'],
  ['networkview', { name: 10 }, 'Invalid value for name: 10: Must be string type'],
  ['network', { network: '10.0.0.0/24', disable: 'yes' }, 'Invalid value for disable: "yes": Must be boolean type'],
  [
    'networkview',
    { name: 'v', comment: ' x' },
    'Invalid value for comment: " x": leading or trailing whitespace is not allowed.',
  ],
  ['networkview', { name: 'v', is_default: true }, 'Field is not writable: is_default'],
  ['network', { network: '10.0.0.0/24', options: 'none' }, 'List value expected for field: options'],
  ['network', { network: '10.0.0.0/24', options: null }, 'List value expected for field: options'],
  ['network', { network: '10.0.0.0/24', extattrs: [] }, 'Structure expected in extattrs'],
  ['network', { network: '10.0.0.0/24', extattrs: { Site: { value: 'x' } } }, 'Unknown extensible attribute: Site'],
  ['grid', {}, 'Operation create not allowed for grid'],
])('creating %s with %j is refused: %s', async (type, body, text) => {
  expect(await textOf(fixture.client.create(type, body))).toBe(`400 Client.Ibap.Proto: ${text}`);
});

test('an enumeration names its valid values', async () => {
  const answer = await fixture.client.create('fixedaddress', { ipv4addr: '10.0.0.1', match_client: 'X' });
  expect(answer.error).toBe(
    '400 Invalid value for match_client ("X") valid values are: MAC_ADDRESS, CLIENT_ID, RESERVED, CIRCUIT_ID, REMOTE_ID',
  );
});

test('a comment may have at most 256 characters', async () => {
  const { client } = fixture;
  expect((await client.create('networkview', { name: 'fits', comment: 'ä'.repeat(256) })).status).toBe(201);
  expect((await client.create('networkview', { name: 'does not', comment: 'x'.repeat(257) })).status).toBe(400);
});

test('a malformed reference is refused, and a reference to nothing is not found', async () => {
  const { client, grid } = fixture;
  expect(await textOf(client.get('network/abc'))).toBe('400 Client.Ibap.Proto: Invalid reference: network/abc');
  const reference = grid.add('network', { network: '10.0.0.0/24' });
  grid.remove(reference);
  for (const answer of [client.get(reference), client.delete(reference), client.update(reference, { comment: 'x' })]) {
    expect(await textOf(answer)).toBe(`404 Client.Ibap.Data.NotFound: Reference ${reference} not found`);
  }
});

test('an unknown network view is not found, even in a search', async () => {
  const { client } = fixture;
  const expected = '404 Client.Ibap.Data.NotFound: Network View nowhere not found';
  expect(await textOf(client.create('network', { network: '10.0.0.0/24', network_view: 'nowhere' }))).toBe(expected);
  expect(await textOf(client.get('network', { network_view: 'nowhere' }))).toBe(expected);
  expect(await textOf(client.get('record:host', { view: 'nowhere' }))).toMatch(/^404 .*: View nowhere not found$/);
});

test('unknown options are refused, including _proxy_search without cloud rights', async () => {
  const { client } = fixture;
  expect(await textOf(client.get('network', { _frobnicate: '1' }))).toMatch(/Unknown argument: _frobnicate=1$/);
  expect(await textOf(client.get('network', { _proxy_search: 'GM' }))).toMatch(/Unknown argument: _proxy_search=GM$/);
});

test('immutable and read-only fields are refused in an update', async () => {
  const { client, grid } = fixture;
  const reference = grid.add('network', { network: '10.0.0.0/24' });
  const body = { _ref: reference, network: '10.0.0.0/24', comment: 'same network' };
  expect((await client.update(reference, body)).status).toBe(200);
  expect(await textOf(client.update(reference, { network: '10.9.0.0/24' }))).toMatch(
    /not allowed for update: network$/,
  );
  expect(await textOf(client.update(reference, { network_view: 'default' }))).toMatch(/for update: network_view$/);
});

test('a body that is not a JSON object, or not declared as JSON, is refused', async () => {
  const { client } = fixture;
  expect(await textOf(client.create('network', [1]))).toMatch(/^400 Client.Ibap.Proto/);
  const headers = { ...client.basic(), 'content-type': 'text/plain' };
  const undeclared = client.call('POST', 'network', { headers, body: { network: '10.0.0.0/24' } });
  expect(await textOf(undeclared)).toMatch(/^400 Client.Ibap.Proto/);
  expect(fixture.grid.networks()).toEqual([]);
});

test('a read-only grid answers reads and refuses writes', async () => {
  const { client, grid } = fixture;
  grid.readOnly = true;
  expect((await client.create('network', { network: '10.0.0.0/24' })).status).toBe(400);
  expect((await client.get('network')).json).toEqual([]);
  grid.readOnly = false;
  expect((await client.create('network', { network: '10.0.0.0/24' })).status).toBe(201);
});
