/** With --release-original, DEL releases reservations that are certainly the work of the original driver. */
import { beforeEach, describe, expect, test } from 'vitest';
import { parseCidr } from '../../../../src/infoblox/address.ts';
import { type DescribedReservation, sighting } from '../../../../src/infoblox/grid.ts';
import { listOriginals, originalOf } from '../../../../src/infoblox/lease/originals.ts';
import { until } from '../../../fixture/host.ts';
import { type MadeByOriginal, OriginalDriver } from '../../../fixture/original.ts';
import { type Grid, startGrid } from '../../../simulator/grid.ts';
import { held, useGridAndHost, writes } from '../grid-and-host.ts';
import { gridOver, inTime, openSession } from '../wapi/session-fixture.ts';

/** Lists the containers that the grid was searched for by the attribute. */
const searches = (grid: Grid) => grid.requests.flatMap(({ query }) => query['*VM ID'] ?? []);

const id = '85f177f2f1981087309589281979e1190931a9f3d7840660ac8dd9eaeb5685fb';

describe('a fixed address', () => {
  const attributes = { 'Cloud API Owned': 'True', 'CMP Type': 'Kubernetes', 'Tenant ID': 'cluster-1', 'VM ID': id };
  type Changes = Partial<Omit<DescribedReservation, 'attributes'>> & { readonly attributes?: Record<string, unknown> };
  const seen = sighting({ host: '127.0.0.1', answeredAt: 0, object: '10.0.0.2' });
  const judge = ({ attributes: others = {}, ...over }: Changes = {}) => {
    const object: DescribedReservation = {
      ...{ address: '10.0.0.2', view: 'default', network: parseCidr('10.0.0.0/24'), comment: '', isReserved: false },
      ...{ mac: '66:c2:1c:94:6e:e5', matchedBy: 'MAC_ADDRESS', name: 'web-1', seen },
      ...{ attributes: new Map(Object.entries({ ...attributes, ...others })), ...over },
    };
    return originalOf(object, 'cluster-1');
  };

  test('that is exactly as the original driver makes it counts as its work', () => {
    expect(judge()).toEqual({
      ...{ address: '10.0.0.2', view: 'default', network: '10.0.0.0/24' },
      ...{ containerId: id, name: 'web-1', mac: '66:c2:1c:94:6e:e5', seen },
    });
    expect(judge({ matchedBy: 'RESERVED', mac: '00:00:00:00:00:00', name: '' })?.altered).toBeUndefined();
    expect(judge({ attributes: { 'CMP Type': 'CNI' } })?.altered).toBeUndefined();
  });

  test.each<[string, Changes]>([
    ['of another cluster', { attributes: { 'Tenant ID': 'cluster-2' } }],
    ['of another program with the same client library', { attributes: { 'CMP Type': 'Docker' } }],
    ['that the cloud API does not own', { attributes: { 'Cloud API Owned': 'False' } }],
    ['of a gateway', { attributes: { 'VM ID': 'N/A' } }],
    ['whose container is a list', { attributes: { 'VM ID': [id] } }],
    ['of this driver', { comment: 'infoblox-cni cluster=cluster-1 node=a network=n container=c interface=eth0' }],
  ])('%s does not count as its work', (_, changes) => {
    expect(judge(changes)).toBeUndefined();
  });

  test.each<[string, Changes, string]>([
    ['a comment', { comment: 'do not touch' }, 'has a comment: "do not touch"'],
    ['another attribute', { attributes: { Site: 'Paris' } }, 'has the attribute "Site"'],
    ['another identifier', { matchedBy: 'CLIENT_ID' }, 'is matched by CLIENT_ID'],
  ])('that was given %s is reported as altered', (_, changes, altered) => {
    expect(judge(changes)).toMatchObject({ altered });
  });
});

describe('a host with --release-original', () => {
  const fixture = useGridAndHost(
    { cloudLicence: true, attributes: ['Site'] },
    { flags: ['--release-original=cluster-1'] },
  );
  let original: OriginalDriver;
  beforeEach(() => {
    original = new OriginalDriver(fixture.grid);
    original.network();
  });
  const lines = () => fixture.grid.requests.map(({ method, type }) => `${method} ${type}`);
  const leftAlone = () =>
    fixture.host.log.filter(({ message }) => message.includes('left alone')).map(({ details }) => details);

  test.each<[string, MadeByOriginal]>([
    ['with a MAC address', { mac: '0a:58:0a:00:00:02', pod: 'web-1' }],
    ['without one', {}],
    ['by a build before release 1.0', { cmpType: 'CNI' }],
  ])('releases on DEL only the reservation of the original driver %s', async (_, of) => {
    const { grid, host } = fixture;
    const address = original.add(id, of);
    const other = original.add('another', { mac: '0a:58:0a:00:00:03' });
    expect(held(grid)).toEqual(['10.0.0.1', address, other]);
    await host.del(id);
    expect(held(grid)).toEqual(['10.0.0.1', other]);
    expect(host.log).toContainEqual({
      level: 'info',
      message: 'released',
      details: expect.objectContaining({ addresses: [address], view: 'default' }),
    });
  });

  test('sends one more search for an unknown container, and five requests for one of the original driver', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    grid.clearLog();
    await host.del('c1');
    expect(lines()).toEqual(['GET fixedaddress', 'DELETE fixedaddress']);
    grid.clearLog();
    await host.del('c1');
    expect(lines()).toEqual(['GET fixedaddress', 'GET fixedaddress']);
    original.add(id);
    grid.clearLog();
    await host.del(id);
    expect(lines()).toEqual([
      'GET fixedaddress',
      'GET fixedaddress',
      'GET network',
      'GET fixedaddress',
      'DELETE fixedaddress',
    ]);
    grid.clearLog();
    await host.del(id);
    expect(lines()).toEqual(['GET fixedaddress', 'GET fixedaddress']);
  });

  test('releases only the address in the network of the DEL, however often that is repeated', async () => {
    const { grid, host } = fixture;
    original.network({ network: '10.0.1.0/24', name: 'net-2' });
    const [one, two] = [original.add(id), original.add(id, { network: '10.0.1.0/24' })];
    await host.del(id);
    await host.del(id);
    expect(held(grid)).not.toContain(one);
    expect(held(grid)).toContain(two);
    await host.del(id, { config: { name: 'net-2' }, ipam: { subnet: '10.0.1.0/24', gateway: '10.0.1.1' } });
    expect(held(grid)).toEqual(['10.0.0.1', '10.0.1.1']);
  });

  test('finds the network by name if the configuration has no subnet, and the view that it names', async () => {
    const { grid, host } = fixture;
    original.network({ view: 'pods', name: 'allocated', network: '172.18.0.0/24' });
    original.add(id, { view: 'pods', network: '172.18.0.0/24' });
    await host.del(id, {
      config: { name: 'allocated' },
      ipam: { subnet: undefined, gateway: undefined, 'network-view': 'pods' },
    });
    expect(held(grid, 'pods')).toEqual(['172.18.0.1']);
  });

  test.each<[string, MadeByOriginal, string]>([
    ['has a comment', { fields: { comment: 'ticket 4711' } }, 'has a comment: "ticket 4711"'],
    ['has another attribute', { extattrs: { Site: 'Paris' } }, 'has the attribute "Site"'],
  ])('spares a reservation that was changed: it %s', async (_, of, reason) => {
    const { grid, host } = fixture;
    const address = original.add(id, of);
    await host.del(id);
    expect(held(grid)).toContain(address);
    expect(leftAlone()).toEqual([expect.objectContaining({ addresses: [address], reason })]);
  });

  test.each<[string, MadeByOriginal]>([
    ['another cluster', { tenant: 'cluster-2' }],
    ['another program', { cmpType: 'Docker' }],
    ['an unknown owner', { extattrs: { 'Cloud API Owned': undefined } }],
  ])('spares a reservation of %s', async (_, of) => {
    const { grid, host } = fixture;
    const address = original.add(id, of);
    await host.del(id);
    expect(held(grid)).toContain(address);
    expect(writes(grid)).toEqual([]);
  });

  test('spares several reservations of one container, as their interfaces are unknown', async () => {
    const { grid, host } = fixture;
    const addresses = [original.add(id, { mac: '0a:00:00:00:00:01' }), original.add(id, { mac: '0a:00:00:00:00:02' })];
    await host.del(id);
    expect(held(grid)).toEqual(['10.0.0.1', ...addresses]);
    expect(leftAlone()).toEqual([expect.objectContaining({ addresses, reason: 'it is one of several' })]);
  });

  test('spares the address of a container of its own, even if the grid has lost that reservation', async () => {
    const { grid, host } = fixture;
    const address = await host.add('c1');
    const [reservation] = grid.fixedAddresses().filter(({ ipv4addr }) => ipv4addr === address);
    grid.remove(String(reservation?._ref));
    expect(original.add(id)).toBe(address);
    await host.del(id);
    expect(held(grid)).toContain(address);
    expect(leftAlone()).toEqual([expect.objectContaining({ reason: expect.stringContaining('in use by ') })]);
  });

  test('gives an address of its own beside those of the original driver, and releases its own first', async () => {
    const { grid, host } = fixture;
    const old = original.add(id);
    const own = await host.add(id);
    expect(own).not.toBe(old);
    await host.del(id);
    expect(held(grid)).toEqual(['10.0.0.1', old]);
    await host.del(id);
    expect(held(grid)).toEqual(['10.0.0.1']);
  });

  test('searches again when the grid is back', async () => {
    const { grid, host } = fixture;
    original.add(id);
    await grid.pause();
    await host.call('DEL', id);
    await host.stop();
    await grid.resume();
    await host.start();
    await until('it is released', () => held(grid).length === 1);
  });
});

describe('a delete whose answer is lost', () => {
  const window = { recheck: 200, end: 600 };
  const fixture = useGridAndHost(
    { cloudLicence: true },
    { flags: ['--release-original=cluster-1'], doubtWindow: window },
  );

  test('is not repeated while it may still be carried out, as the address may have a new owner by then', async () => {
    const { grid, host } = fixture;
    const original = new OriginalDriver(grid);
    original.network();
    original.add(id);
    grid.inject({ method: 'DELETE', type: 'fixedaddress', effect: { kind: 'reset', commit: true } });
    await host.call('DEL', id);
    await until('the delete was sent', () => writes(grid).length === 1);
    original.add('successor');
    await until('it is over', () => host.log.some(({ message }) => /^nothing to release/.test(message)));
    expect(writes(grid)).toHaveLength(1);
    expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.2']);
  });
});

test('the remaining reservations are listed by pages: containers with their pods and changed ones, but no gateways', async () => {
  const grid = await startGrid({ cloudLicence: true, attributes: ['Site'] });
  const session = openSession({ port: grid.port });
  try {
    const original = new OriginalDriver(grid);
    for (const view of ['pods', 'other']) original.network({ view, network: '10.0.0.0/20' });
    for (let n = 0; n < 1_100; n += 1) original.add(`c${n}`, { view: 'pods', network: '10.0.0.0/20', pod: `web-${n}` });
    original.add('elsewhere', { view: 'other', network: '10.0.0.0/20' });
    original.add('changed', { view: 'other', network: '10.0.0.0/20', extattrs: { Site: 'Paris' } });
    original.add('foreign', { view: 'other', network: '10.0.0.0/20', tenant: 'cluster-2' });
    grid.clearLog();
    const port = gridOver(session);
    const listed = await Array.fromAsync(listOriginals(port, { tenant: 'cluster-1' }, inTime()));
    expect(listed).toHaveLength(1_102);
    expect(grid.requests).toHaveLength(2);
    const pods = listed.filter(({ view }) => view === 'pods');
    expect(pods[1_099]).toMatchObject({ containerId: 'c1099', name: 'web-1099', view: 'pods', network: '10.0.0.0/20' });
    const others = listed.filter(({ view }) => view === 'other');
    expect(others.map(({ containerId, altered }) => [containerId, altered])).toEqual([
      ['elsewhere', undefined],
      ['changed', 'has the attribute "Site"'],
    ]);
  } finally {
    await session.close(inTime());
    await grid.stop();
  }
});

describe('a host without --release-original', () => {
  const fixture = useGridAndHost({ cloudLicence: true });

  test('spares the reservations of the original driver', async () => {
    const { grid, host } = fixture;
    const original = new OriginalDriver(grid);
    original.network();
    const address = original.add(id);
    grid.clearLog();
    await host.del(id);
    expect(held(grid)).toContain(address);
    expect(searches(grid)).toEqual([]);
    expect(writes(grid)).toEqual([]);
  });
});

describe('a grid without the attributes of the original driver', () => {
  const fixture = useGridAndHost({}, { flags: ['--release-original=cluster-1'] });

  test('is not searched for its reservations', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    await host.del('c1');
    await host.del('unknown-1');
    await host.del('unknown-2');
    expect(searches(grid)).toEqual([]);
    expect(host.log.filter(({ level }) => level === 'warn')).toEqual([]);
  });
});
