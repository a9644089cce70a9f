import { describe, expect, test } from 'vitest';
import { gatewayMark, networkMark } from '../../../../src/infoblox/mark.ts';
import { errorOf, fromContainer, useGridAndHost } from '../grid-and-host.ts';

const fixture = useGridAndHost({ attributes: ['Network Name'] });

const ipam = { subnet: 'fd00:18:1::/64', gateway: 'fd00:18:1::1' };
const addresses = () => fixture.grid.objects('ipv6fixedaddress').map(({ ipv6addr }) => ipv6addr);
const networks = () => fixture.grid.objects('ipv6network').map(({ network }) => network);
/** Lists the requests that `work` sends to the grid. */
async function requestsOf(work: () => Promise<unknown>): Promise<string[]> {
  fixture.grid.clearLog();
  await work();
  return fixture.grid.requests.map(({ method, type }) => `${method} ${type}`);
}

describe('a subnet of IPv6', () => {
  test('is created with its view and its gateway, and gives and takes back addresses', async () => {
    const { grid, host } = fixture;
    const options = { ipam: { ...ipam, 'network-view': 'priv-view' } };
    expect(await host.call('ADD', 'c1', options)).toMatchObject({
      ips: [{ address: 'fd00:18:1::2/64', gateway: 'fd00:18:1::1' }],
    });
    expect(grid.objects('ipv6network')).toMatchObject([
      { network: 'fd00:18:1::/64', network_view: 'priv-view', comment: networkMark('net-1') },
    ]);
    expect(grid.objects('ipv6fixedaddress')).toMatchObject([
      { ipv6addr: 'fd00:18:1::1', comment: gatewayMark('net-1') },
      { ipv6addr: 'fd00:18:1::2', comment: expect.stringContaining('network=net-1 container=c1 interface=eth0') },
    ]);
    await host.del('c1', options);
    expect(addresses()).toEqual(['fd00:18:1::1']);
    expect(grid.objects('fixedaddress')).toEqual([]);
  });

  test('costs as many requests as one of IPv4, except for the DEL of an unknown container', async () => {
    const { host } = fixture;
    await host.add('c0', { ipam });
    const add = () => host.call('ADD', 'c1', { ipam });
    expect(await requestsOf(add)).toEqual(['POST ipv6fixedaddress']);
    expect(await requestsOf(add)).toEqual(['GET ipv6fixedaddress']);
    const prevResult = { ips: [{ address: 'fd00:18:1::3/64' }] };
    expect(await requestsOf(() => host.call('CHECK', 'c1', { ipam, config: { prevResult } }))).toEqual([
      'GET ipv6fixedaddress',
    ]);
    expect(await requestsOf(() => host.del('c1', { ipam }))).toEqual([
      'GET ipv6fixedaddress',
      'DELETE ipv6fixedaddress',
    ]);
    expect((await requestsOf(() => host.del('c1', { ipam }))).sort()).toEqual([
      'GET fixedaddress',
      'GET ipv6fixedaddress',
    ]);
  });

  test('is remembered across a restart, so that the DEL of an unknown container looks there, too', async () => {
    const { host } = fixture;
    await host.add('c0', { ipam });
    await host.stop();
    await host.start();
    expect(await requestsOf(() => host.del('gone', { ipam }))).toContain('GET ipv6fixedaddress');
  });

  test.each([
    ['around', 'fd00:18::/32'],
    ['inside', 'fd00:18:1:0:8000::/65'],
  ])('%s another network is refused: %s', async (_, subnet) => {
    const { grid, host } = fixture;
    grid.add('ipv6network', { network: 'fd00:18:1::/64' });
    expect(await errorOf(host.add('c1', { ipam: { subnet, gateway: undefined } }))).toMatchObject({
      code: 102,
      msg: `${subnet} overlaps the network fd00:18:1::/64 in view default`,
    });
    expect(networks()).toEqual(['fd00:18:1::/64']);
  });

  test('with its gateway by host part, beside one of IPv4 of the same name', async () => {
    const { host } = fixture;
    expect(await host.add('c1')).toBe('10.0.0.2');
    expect(await host.add('c2', { ipam: { ...ipam, gateway: '::ffff:ffff:ffff:ffff' } })).toBe('fd00:18:1::1');
    expect(addresses()).toEqual(['fd00:18:1:0:ffff:ffff:ffff:ffff', 'fd00:18:1::1']);
  });
});

describe('a network container of IPv6', () => {
  const container = { 'network-container': 'fd00:18::/48', 'prefix-length': 64 };

  test('is created, and gives a network for a name with its gateway', async () => {
    const { grid, host } = fixture;
    const options = fromContainer({ ...container, gateway: '::1' });
    expect(await host.add('c1', options)).toBe('fd00:18::2');
    expect(await host.add('c2', fromContainer(container, 'others'))).toBe('fd00:18:0:1::1');
    expect(grid.objects('ipv6networkcontainer')).toMatchObject([{ network: 'fd00:18::/48' }]);
    expect(grid.objects('ipv6network')).toMatchObject([
      { network: 'fd00:18::/64', comment: networkMark('pods') },
      { network: 'fd00:18:0:1::/64', comment: networkMark('others') },
    ]);
  });

  test('gives the network of a name that has one of IPv4, too', async () => {
    const { grid, host } = fixture;
    expect(await host.add('c1', fromContainer())).toBe('172.18.0.1');
    expect(await host.add('c2', fromContainer(container))).toBe('fd00:18::1');
    expect([grid.networks().length, networks().length]).toEqual([1, 1]);
  });

  test('needs a prefix-length of its own', async () => {
    const call = fixture.host.add('c1', fromContainer({ 'network-container': 'fd00:18::/48' }));
    expect(await errorOf(call)).toMatchObject({
      code: 7,
      msg: 'network-container fd00:18::/48 has no prefix-length',
    });
  });
});
