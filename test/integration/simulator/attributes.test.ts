import { describe, expect, test } from 'vitest';
import { reservation, useGrid } from '../../simulator/grid-fixture.ts';

describe('extensible attributes', () => {
  const fixture = useGrid({ attributes: ['Site', 'Owner'] });

  test('are all replaced by an update, added with + and removed with -', async () => {
    const { client, grid } = fixture;
    const reference = grid.add('network', { network: '10.0.0.0/24', extattrs: { Site: { value: 'Bern' } } });
    const names = () => Object.keys(grid.networks()[0]?.extattrs ?? {});
    await client.update(reference, { 'extattrs+': { Owner: { value: 'ops' } } });
    expect(names()).toEqual(['Site', 'Owner']);
    await client.update(reference, { 'extattrs-': { Site: {} } });
    expect(names()).toEqual(['Owner']);
    await client.update(reference, { extattrs: { Site: { value: 'Genf' } } });
    expect(names()).toEqual(['Site']);
    await client.update(reference, { extattrs: {} });
    expect(names()).toEqual([]);
  });

  test('must have values that fit the definition', async () => {
    const { client } = fixture;
    await client.create('extensibleattributedef', { name: 'Rack', type: 'INTEGER' });
    await client.create('extensibleattributedef', { name: 'Tier', type: 'ENUM', list_values: [{ value: 'gold' }] });
    await client.create('extensibleattributedef', { name: 'Tags', type: 'STRING', flags: 'V' });
    const create = (name: string, value: unknown) =>
      client.create('networkview', { name: `${name} ${JSON.stringify(value)}`, extattrs: { [name]: { value } } });
    for (const [name, value] of [
      ['Rack', 7],
      ['Tier', 'gold'],
      ['Tags', ['a', 'b']],
      ['Site', 'x'],
    ] as const) {
      expect((await create(name, value)).status).toBe(201);
    }
    for (const [name, value] of [
      ['Rack', '7'],
      ['Tier', 'tin'],
      ['Site', ['a']],
      ['Site', 1],
      ['Site', 's'.repeat(257)],
    ] as const) {
      expect((await create(name, value)).error).toBe(`400 Bad value for extensible attribute "${name}"`);
    }
  });

  test('keep the type of their definition, and are deleted with it', async () => {
    const { client, grid } = fixture;
    grid.add('network', { network: '10.0.0.0/24', extattrs: { Site: { value: 'Bern' } } });
    const site = String((await client.get('extensibleattributedef', { name: 'Site' })).rows[0]?._ref);
    expect((await client.update(site, { name: 'Site', type: 'STRING', comment: 'where' })).status).toBe(200);
    expect((await client.update(site, { type: 'URL' })).error).toBe('400 Field is not allowed for update: type');
    await client.delete(site);
    expect(grid.networks()[0]?.extattrs).toEqual({});
    expect((await client.get('network', { '*Site': 'Bern' })).error).toBe('400 Unknown extensible attribute: Site');
  });

  test('with flag I are inherited from the network', async () => {
    const { client, grid } = fixture;
    grid.add('extensibleattributedef', { name: 'Zone', type: 'STRING', flags: 'I' });
    grid.add('network', { network: '10.0.0.0/24', extattrs: { Zone: { value: 'a' }, Site: { value: 'Bern' } } });
    await client.create('fixedaddress', reservation('10.0.0.1'));
    expect(grid.fixedAddresses()[0]?.extattrs).toEqual({ Zone: { value: 'a' } });
  });
});

describe('a grid with a cloud licence', () => {
  const fixture = useGrid({ cloudLicence: true });

  test('defines the cloud attributes, shows the licence and knows _proxy_search', async () => {
    const { client } = fixture;
    const licences = (await client.get('member:license', { _return_fields: 'type,expiration_status' })).rows;
    expect(licences).toContainEqual(expect.objectContaining({ type: 'CLOUD', expiration_status: 'PERMANENT' }));
    expect((await client.get('extensibleattributedef', { name: 'Tenant ID' })).rows).toHaveLength(1);
    expect((await client.get('network', { _proxy_search: 'GM' })).json).toEqual([]);
    const owned = { 'Cloud API Owned': { value: 'yes' } };
    expect((await client.create('networkview', { name: 'v', extattrs: owned })).status).toBe(400);
  });
});

describe('a cloud API user', () => {
  const fixture = useGrid({ cloudUser: true });
  const extattrs = { 'Tenant ID': { value: 't' }, 'CMP Type': { value: 'cni' }, 'Cloud API Owned': { value: 'True' } };

  test('must send three attributes on every create', async () => {
    const { client } = fixture;
    const bare = await client.create('network', { network: '10.0.0.0/24' });
    expect(bare.error).toMatch(/^400 .*Tenant ID, CMP Type, Cloud API Owned$/);
    expect((await client.create('network', { network: '10.0.0.0/24', extattrs })).status).toBe(201);
  });

  test('may not read attribute definitions or licences', async () => {
    const { client } = fixture;
    for (const type of ['extensibleattributedef', 'member:license']) expect((await client.get(type)).status).toBe(400);
  });
});

describe('a grid without the licence', () => {
  const fixture = useGrid();

  test('has no cloud licence and no attributes, and reports its identity', async () => {
    const { client } = fixture;
    const types = (await client.get('member:license')).rows.map(({ type }) => type);
    expect(types).toEqual(['VNIOS', 'DNS', 'DHCP']);
    expect((await client.get('extensibleattributedef')).json).toEqual([]);
    expect((await client.get('grid')).json).toEqual([{ _ref: expect.stringMatching(/^grid\/[\w-]+:Infoblox$/) }]);
    const user = await client.call('GET', 'userprofile', { query: { _return_fields: 'name' }, body: {} });
    expect(user.rows.map(({ name }) => name)).toEqual(['admin']);
  });
});
