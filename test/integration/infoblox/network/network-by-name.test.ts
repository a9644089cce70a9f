import { describe, expect, test } from 'vitest';
import { parseCidr } from '../../../../src/infoblox/address.ts';
import { hostClock } from '../../../../src/infoblox/concurrency/clock.ts';
import { type Network, sighting } from '../../../../src/infoblox/grid.ts';
import { gatewayMark, networkMark, pendingNetworkMark, yieldedNetworkMark } from '../../../../src/infoblox/mark.ts';
import { nextStep } from '../../../../src/infoblox/network/network-by-name.ts';
import { askDaemon } from '../../../../src/modes/operator/daemon-connection.ts';
import { until } from '../../../fixture/host.ts';
import { errorOf, fromContainer, held, useGridAndHost, writes } from '../grid-and-host.ts';

const real = hostClock();
/** Milliseconds that the host's clock has been moved ahead. */
let skipped = 0;
const fixture = useGridAndHost(
  { attributes: ['Network Name'] },
  { clock: { ...real, now: () => real.now() + skipped } },
);

/** Waits until a host has looked at a pending network, then skips the time until that counts as abandoned. */
async function afterLongWait<T>(work: Promise<T>): Promise<T> {
  const looks = () => fixture.grid.requests.filter(({ query }) => query['comment~'] !== undefined).length;
  const before = looks();
  await until('it waits', () => looks() >= before + 6);
  skipped += 8_001;
  return work;
}

/** A container beside that of the flags, for networks made by others. */
const ofTen = { 'network-container': '10.0.0.0/8' };

const networks = () => fixture.grid.networks().map(({ network }) => network);

describe('a network by name', () => {
  test('is taken from the container of the flags, which is created with its view', async () => {
    const { grid, host } = fixture;
    expect(await host.add('c1', fromContainer({ 'network-view': 'priv-view' }))).toBe('172.18.0.1');
    expect(grid.objects('networkcontainer')).toMatchObject([{ network: '172.18.0.0/16', network_view: 'priv-view' }]);
    expect(grid.networks()).toMatchObject([
      { network: '172.18.0.0/24', network_view: 'priv-view', comment: 'infoblox-cni network=pods' },
    ]);
  });

  test('has its gateway by host part', async () => {
    const { grid, host } = fixture;
    expect(await host.add('c1', fromContainer({ gateway: '0.0.0.1', 'prefix-length': 28 }))).toBe('172.18.0.2');
    expect(grid.networks()[0]?.network).toBe('172.18.0.0/28');
  });

  test('is not created for a gateway outside the containers', async () => {
    const { grid, host } = fixture;
    expect(await errorOf(host.add('c1', fromContainer({ gateway: '10.0.0.1' })))).toMatchObject({
      code: 7,
      msg: 'gateway 10.0.0.1 is in none of the network containers 172.18.0.0/16',
    });
    expect(grid.networks()).toEqual([]);
  });

  test('that exists is used if the gateway lies in it, and refused if not', async () => {
    const { grid, host } = fixture;
    grid.add('network', { network: '10.77.0.0/26', comment: networkMark('pods') });
    expect(await host.add('c1', fromContainer({ ...ofTen, gateway: '10.77.0.1' }))).toBe('10.77.0.2');
    expect(await errorOf(host.add('c2', fromContainer({ ...ofTen, gateway: '10.0.0.1' })))).toMatchObject({
      code: 7,
      msg: 'gateway 10.0.0.1 is outside the network 10.77.0.0/26',
    });
  });

  test('is found by its name anywhere in the containers, whatever its size', async () => {
    const { grid, host } = fixture;
    grid.add('network', { network: '10.77.0.0/26', comment: networkMark('pods') });
    expect(await host.add('c1', fromContainer(ofTen))).toBe('10.77.0.1');
    expect(writes(grid)).toEqual(['POST fixedaddress 201']);
  });

  test.each([
    ['complete', networkMark('pods')],
    ['being set up', pendingNetworkMark('pods')],
  ])('outside the containers is refused, as anybody can give a network the name (%s)', async (_, comment) => {
    const { grid, host } = fixture;
    grid.add('network', { network: '10.77.0.0/26', comment });
    expect(await errorOf(host.add('c1', fromContainer()))).toMatchObject({
      code: 102,
      msg: 'network pods is 10.77.0.0/26 in view default, outside the network containers 172.18.0.0/16',
      details: expect.stringContaining('network-container'),
    });
    expect(grid.networks()).toMatchObject([{ network: '10.77.0.0/26', comment }]);
    expect(held(grid)).toEqual([]);
  });

  test('that is larger than its container is refused', async () => {
    const { grid, host } = fixture;
    grid.add('network', { network: '172.16.0.0/12', comment: networkMark('pods') });
    expect(await errorOf(host.add('c1', fromContainer()))).toMatchObject({ code: 102 });
  });

  test('is found by the attribute that administrators and the original driver write', async () => {
    const { grid, host } = fixture;
    grid.add('network', { network: '10.77.0.0/26', extattrs: { 'Network Name': { value: 'pods' } } });
    expect(await host.add('c1', fromContainer(ofTen))).toBe('10.77.0.1');
    expect(writes(grid)).toEqual(['POST fixedaddress 201']);
  });

  test('is found by an extended comment if the grid has no attribute', async () => {
    const { grid, host } = fixture;
    grid.remove(grid.objects('extensibleattributedef')[0]?._ref ?? '');
    await host.add('c0', fromContainer({}, 'pods-2'));
    await host.add('c1', fromContainer());
    const made = grid.networks().find(({ comment }) => comment === networkMark('pods'));
    grid.update(made?._ref ?? '', { comment: `${networkMark('pods')} - Paris` });
    await host.stop();
    await host.start();
    expect(await host.add('c2', fromContainer())).toBe('172.18.1.2');
    expect(grid.networks()).toMatchObject([
      { network: '172.18.0.0/24', comment: 'infoblox-cni network=pods-2' },
      { network: '172.18.1.0/24', comment: 'infoblox-cni network=pods - Paris' },
    ]);
    const ipam = { subnet: '10.1.0.0/24', gateway: undefined };
    expect(await errorOf(host.add('c3', { config: { name: 'pods' }, ipam }))).toMatchObject({
      code: 102,
      msg: 'network pods is 172.18.1.0/24 in view default, not 10.1.0.0/24',
    });
  });

  test('is found by a user who may not read views and containers', async () => {
    const { grid, host } = fixture;
    grid.add('network', { network: '10.77.0.0/26', comment: networkMark('pods') });
    await until('the first contact', () => grid.requests.filter(({ status }) => status > 0).length >= 3);
    const refused = { kind: 'status', status: 403, body: '<html>Forbidden</html>' } as const;
    for (const type of ['networkview', 'networkcontainer']) grid.inject({ type, effect: refused, times: 99 });
    expect(await host.add('c1', fromContainer(ofTen))).toBe('10.77.0.1');
  });

  test('comes from the first container that has room', async () => {
    const { grid, host } = fixture;
    const containers = { 'network-container': '10.8.0.0/24, 10.9.0.0/16', 'prefix-length': 25 };
    for (const name of ['a', 'b', 'c']) await host.add(name, fromContainer(containers, name));
    expect(networks()).toEqual(['10.8.0.0/25', '10.8.0.128/25', '10.9.0.0/25']);
    expect(grid.objects('networkcontainer').map(({ network }) => network)).toEqual(['10.8.0.0/24', '10.9.0.0/16']);
  });

  test('fails when all containers are full, and the error names them', async () => {
    const { host } = fixture;
    const containers = { 'network-container': '10.8.0.0/24,10.9.0.0/24', 'prefix-length': 25 };
    for (const name of ['a', 'b', 'c', 'd']) await host.add(name, fromContainer(containers, name));
    expect(await errorOf(host.add('e', fromContainer(containers, 'e')))).toMatchObject({
      code: 101,
      msg: 'no free /25 network for e in 10.8.0.0/24, 10.9.0.0/24 (view default)',
      details: expect.stringContaining('prefix-length'),
    });
    expect(networks()).toHaveLength(4);
  });

  test('avoids the networks of administrators in the container', async () => {
    const { grid, host } = fixture;
    grid.add('networkcontainer', { network: '172.18.0.0/16', comment: 'for pods' });
    grid.add('network', { network: '172.18.0.0/25' });
    expect(await host.add('c1', fromContainer())).toBe('172.18.1.1');
    expect(grid.objects('networkcontainer')[0]?.comment).toBe('for pods');
  });

  test('is not created inside a network in use', async () => {
    const { grid, host } = fixture;
    grid.add('network', { network: '172.18.0.0/16' });
    grid.add('fixedaddress', { ipv4addr: '172.18.0.5', mac: 'aa:bb:cc:00:00:01' });
    expect(await errorOf(host.add('c1', fromContainer()))).toMatchObject({
      code: 102,
      msg: '172.18.0.0/16 in view default is not a network container',
    });
    expect(held(grid)).toEqual(['172.18.0.5']);
  });

  test('is created again after its removal, and the addresses of live containers are re-created', async () => {
    const { grid, host } = fixture;
    await host.add('c1', fromContainer());
    grid.remove(grid.networks()[0]?._ref ?? '');
    expect(await host.add('c2', fromContainer())).toBe('172.18.0.2');
    expect(networks()).toEqual(['172.18.0.0/24']);
    expect(held(grid)).toEqual(['172.18.0.1', '172.18.0.2']);
  });
});

describe('two complete networks of one name', () => {
  const lower = { network: '10.9.0.0/24', comment: networkMark('pods') };
  const higher = { network: '10.100.0.0/24', extattrs: { 'Network Name': { value: 'pods' } } };
  const conditions = async () =>
    (await askDaemon({ socket: fixture.host.socket, method: 'operator/status', params: {} })).conditions;

  test('are a condition that names both and the fix, until one of them loses the name', async () => {
    const { grid, host } = fixture;
    const extra = grid.add('network', higher);
    grid.add('network', lower);
    // A host without leases in either takes the lower one, like all others.
    expect(await host.add('c1', fromContainer(ofTen))).toBe('10.9.0.1');
    expect(await conditions()).toMatchObject([
      {
        kind: 'network-duplicate',
        subject: 'pods (view default)',
        message: 'network pods is 10.9.0.0/24 and 10.100.0.0/24 in view default; this host uses 10.9.0.0/24',
        hint: expect.stringContaining('leave the name to one of them'),
      },
    ]);
    await host.call('STATUS', '', fromContainer(ofTen));
    grid.update(extra, { extattrs: {} });
    await host.stop();
    await host.start();
    await host.add('c2', fromContainer(ofTen));
    expect(await conditions()).toEqual([]);
  });

  test('leave each host with the one in which it has leases', async () => {
    const { grid, host } = fixture;
    grid.add('network', higher);
    await host.add('c1', fromContainer(ofTen));
    grid.add('network', lower);
    await host.stop();
    await host.start();
    expect(await host.add('c2', fromContainer(ofTen))).toBe('10.100.0.2');
    expect(await conditions()).toMatchObject([{ message: expect.stringMatching(/this host uses 10\.100\.0\.0\/24$/) }]);
  });

  test('are no conflict if one lies outside the containers: the other one is used, wherever the leases are', async () => {
    const { grid, host } = fixture;
    grid.add('network', lower);
    await host.add('c1', fromContainer(ofTen));
    grid.add('network', higher);
    expect(await host.add('c2', fromContainer({ 'network-container': '10.100.0.0/16' }))).toBe('10.100.0.1');
  });
});

test('networks of two sizes that are created at once in one container do not overlap', async () => {
  const { grid, host } = fixture;
  await host.add('c0', fromContainer({}, 'first'));
  const small = (body: unknown) => typeof body === 'object' && JSON.stringify(body).includes('network=small');
  const create = grid.hold({ method: 'POST', type: 'network', when: ({ body }) => small(body) });
  const late = host.add('c1', fromContainer({ 'prefix-length': 26 }, 'small'));
  await create.arrived;
  const address = await host.add('c2', fromContainer({}, 'large'));
  create.release();
  await late;
  expect(held(grid)).toContain(address);
  expect(networks().sort()).toEqual(['172.18.0.0/24', '172.18.1.0/24', '172.18.2.0/26']);
});

describe('the next step after a look at the networks of a name', () => {
  const network = (text: string): Network => {
    const seen = sighting({ host: '127.0.0.1', answeredAt: 0, object: text });
    const cidr = parseCidr(text) ?? expect.fail(`${text} is no network`);
    return { cidr, view: 'default', comment: '', names: [], seen };
  };
  const [a, b, c] = ['10.0.0.0/24', '10.0.1.0/24', '10.0.2.0/24'].map(network) as [Network, Network, Network];

  test.each([
    ['no network exists', [], [], [], false, { kind: 'create' }],
    ['no network exists for a long time', [], [], [], true, { kind: 'create' }],
    ['one is complete', [a], [], [], false, { kind: 'use', network: a }],
    ['one is complete, and mine is pending', [a], [b], [b], false, { kind: 'yield', networks: [b] }],
    ['one is complete, and another’s is pending', [a], [b], [], true, { kind: 'use', network: a }],
    ['only mine is pending', [], [a], [a], false, { kind: 'confirm', network: a }],
    ['mine is the lowest of several', [], [a, b], [a], false, { kind: 'wait' }],
    ['mine is not the lowest', [], [a, b], [b], false, { kind: 'yield', networks: [b] }],
    ['two of mine are the lowest', [], [a, b, c], [a, b], false, { kind: 'yield', networks: [b] }],
    ['another’s is pending', [], [a], [], false, { kind: 'wait' }],
    ['another’s has been pending for a long time', [], [a], [], true, { kind: 'confirm', network: a }],
    ['several have been pending for a long time', [], [a, b, c], [], true, { kind: 'yield', networks: [b, c] }],
    ['several have been, and mine is the lowest', [], [a, b], [a], true, { kind: 'yield', networks: [b] }],
  ] as const)('%s', (_, complete, pending, mine, abandoned, step) => {
    const known = { mine: new Set(mine.map(({ cidr }) => cidr.text)), abandoned };
    expect(nextStep({ complete, pending }, known)).toEqual(step);
  });
});

describe('a pending network', () => {
  test('is waited for, and used when it is complete', async () => {
    const { grid, host } = fixture;
    grid.add('networkcontainer', { network: '172.18.0.0/16' });
    const pending = grid.add('network', { network: '172.18.0.0/24', comment: pendingNetworkMark('pods') });
    const added = host.add('c1', fromContainer());
    setTimeout(() => grid.update(pending, { comment: networkMark('pods') }), 200);
    expect(await added).toBe('172.18.0.1');
    expect(networks()).toEqual(['172.18.0.0/24']);
  });

  test('is taken over when its creator has died: of several the lowest, and the others are removed unless in use', async () => {
    const { grid, host } = fixture;
    grid.add('networkcontainer', { network: '172.18.0.0/16' });
    for (const n of [1, 2, 0])
      grid.add('network', { network: `172.18.${n}.0/24`, comment: pendingNetworkMark('pods') });
    grid.add('fixedaddress', { ipv4addr: '172.18.2.9', mac: '02:00:00:00:00:01' });
    // Meanwhile another one is pending, whose creator is alive but has lost the answer.
    grid.inject({ method: 'POST', type: 'network', effect: { kind: 'reset', commit: true } });
    const lost = { 'network-container': '10.8.0.0/16' };
    const added = Promise.all([host.add('c1', fromContainer()), host.add('c2', fromContainer(lost, 'lost'))]);
    expect(await afterLongWait(added)).toEqual(['172.18.0.1', '10.8.0.1']);
    expect(grid.networks()).toMatchObject([
      { network: '172.18.2.0/24', comment: pendingNetworkMark('pods') },
      { network: '172.18.0.0/24', comment: 'infoblox-cni network=pods' },
      { network: '10.8.0.0/24', comment: 'infoblox-cni network=lost' },
    ]);
  });

  test('is taken over or removed together with its gateway', async () => {
    const { grid, host } = fixture;
    grid.add('networkcontainer', { network: '172.18.0.0/16' });
    const reserved = { match_client: 'RESERVED', mac: '00:00:00:00:00:00', comment: gatewayMark('pods') };
    for (const n of [1, 0]) {
      grid.add('network', { network: `172.18.${n}.0/24`, comment: pendingNetworkMark('pods') });
      grid.add('fixedaddress', { ipv4addr: `172.18.${n}.1`, ...reserved });
    }
    expect(await afterLongWait(host.add('c1', fromContainer({ gateway: '0.0.0.1' })))).toBe('172.18.0.2');
    expect(networks()).toEqual(['172.18.0.0/24']);
    expect(held(grid)).toEqual(['172.18.0.1', '172.18.0.2']);
  });

  test('that was removed as abandoned gets its gateway in the next place, too', async () => {
    const { grid, host } = fixture;
    const completion = grid.hold({ method: 'PUT', type: 'network' });
    const added = host.add('c1', fromContainer({ gateway: '0.0.0.1' }));
    await completion.arrived;
    expect(held(grid)).toHaveLength(1);
    grid.remove(grid.networks()[0]?._ref ?? '');
    completion.release();
    expect(await added).toBe('172.18.0.2');
    expect(held(grid)).toEqual(['172.18.0.1', '172.18.0.2']);
  });

  test('is not removed by a host that yields, if it is complete by then', async () => {
    const { grid, host } = fixture;
    grid.add('networkcontainer', { network: '172.18.0.0/16' });
    const create = grid.hold({ method: 'POST', type: 'network' });
    const lookBeforeDelete = grid.hold({ when: ({ query }) => query.network === '172.18.1.0/24' });
    const added = host.add('c1', fromContainer());
    await create.arrived;
    grid.add('network', { network: '172.18.0.0/24', comment: pendingNetworkMark('pods') });
    create.release();
    // It yields to the lower one.
    await lookBeforeDelete.arrived;
    const mine = grid.networks().find(({ network }) => network === '172.18.1.0/24');
    grid.update(mine?._ref ?? '', { comment: networkMark('pods') });
    lookBeforeDelete.release();
    expect(await added).toBe('172.18.1.1');
  });

  test('is never removed once its comment was changed', async () => {
    const { grid, host } = fixture;
    grid.add('networkcontainer', { network: '172.18.0.0/16' });
    const comment = `${pendingNetworkMark('pods')} - whose is this?`;
    grid.add('network', { network: '172.18.1.0/24', comment });
    grid.add('network', { network: '172.18.0.0/24', comment: pendingNetworkMark('pods') });
    expect(await host.add('c1', fromContainer())).toBe('172.18.1.1');
    expect(networks()).toEqual(['172.18.1.0/24', '172.18.0.0/24']);
  });

  test('is created elsewhere if another host was faster', async () => {
    const { grid, host } = fixture;
    const body = { Error: 'x', code: 'Client.Ibap.Data.Conflict', text: 'The network already exists.' };
    const effect = {
      kind: 'status',
      status: 400,
      contentType: 'application/json',
      body: JSON.stringify(body),
    } as const;
    grid.inject({ method: 'POST', type: 'network', effect });
    expect(await host.add('c1', fromContainer())).toBe('172.18.0.1');
  });

  test('is created again if it was removed as abandoned', async () => {
    const { grid, host } = fixture;
    const completion = grid.hold({ method: 'PUT', type: 'network' });
    const added = host.add('c1', fromContainer());
    await completion.arrived;
    grid.remove(grid.networks()[0]?._ref ?? '');
    completion.release();
    expect(await added).toBe('172.18.0.1');
    expect(grid.networks()).toMatchObject([{ network: '172.18.0.0/24', comment: 'infoblox-cni network=pods' }]);
  });

  test('is kept, and confirmed after another look, if its confirmation was lost or refused', async () => {
    const { grid, host } = fixture;
    const isConfirmation = { method: 'PUT', type: 'network' } as const;
    grid.inject({ ...isConfirmation, effect: { kind: 'reset', commit: false } });
    grid.inject({ ...isConfirmation, effect: { kind: 'status', status: 503, body: 'busy' } });
    grid.inject({ ...isConfirmation, effect: { kind: 'reset', commit: true } });
    expect(await host.add('c1', fromContainer())).toBe('172.18.0.1');
    expect(grid.networks()).toMatchObject([{ network: '172.18.0.0/24', comment: 'infoblox-cni network=pods' }]);
    expect(writes(grid).filter((line) => line.startsWith('POST network '))).toHaveLength(1);
    expect(grid.requests.filter(({ method }) => method === 'PUT')).toHaveLength(3);
  });

  test('is not confirmed if another network has its place by then', async () => {
    const { grid, host } = fixture;
    const when = () => {
      grid.remove(grid.networks()[0]?._ref ?? '');
      grid.add('network', { network: '172.18.0.0/24', comment: 'for printers' });
      return true;
    };
    grid.inject({ method: 'PUT', type: 'network', when, effect: { kind: 'status', status: 503 } });
    expect(await host.add('c1', fromContainer())).toBe('172.18.1.1');
    expect(grid.networks()).toMatchObject([
      { network: '172.18.0.0/24', comment: 'for printers' },
      { network: '172.18.1.0/24', comment: 'infoblox-cni network=pods' },
    ]);
  });

  test('that was given up is looked at before its delete, and another network in its place is spared', async () => {
    const { grid, host } = fixture;
    grid.add('networkcontainer', { network: '172.18.0.0/16' });
    for (const n of [0, 1]) grid.add('network', { network: `172.18.${n}.0/24`, comment: pendingNetworkMark('pods') });
    const second = () => grid.networks().find(({ network }) => network === '172.18.1.0/24');
    const replaced = until('it is given up', () => second()?.comment === yieldedNetworkMark('pods')).then(() => {
      grid.remove(second()?._ref ?? '');
      grid.add('network', { network: '172.18.1.0/24', comment: 'for printers' });
    });
    const when = ({ path }: { readonly path: string }) => decodeURIComponent(path).includes('172.18.1.0');
    grid.inject({ method: 'PUT', type: 'network', when, effect: { kind: 'answer-late', after: replaced } });
    expect(await afterLongWait(host.add('c1', fromContainer()))).toBe('172.18.0.1');
    expect(second()).toMatchObject({ comment: 'for printers' });
  });

  test('that stays pending until the time of the ADD is over fails it with that reason', async () => {
    const { grid } = fixture;
    const hasty = await fixture.another({ node: 'host-b', flags: ['--add-timeout=1s'] }).start();
    grid.add('network', { network: '172.18.0.0/24', comment: pendingNetworkMark('pods') });
    expect(await errorOf(hasty.add('c1', fromContainer()))).toMatchObject({ code: 11 });
    expect(networks()).toEqual(['172.18.0.0/24']);
  });
});
