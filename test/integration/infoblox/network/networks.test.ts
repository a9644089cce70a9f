import { describe, expect, test } from 'vitest';
import { attachmentMark, networkMark } from '../../../../src/infoblox/mark.ts';
import type { AddDocument } from '../../../fixture/host.ts';
import { errorOf, held, useGridAndHost, writes } from '../grid-and-host.ts';

const fixture = useGridAndHost({ attributes: ['Network Name'] });
const origin = { cluster: 'cluster-1', node: 'host-b' };

describe('a network by subnet', () => {
  test('is created with its view and our mark', async () => {
    const { grid, host } = fixture;
    expect(await host.add('c1', { ipam: { 'network-view': 'priv-view' } })).toBe('10.0.0.2');
    expect(grid.objects('networkview').map(({ name }) => name)).toEqual(['default', 'priv-view']);
    expect(grid.networks()).toMatchObject([
      {
        network: '10.0.0.0/24',
        network_view: 'priv-view',
        comment: 'infoblox-cni network=net-1',
        extattrs: { 'Network Name': { value: 'net-1' } },
      },
    ]);
    expect(held(grid, 'priv-view')).toEqual(['10.0.0.1', '10.0.0.2']);
    await host.add('c2', { ipam: { 'network-view': 'priv-view' } });
    expect(
      host.log.filter(({ message }) => message === 'created on the grid').map(({ details }) => details),
    ).toMatchObject([
      { kind: 'network view', name: 'priv-view' },
      { kind: 'network', name: '10.0.0.0/24', view: 'priv-view' },
      { kind: 'gateway', name: '10.0.0.1', view: 'priv-view' },
    ]);
  });

  test('is created in an existing view', async () => {
    const { grid, host } = fixture;
    grid.add('networkview', { name: 'priv-view', comment: 'of the network team' });
    await host.add('c1', { ipam: { 'network-view': 'priv-view' } });
    expect(grid.objects('networkview')).toHaveLength(2);
    expect(grid.objects('networkview')[1]?.comment).toBe('of the network team');
  });

  test('of an administrator is used unchanged', async () => {
    const { grid, host } = fixture;
    grid.add('network', { network: '10.0.0.0/24', comment: 'office, 2nd floor' });
    expect(await host.add('c1')).toBe('10.0.0.2');
    expect(writes(grid)).toEqual(['POST fixedaddress 201', 'POST fixedaddress 201']);
    expect(grid.networks()).toMatchObject([{ comment: 'office, 2nd floor', extattrs: {} }]);
  });

  test('of an administrator with the name as an attribute is used, even if that is a list', async () => {
    const { grid, host } = fixture;
    const definition = grid.objects('extensibleattributedef')[0]?._ref ?? '';
    grid.update(definition, { flags: 'V' });
    grid.add('network', {
      network: '10.0.0.0/24',
      extattrs: { 'Network Name': { value: ['net-0', 'net-1'] } },
    });
    expect(await host.add('c1')).toBe('10.0.0.2');
  });

  test('with another name as an attribute is refused, and the error has both names', async () => {
    const { grid, host } = fixture;
    grid.add('network', { network: '10.0.0.0/24', extattrs: { 'Network Name': { value: 'net-0' } } });
    expect(await errorOf(host.add('c1'))).toMatchObject({
      code: 102,
      msg: 'network 10.0.0.0/24 in view default belongs to the network name net-0, not net-1',
      details: expect.stringContaining('correct the extensible attribute "Network Name"'),
    });
    expect(held(grid)).toEqual([]);
  });

  test('created for another name is refused, with or without the attribute', async () => {
    const { grid, host } = fixture;
    grid.add('network', { network: '10.0.0.0/24', comment: networkMark('net-0') });
    expect(await errorOf(host.add('c1'))).toMatchObject({
      code: 102,
      msg: expect.stringContaining('net-0, not net-1'),
    });
  });

  test('is refused if the name already has another subnet', async () => {
    const { host } = fixture;
    await host.add('c1');
    expect(await errorOf(host.add('c2', { ipam: { subnet: '10.1.0.0/24', gateway: undefined } }))).toMatchObject({
      code: 102,
      msg: 'network net-1 is 10.0.0.0/24 in view default, not 10.1.0.0/24',
    });
  });

  test('may have the name of a network in another view', async () => {
    const { host } = fixture;
    await host.add('c1');
    const other = { subnet: '10.1.0.0/24', gateway: '10.1.0.1', 'network-view': 'other' };
    expect(await host.add('c2', { ipam: other })).toBe('10.1.0.2');
  });

  test.each([
    ['around', '10.0.0.0/16'],
    ['inside', '10.0.0.128/25'],
    ['around', '8.0.0.0/5'],
  ])('%s another network is refused: %s', async (_, subnet) => {
    const { grid, host } = fixture;
    grid.add('network', { network: '10.0.0.0/24' });
    expect(await errorOf(host.add('c1', { ipam: { subnet, gateway: undefined } }))).toMatchObject({
      code: 102,
      msg: `${subnet} overlaps the network 10.0.0.0/24 in view default`,
      details: expect.stringContaining('10.0.0.0/24'),
    });
    expect(grid.networks().map(({ network }) => network)).toEqual(['10.0.0.0/24']);
  });

  test('beside other networks is fine', async () => {
    const { grid, host } = fixture;
    for (const network of ['10.0.1.0/24', '9.255.255.0/24', '110.0.0.0/24']) grid.add('network', { network });
    expect(await host.add('c1')).toBe('10.0.0.2');
  });

  test('inside a network container is fine', async () => {
    const { grid, host } = fixture;
    grid.add('networkcontainer', { network: '10.0.0.0/8' });
    expect(await host.add('c1')).toBe('10.0.0.2');
  });

  test('that is a network container is refused', async () => {
    const { grid, host } = fixture;
    grid.add('networkcontainer', { network: '10.0.0.0/24' });
    expect(await errorOf(host.add('c1'))).toMatchObject({
      code: 102,
      msg: expect.stringContaining('cannot create 10.0.0.0/24 in view default'),
      details: expect.stringContaining('network container'),
    });
  });

  test('that another host creates at the same instant is shared', async () => {
    const { grid, host } = fixture;
    const hosts = [host];
    for (const node of ['host-b', 'host-c', 'host-d']) hosts.push(await fixture.another({ node }).start());
    grid.latencyMs = 3;
    const addresses = await Promise.all(hosts.map((one, index) => one.add(`c${index}`)));
    expect(new Set(addresses).size).toBe(4);
    expect(grid.networks()).toHaveLength(1);
    expect(held(grid)).toHaveLength(5);
  });

  test('that was removed from the grid is created again with its gateway', async () => {
    const { grid, host } = fixture;
    const first = await host.add('c1');
    grid.remove(grid.networks()[0]?._ref ?? '');
    expect(held(grid)).toEqual([]);
    const added = await Promise.all(Array.from({ length: 8 }, (_, n) => host.add(`d${n}`)));
    expect(new Set([first, ...added]).size).toBe(9);
    expect(grid.networks()).toHaveLength(1);
    expect(held(grid)).toHaveLength(10);
    expect(added).not.toContain('10.0.0.1');
  });

  test('that was removed is created again for a requested address, too', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    grid.remove(grid.networks()[0]?._ref ?? '');
    expect(await host.add('c2', { args: 'IP=10.0.0.77' })).toBe('10.0.0.77');
  });

  test('whose create lost its answer is searched, and created again only if it is missing', async () => {
    for (const commit of [true, false]) {
      const { grid, host } = fixture;
      const name = `net-${commit}`;
      const subnet = commit ? '10.5.0.0/24' : '10.6.0.0/24';
      grid.inject({ method: 'POST', type: 'network', effect: { kind: 'reset', commit } });
      await host.add('c1', { config: { name }, ipam: { subnet, gateway: undefined } });
      expect(grid.networks().filter(({ network }) => network === subnet)).toMatchObject([
        { comment: networkMark(name) },
      ]);
    }
  });

  test('that is not ready in the time of an ADD fails it, and serves the next', async () => {
    const hasty = await fixture.another({ node: 'host-b', flags: ['--add-timeout=3s'] }).start();
    const look = fixture.grid.hold({ method: 'GET', type: 'network' });
    expect(await errorOf(hasty.add('c1'))).toMatchObject({ code: 11 });
    look.release();
    expect(await hasty.add('c2')).toBe('10.0.0.2');
  });

  test('without a free address is named in the error', async () => {
    const { grid, host } = fixture;
    const ipam = { subnet: '10.0.0.0/29', gateway: '10.0.0.1' };
    grid.add('network', { network: '10.0.0.0/29' });
    grid.add('record:host', { name: 'printer', configure_for_dns: false, ipv4addrs: [{ ipv4addr: '10.0.0.2' }] });
    for (let n = 3; n < 7; n += 1) await host.add(`c${n}`, { ipam });
    const error = await errorOf(host.add('c9', { ipam }));
    expect(error).toMatchObject({ code: 101, msg: 'no free address in 10.0.0.0/29 (view default)' });
    await host.del('c3', { ipam });
    expect(await host.add('c9', { ipam })).toBe('10.0.0.3');
  });
});

describe('the gateway', () => {
  const gatewayOf = async (container: string, options = {}) => {
    const document = (await fixture.host.call('ADD', container, options)) as AddDocument;
    return document.ips[0]?.gateway;
  };

  test('is in the answer and reserved', async () => {
    expect(await gatewayOf('c1', { ipam: { gateway: '10.0.0.9' } })).toBe('10.0.0.9');
    expect(fixture.grid.fixedAddresses()).toMatchObject([
      {
        ipv4addr: '10.0.0.9',
        match_client: 'RESERVED',
        mac: '00:00:00:00:00:00',
        comment: 'infoblox-cni gateway of network=net-1',
      },
      { ipv4addr: '10.0.0.1' },
    ]);
  });

  test('0.0.0.x is host part x of the network', async () => {
    expect(await gatewayOf('c1', { ipam: { gateway: '0.0.0.254' } })).toBe('10.0.0.254');
    expect(held(fixture.grid)).toContain('10.0.0.254');
  });

  test('is reserved once for all hosts', async () => {
    const other = await fixture.another({ node: 'host-b' }).start();
    await fixture.host.add('c1');
    await other.add('c2');
    expect(held(fixture.grid)).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.3']);
  });

  test.each([
    ['an administrator’s reservation', 'fixedaddress', { ipv4addr: '10.0.0.1', mac: 'aa:bb:cc:00:00:01' }],
    [
      'a host record',
      'record:host',
      {
        ...{ name: 'router', configure_for_dns: false },
        ipv4addrs: [{ ipv4addr: '10.0.0.1', mac: 'aa:bb:cc:00:00:02', configure_for_dhcp: true }],
      },
    ],
  ])('may be %s', async (_, type, fields) => {
    const { grid } = fixture;
    grid.add('network', { network: '10.0.0.0/24' });
    grid.add(type, fields);
    expect(await gatewayOf('c1')).toBe('10.0.0.1');
    expect(grid.fixedAddresses().filter(({ comment }) => comment?.includes('gateway'))).toEqual([]);
  });

  test('that a container holds is refused, and the error names the container', async () => {
    const { grid, host } = fixture;
    const comment = attachmentMark(origin, { network: 'net-1', containerId: 'c7', ifName: 'eth0' });
    grid.add('network', { network: '10.0.0.0/24' });
    grid.add('fixedaddress', { ipv4addr: '10.0.0.1', mac: '00:00:00:00:00:00', match_client: 'RESERVED', comment });
    expect(await errorOf(host.add('c1'))).toMatchObject({
      code: 102,
      msg: 'gateway 10.0.0.1 of network net-1 is held by a container',
      details: expect.stringContaining('container=c7'),
    });
  });

  test.each([
    ['10.0.1.1', 'is outside the network 10.0.0.0/24'],
    ['10.0.0.255', 'is the network or broadcast address of 10.0.0.0/24'],
  ])('%s is refused before the grid is asked', async (gateway, text) => {
    const { grid, host } = fixture;
    await host.add('c1');
    grid.clearLog();
    expect(await errorOf(host.add('c2', { ipam: { gateway } }))).toMatchObject({
      code: 7,
      msg: expect.stringContaining(text),
    });
    expect(grid.requests).toHaveLength(0);
  });

  test('that a bridge chooses for itself is reserved, and not in the answer', async () => {
    const bridge = { config: { type: 'bridge', isGateway: true }, ipam: { gateway: undefined } };
    expect(await gatewayOf('c1', bridge)).toBeUndefined();
    expect(held(fixture.grid)).toEqual(['10.0.0.1', '10.0.0.2']);
    expect(fixture.grid.fixedAddresses()[0]?.comment).toContain('gateway');
  });

  test('is an ordinary address if the configuration asks for no gateway', async () => {
    const { host } = fixture;
    expect(await host.add('c1', { config: { type: 'bridge' }, ipam: { gateway: undefined } })).toBe('10.0.0.1');
  });
});
