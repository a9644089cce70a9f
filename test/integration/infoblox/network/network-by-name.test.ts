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
/** Milliseconds by which the host's time is ahead. */
let skipped = 0;
const fixture = useGridAndHost(
  { attributes: ['Network Name'] },
  { clock: { ...real, now: () => real.now() + skipped } },
);

/** Lets the time go by after which what is pending counts as abandoned, once a host has looked and waits. */
async function afterLongWait<T>(work: Promise<T>): Promise<T> {
  const looks = () => fixture.grid.requests.filter(({ query }) => query['comment~'] !== undefined).length;
  const before = looks();
  await until('it waits', () => looks() >= before + 6);
  skipped += 8_001;
  return work;
}

/** A container beside that of the flags, for networks that somebody else has made. */
const ofTen = { 'network-container': '10.0.0.0/8' };

const networks = () => fixture.grid.networks().map(({ network }) => network);

describe('a network by name', () => {
  test('is taken from the container of the flags, which is made, view and all', async () => {
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

  test('is not made for a gateway that lies in none of the containers', async () => {
    const { grid, host } = fixture;
    expect(await errorOf(host.add('c1', fromContainer({ gateway: '10.0.0.1' })))).toMatchObject({
      code: 7,
      msg: 'gateway 10.0.0.1 is in none of the network containers 172.18.0.0/16',
    });
    expect(grid.networks()).toEqual([]);
  });

  test('that is found is used if the gateway lies in it, and refused if not', async () => {
    const { grid, host } = fixture;
    grid.add('network', { network: '10.77.0.0/26', comment: networkMark('pods') });
    expect(await host.add('c1', fromContainer({ ...ofTen, gateway: '10.77.0.1' }))).toBe('10.77.0.2');
    expect(await errorOf(host.add('c2', fromContainer({ ...ofTen, gateway: '10.0.0.1' })))).toMatchObject({
      code: 7,
      msg: 'gateway 10.0.0.1 is outside the network 10.77.0.0/26',
    });
  });

  test('is found by its name, wherever in the containers it lies and however large it is', async () => {
    const { grid, host } = fixture;
    grid.add('network', { network: '10.77.0.0/26', comment: networkMark('pods') });
    expect(await host.add('c1', fromContainer(ofTen))).toBe('10.77.0.1');
    expect(writes(grid)).toEqual(['POST fixedaddress 201']);
  });

  test.each([
    ['complete', networkMark('pods')],
    ['being set up', pendingNetworkMark('pods')],
  ])('that lies in none of the containers is refused: anybody can give a network the name (%s)', async (_, comment) => {
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

  test('is found by its attribute, as administrators and the original driver write it', async () => {
    const { grid, host } = fixture;
    grid.add('network', { network: '10.77.0.0/26', extattrs: { 'Network Name': { value: 'pods' } } });
    expect(await host.add('c1', fromContainer(ofTen))).toBe('10.77.0.1');
    expect(writes(grid)).toEqual(['POST fixedaddress 201']);
  });

  test('is found though somebody has added to its comment, and the grid has no attribute', async () => {
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

  test('cannot be had when all containers are full, which are named', async () => {
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

  test('steps around what administrators have in the container', async () => {
    const { grid, host } = fixture;
    grid.add('networkcontainer', { network: '172.18.0.0/16', comment: 'for pods' });
    grid.add('network', { network: '172.18.0.0/25' });
    expect(await host.add('c1', fromContainer())).toBe('172.18.1.1');
    expect(grid.objects('networkcontainer')[0]?.comment).toBe('for pods');
  });

  test('is not carved out of a network that somebody uses', async () => {
    const { grid, host } = fixture;
    grid.add('network', { network: '172.18.0.0/16' });
    grid.add('fixedaddress', { ipv4addr: '172.18.0.5', mac: 'aa:bb:cc:00:00:01' });
    expect(await errorOf(host.add('c1', fromContainer()))).toMatchObject({
      code: 102,
      msg: '172.18.0.0/16 in view default is not a network container',
    });
    expect(held(grid)).toEqual(['172.18.0.5']);
  });

  test('is made again when it was removed from the grid, and what containers live on in it reserved again', async () => {
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

  test('are a condition that names both and the fix, until one of them has lost the name', async () => {
    const { grid, host } = fixture;
    const extra = grid.add('network', higher);
    grid.add('network', lower);
    // A host without leases in either takes the lower one, as all others do.
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

  test('part no host from the one in which it has leases', async () => {
    const { grid, host } = fixture;
    grid.add('network', higher);
    await host.add('c1', fromContainer(ofTen));
    grid.add('network', lower);
    await host.stop();
    await host.start();
    expect(await host.add('c2', fromContainer(ofTen))).toBe('10.100.0.2');
    expect(await conditions()).toMatchObject([{ message: expect.stringMatching(/this host uses 10\.100\.0\.0\/24$/) }]);
  });

  test('of which one lies outside the containers: the other one is used, wherever the leases are', async () => {
    const { grid, host } = fixture;
    grid.add('network', lower);
    await host.add('c1', fromContainer(ofTen));
    grid.add('network', higher);
    expect(await host.add('c2', fromContainer({ 'network-container': '10.100.0.0/16' }))).toBe('10.100.0.1');
  });
});

test('networks of two sizes that are made at once in one container do not take each other’s place', async () => {
  const { grid, host } = fixture;
  await host.add('c0', fromContainer({}, 'first'));
  const small = (body: unknown) => typeof body === 'object' && JSON.stringify(body).includes('network=small');
  grid.inject({ method: 'POST', type: 'network', when: ({ body }) => small(body), effect: { kind: 'delay', ms: 300 } });
  const late = host.add('c1', fromContainer({ 'prefix-length': 26 }, 'small'));
  await until('the small network is on its way', () => grid.requests.some(({ body }) => small(body)));
  const address = await host.add('c2', fromContainer({}, 'large'));
  await late;
  expect(held(grid)).toContain(address);
  expect(networks().sort()).toEqual(['172.18.0.0/24', '172.18.1.0/24', '172.18.2.0/26']);
});

describe('what a look at the networks of a name calls for', () => {
  const network = (text: string): Network => {
    const seen = sighting({ host: '127.0.0.1', answeredAt: 0, object: text });
    const cidr = parseCidr(text) ?? expect.fail(`${text} is no network`);
    return { cidr, view: 'default', comment: '', names: [], seen };
  };
  const [a, b, c] = ['10.0.0.0/24', '10.0.1.0/24', '10.0.2.0/24'].map(network) as [Network, Network, Network];

  test.each([
    ['nothing is there', [], [], [], false, { kind: 'create' }],
    ['nothing, for a long time', [], [], [], true, { kind: 'create' }],
    ['one is complete', [a], [], [], false, { kind: 'use', network: a }],
    ['one is complete, and mine is pending', [a], [b], [b], false, { kind: 'yield', networks: [b] }],
    ['one is complete, and another’s is pending', [a], [b], [], true, { kind: 'use', network: a }],
    ['mine alone is pending', [], [a], [a], false, { kind: 'confirm', network: a }],
    ['mine is the lowest of several', [], [a, b], [a], false, { kind: 'wait' }],
    ['mine is not the lowest', [], [a, b], [b], false, { kind: 'yield', networks: [b] }],
    ['two of mine are the lowest', [], [a, b, c], [a, b], false, { kind: 'yield', networks: [b] }],
    ['another’s is pending', [], [a], [], false, { kind: 'wait' }],
    ['another’s has been pending for long', [], [a], [], true, { kind: 'confirm', network: a }],
    ['several have been for long', [], [a, b, c], [], true, { kind: 'yield', networks: [b, c] }],
    ['mine the lowest of them', [], [a, b], [a], true, { kind: 'yield', networks: [b] }],
  ] as const)('%s', (_, complete, pending, mine, abandoned, step) => {
    const known = { mine: new Set(mine.map(({ cidr }) => cidr.text)), abandoned };
    expect(nextStep({ complete, pending }, known)).toEqual(step);
  });
});

describe('a network that is being set up', () => {
  test('is waited for, and used when it is complete', async () => {
    const { grid, host } = fixture;
    grid.add('networkcontainer', { network: '172.18.0.0/16' });
    const pending = grid.add('network', { network: '172.18.0.0/24', comment: pendingNetworkMark('pods') });
    const added = host.add('c1', fromContainer());
    setTimeout(() => grid.update(pending, { comment: networkMark('pods') }), 200);
    expect(await added).toBe('172.18.0.1');
    expect(networks()).toEqual(['172.18.0.0/24']);
  });

  test('is taken over when its creator has died; of several the lowest, and the others go, but for one that is in use', async () => {
    const { grid, host } = fixture;
    grid.add('networkcontainer', { network: '172.18.0.0/16' });
    for (const n of [1, 2, 0])
      grid.add('network', { network: `172.18.${n}.0/24`, comment: pendingNetworkMark('pods') });
    grid.add('fixedaddress', { ipv4addr: '172.18.2.9', mac: '02:00:00:00:00:01' });
    // At the same time another one, whose creator lives but has lost the answer.
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

  test('and had its gateway reserved already is taken over, or goes with it', async () => {
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

  test('gets its gateway in the next place, too, if it was taken for abandoned', async () => {
    const { grid, host } = fixture;
    grid.inject({ method: 'PUT', type: 'network', effect: { kind: 'delay', ms: 100 } });
    const added = host.add('c1', fromContainer({ gateway: '0.0.0.1' }));
    await until('it is being completed', () => held(grid).length === 1);
    grid.remove(grid.networks()[0]?._ref ?? '');
    expect(await added).toBe('172.18.0.2');
    expect(held(grid)).toEqual(['172.18.0.1', '172.18.0.2']);
  });

  test('is not removed by who yields, if it is complete by now', async () => {
    const { grid, host } = fixture;
    grid.add('networkcontainer', { network: '172.18.0.0/16' });
    grid.inject({ method: 'POST', type: 'network', effect: { kind: 'delay', ms: 100 } });
    const asked = (network: string) => grid.requests.some(({ query }) => query.network === network);
    grid.inject({ when: ({ query }) => query.network === '172.18.1.0/24', effect: { kind: 'delay', ms: 100 } });
    const added = host.add('c1', fromContainer());
    await until('it is being made', () => grid.requests.some(({ method }) => method === 'POST'));
    grid.add('network', { network: '172.18.0.0/24', comment: pendingNetworkMark('pods') });
    await until('it yields to the lower one', () => asked('172.18.1.0/24'));
    const mine = grid.networks().find(({ network }) => network === '172.18.1.0/24');
    grid.update(mine?._ref ?? '', { comment: networkMark('pods') });
    expect(await added).toBe('172.18.1.1');
  });

  test('is removed by nobody once somebody has written to its comment', async () => {
    const { grid, host } = fixture;
    grid.add('networkcontainer', { network: '172.18.0.0/16' });
    const comment = `${pendingNetworkMark('pods')} - whose is this?`;
    grid.add('network', { network: '172.18.1.0/24', comment });
    grid.add('network', { network: '172.18.0.0/24', comment: pendingNetworkMark('pods') });
    expect(await host.add('c1', fromContainer())).toBe('172.18.1.1');
    expect(networks()).toEqual(['172.18.1.0/24', '172.18.0.0/24']);
  });

  test('is made elsewhere when another host was faster', async () => {
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

  test('is made again when it was taken for abandoned', async () => {
    const { grid, host } = fixture;
    grid.inject({ method: 'PUT', type: 'network', effect: { kind: 'delay', ms: 100 } });
    const added = host.add('c1', fromContainer());
    await until('it is being completed', () => grid.requests.some(({ method }) => method === 'PUT'));
    grid.remove(grid.networks()[0]?._ref ?? '');
    expect(await added).toBe('172.18.0.1');
    expect(grid.networks()).toMatchObject([{ network: '172.18.0.0/24', comment: 'infoblox-cni network=pods' }]);
  });

  test('is kept, and confirmed after another look, when its confirmation was lost or refused', async () => {
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

  test('is not confirmed if somebody else’s has its place by then', async () => {
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

  test('that was given up is looked at before it is deleted, and is left to whoever has its place by then', async () => {
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

  test('by another host until the time of the ADD is over is an error that says so', async () => {
    const { grid } = fixture;
    const hasty = await fixture.another({ node: 'host-b', flags: ['--add-timeout=1s'] }).start();
    grid.add('network', { network: '172.18.0.0/24', comment: pendingNetworkMark('pods') });
    expect(await errorOf(hasty.add('c1', fromContainer()))).toMatchObject({ code: 11 });
    expect(networks()).toEqual(['172.18.0.0/24']);
  });
});
