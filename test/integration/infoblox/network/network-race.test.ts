import { describe, expect, test } from 'vitest';
import { type Host, until } from '../../../fixture/host.ts';
import type { RequestRecord } from '../../../simulator/grid.ts';
import { fromContainer, held, useGridAndHost } from '../grid-and-host.ts';

const fixture = useGridAndHost();

describe('16 hosts that start at once on one new name', () => {
  /** Each request takes its own time, so that the hosts meet in every order. */
  function randomLatency(): void {
    for (let n = 0; n < 3_000; n += 1) {
      fixture.grid.inject({ effect: { kind: 'delay', ms: Math.floor(Math.random() * 25) } });
    }
  }

  async function start(flags: (n: number) => readonly string[] = () => []): Promise<Host[]> {
    const hosts = Array.from({ length: 16 }, (_, n) => fixture.another({ node: `node-${n}`, flags: flags(n) }));
    return Promise.all(hosts.map((host) => host.start()));
  }

  async function expectOneNetwork(addresses: readonly string[], view = 'default'): Promise<void> {
    const { grid } = fixture;
    expect(new Set(addresses).size).toBe(16);
    expect(grid.networks(view)).toMatchObject([{ comment: 'infoblox-cni network=pods' }]);
    expect(held(grid, view).sort()).toEqual([...addresses].sort());
  }

  test('get one network and leave no stray', async () => {
    const hosts = await start();
    randomLatency();
    await expectOneNetwork(await Promise.all(hosts.map((host, n) => host.add(`c${n}`, fromContainer()))));
  });

  test('get one network and one gateway', async () => {
    const hosts = await start();
    randomLatency();
    const call = fromContainer({ gateway: '0.0.0.1' });
    const addresses = await Promise.all(hosts.map((host, n) => host.add(`c${n}`, call)));
    expect(new Set(addresses).size).toBe(16);
    expect(fixture.grid.networks()).toMatchObject([{ network: '172.18.0.0/24', comment: 'infoblox-cni network=pods' }]);
    expect(held(fixture.grid).sort()).toEqual(['172.18.0.1', ...addresses].sort());
  });

  test('get one network in one new view', async () => {
    const hosts = await start();
    randomLatency();
    const call = fromContainer({ 'network-view': 'fresh' });
    await expectOneNetwork(await Promise.all(hosts.map((host, n) => host.add(`c${n}`, call))), 'fresh');
    expect(fixture.grid.objects('networkview')).toHaveLength(2);
  });

  test('get one network also when two prefix lengths are configured among them', async () => {
    const hosts = await start((n) => [`--prefix-length=${n % 2 === 0 ? 24 : 26}`]);
    randomLatency();
    await expectOneNetwork(await Promise.all(hosts.map((host, n) => host.add(`c${n}`, fromContainer()))));
  });

  test('get one network also when their lists of containers begin differently', async () => {
    const containers = (n: number) => (n % 2 === 0 ? '10.8.0.0/16,10.9.0.0/16' : '10.9.0.0/16,10.8.0.0/16');
    const hosts = await start((n) => [`--network-container=${containers(n)}`]);
    randomLatency();
    await expectOneNetwork(await Promise.all(hosts.map((host, n) => host.add(`c${n}`, fromContainer()))));
  });

  test('get one network also from a container that has room for no more than two', async () => {
    const hosts = await start(() => ['--network-container=10.8.0.0/24', '--prefix-length=25']);
    randomLatency();
    await expectOneNetwork(await Promise.all(hosts.map((host, n) => host.add(`c${n}`, fromContainer()))));
  });
});

test('a network that a host has given up is deleted once, however late that is carried out', async () => {
  const { grid, host } = fixture;
  grid.add('networkcontainer', { network: '172.18.0.0/16' });
  const [second, third] = await Promise.all(['host-b', 'host-c'].map((node) => fixture.another({ node }).start()));
  // Both see that the other one has begun, and one yields. Creates with attributes are refused first.
  const isCreate = ({ method, type, body }: RequestRecord) =>
    method === 'POST' && type === 'network' && !JSON.stringify(body).includes('extattrs');
  const bothHaveBegun = until('both have begun', () => grid.requests.filter(isCreate).length === 2);
  grid.inject({ times: 2, when: isCreate, effect: { kind: 'answer-late', after: bothHaveBegun } });
  // Longer than others wait for a network that its creator has abandoned.
  grid.inject({ method: 'DELETE', type: 'network', effect: { kind: 'commit-later', after: 12_000 } });
  const added = await Promise.allSettled([
    host.add('c1', fromContainer()),
    second?.add('c2', fromContainer()),
    until('one has yielded', () => grid.requests.some(({ method }) => method === 'DELETE')),
  ]);
  expect(added.map(({ status }) => status).sort()).toEqual(['fulfilled', 'fulfilled', 'rejected']);
  await third?.add('c3', fromContainer({}, 'web'));
  await until('the delete is carried out', () => grid.networks().length === 2, 20_000);
  expect(grid.networks().map(({ comment }) => comment)).toEqual([
    'infoblox-cni network=pods',
    'infoblox-cni network=web',
  ]);
  expect(held(grid)).toHaveLength(2);
  expect(grid.requests.filter(({ method }) => method === 'DELETE')).toHaveLength(1);
});
