import { expect, test } from 'vitest';
import { reservation, useGrid } from '../../simulator/grid-fixture.ts';

const fixture = useGrid();

function decoded(reference: string | undefined): string {
  const opaque = reference?.split('/')[1]?.split(':')[0] ?? '';
  return Buffer.from(opaque, 'base64').toString();
}

test('a create is answered by 201 and the quoted reference, which encodes the natural key', async () => {
  const { client } = fixture;
  const view = await client.create('networkview', { name: 'blue one', comment: 'mine' });
  expect([view.status, view.headers['content-type']]).toEqual([201, 'application/json']);
  expect(view.json).toMatch(/^networkview\/[\w-]+:blue%20one\/false$/);
  expect(decoded(String(view.json))).toBe('dns.network_view$1');
  const network = await client.create('network', { network: '10.55.32.0/21', network_view: 'blue one' });
  expect(network.json).toMatch(/^network\/[\w-]+:10\.55\.32\.0\/21\/blue%20one$/);
  expect(decoded(String(network.json))).toBe('dns.network$10.55.32.0/21/1');
});

test('a create with _return_fields is answered by the object', async () => {
  const query = { _return_fields: 'network,comment,extattrs' };
  const answer = await fixture.client.create('network', { network: '10.0.0.0/24', comment: 'pods' }, query);
  expect(answer.status).toBe(201);
  expect(answer.json).toEqual({ _ref: expect.any(String), network: '10.0.0.0/24', comment: 'pods', extattrs: {} });
});

test('the same network is refused only in the same view, where a container of its CIDR counts, too', async () => {
  const { client, grid } = fixture;
  grid.add('networkview', { name: 'blue' });
  grid.add('network', { network: '10.26.60.0/24' });
  grid.add('networkcontainer', { network: '10.27.0.0/16' });
  const twice = await client.create('network', { network: '10.26.60.0/24' });
  expect(twice.error).toBe('400 The network 10.26.60.0/24 already exists.  Select another network.');
  const container = await client.create('network', { network: '10.27.0.0/16' });
  expect(container.error).toBe('400 The network 10.27.0.0/16 already exists.  Select another network.');
  expect((await client.create('network', { network: '10.26.60.0/24', network_view: 'blue' })).status).toBe(201);
});

test.each(['10.0.0.5/24', '10.0.0.0', '10.0.0.0/33', '10.0.0.256/24', 'pods'])(
  '%s is not a network',
  async (network) => {
    expect((await fixture.client.create('network', { network })).status).toBe(400);
  },
);

test('a network inside a network turns the parent into a container with another reference', async () => {
  const { client, grid } = fixture;
  const parent = grid.add('network', { network: '10.0.0.0/16', comment: 'all pods' });
  grid.add('fixedaddress', reservation('10.0.9.9'));
  expect((await client.create('network', { network: '10.0.1.0/24' })).status).toBe(201);
  expect((await client.get(parent)).status).toBe(404);
  expect(grid.networks().map(({ network }) => network)).toEqual(['10.0.1.0/24']);
  const [container] = grid.objects('networkcontainer');
  expect(container).toMatchObject({ network: '10.0.0.0/16', comment: 'all pods', network_container: '/' });
  expect(grid.fixedAddresses()).toEqual([]);
  const child = await client.get('network', { network_container: '10.0.0.0/16' });
  expect(child.rows.map(({ network }) => network)).toEqual(['10.0.1.0/24']);
});

test('a network has its utilisation in tenths of a percent, for any kind of object, and cannot be searched by it', async () => {
  const { client, grid } = fixture;
  grid.add('network', { network: '10.0.0.0/28' });
  grid.add('fixedaddress', reservation('10.0.0.1'));
  grid.add('record:host', { name: 'h', configure_for_dns: false, ipv4addrs: [{ ipv4addr: '10.0.0.2' }] });
  const query = { contains_address: '10.0.0.9', network_view: 'default', _return_fields: 'network,utilization' };
  const { rows } = await client.get('network', query);
  // Two of fourteen addresses are used.
  expect(rows).toEqual([{ _ref: expect.any(String), network: '10.0.0.0/28', utilization: 143 }]);
  expect((await client.get('network', { utilization: '143' })).error).toBe('400 Field is not searchable: utilization');
});

test('deleting a network deletes its fixed addresses and ranges', async () => {
  const { client, grid } = fixture;
  const reference = grid.add('network', { network: '10.0.0.0/24' });
  grid.add('fixedaddress', reservation('10.0.0.1'));
  grid.add('range', { start_addr: '10.0.0.10', end_addr: '10.0.0.20' });
  const answer = await client.delete(reference);
  expect([answer.status, answer.json]).toEqual([200, reference]);
  expect([grid.fixedAddresses(), grid.objects('range'), grid.networks()]).toEqual([[], [], []]);
});

test('deleting a container leaves its networks to the container above, unless told otherwise', async () => {
  const { client, grid } = fixture;
  grid.add('networkcontainer', { network: '10.0.0.0/8' });
  const middle = grid.add('networkcontainer', { network: '10.1.0.0/16' });
  grid.add('network', { network: '10.1.1.0/24' });
  await client.delete(middle);
  const [network] = grid.objects('network');
  expect(network?.network_container).toBe('10.0.0.0/8');
  const [top] = grid.objects('networkcontainer');
  await client.delete(top?._ref ?? '', { remove_subnets: '1' });
  expect(grid.networks()).toEqual([]);
});

test('the default view cannot be deleted, and another one is deleted with its contents', async () => {
  const { client, grid } = fixture;
  const refused = await client.delete(grid.objects('networkview')[0]?._ref ?? '');
  expect(refused.error).toBe("400 Cannot delete the default network view 'default'.");
  const blue = grid.add('networkview', { name: 'blue' });
  grid.add('network', { network: '10.0.0.0/24', network_view: 'blue' });
  expect((await client.delete(blue)).status).toBe(200);
  expect(grid.networks()).toEqual([]);
});

test('a view of the same name is refused, and a rename changes only the tail of references', async () => {
  const { client, grid } = fixture;
  const blue = grid.add('networkview', { name: 'blue' });
  const network = grid.add('network', { network: '10.0.0.0/24', network_view: 'blue' });
  expect((await client.create('networkview', { name: 'blue' })).error).toBe(
    "400 Duplicate object 'blue' of type 'network_view' already exists in the database.",
  );
  expect((await client.update(blue, { name: 'red' })).json).toMatch(/:red\/false$/);
  const moved = await client.get(network);
  expect(moved.object).toMatchObject({ network_view: 'red', _ref: network.replace(/blue$/, 'red') });
});

test('a comment can be changed, searched and cleared', async () => {
  const { client, grid } = fixture;
  const reference = grid.add('network', { network: '10.0.0.0/24', comment: 'old' });
  expect((await client.update(reference, { comment: 'new' })).json).toBe(reference);
  expect((await client.get('network', { comment: 'old' })).rows).toHaveLength(0);
  expect((await client.get('network', { comment: 'new' })).rows).toHaveLength(1);
  await client.update(reference, { comment: '' });
  expect((await client.get(reference)).object).not.toHaveProperty('comment');
});
