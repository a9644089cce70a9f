/** Attachments with one address of each of several sets. */
import { describe, expect, test } from 'vitest';
import { askDaemon } from '../../../../src/modes/operator/daemon-connection.ts';
import { type CallOptions, until } from '../../../fixture/host.ts';
import { errorOf, held, useGridAndHost } from '../grid-and-host.ts';

const fixture = useGridAndHost();
const lines = () => fixture.grid.requests.map(({ method, type }) => `${method} ${type}`);
const networks = ['10.0.1.0/24', '10.0.2.0/24'];
const withSets = (...subnets: readonly string[]): CallOptions => {
  return { ipam: { subnet: undefined, gateway: undefined, ranges: subnets.map((subnet) => [{ subnet }]) } };
};
const both = withSets(...networks);
const addressesOf = async (id: string, options = both) => {
  const { ips } = (await fixture.host.call('ADD', id, options)) as { ips: { address: string; gateway: string }[] };
  return ips.map(({ address }) => address);
};
/** Lists the addresses on the grid without the gateways. */
const given = () => held(fixture.grid).filter((address) => !address.endsWith('.1'));
const mark = 'infoblox-cni cluster=cluster-1 node=host-a network=net-1 container=c1 interface=eth0';

test('an ADD gives one address of each set in parallel, at one request and with its own mark each', async () => {
  const { grid, host } = fixture;
  expect(await addressesOf('c1')).toEqual(['10.0.1.2/24', '10.0.2.2/24']);
  const comments = grid.fixedAddresses().map(({ comment }) => comment);
  expect(comments).toEqual(expect.arrayContaining([mark, `${mark} set=1`]));
  grid.clearLog();
  const { promise: bothAreThere, resolve: answer } = Promise.withResolvers<void>();
  grid.inject({ method: 'POST', times: 2, effect: { kind: 'answer-late', after: bothAreThere } });
  const addresses = addressesOf('c2');
  await until('both requests are there', () => grid.inFlightMax === 2);
  answer();
  expect(await addresses).toEqual(['10.0.1.3/24', '10.0.2.3/24']);
  expect(lines()).toEqual(['POST fixedaddress', 'POST fixedaddress']);
  expect(host.log.filter(({ level }) => level === 'error')).toEqual([]);
});

test('routes get the gateway of their family, and the answer names each gateway', async () => {
  const { host } = fixture;
  const ipam = { ...both.ipam, routes: [{ dst: '0.0.0.0/0' }] };
  expect(await host.call('ADD', 'c1', { ipam })).toMatchObject({
    ips: [{ gateway: '10.0.1.1' }, { gateway: '10.0.2.1' }],
    routes: [{ dst: '0.0.0.0/0', gw: '10.0.1.1' }],
  });
});

test('a repeated ADD gives the same addresses, DEL releases all, and the next container may have them', async () => {
  const { host } = fixture;
  await addressesOf('c1');
  expect(await addressesOf('c1')).toEqual(['10.0.1.2/24', '10.0.2.2/24']);
  await host.del('c1', withSets('10.0.1.0/24'));
  await expect.poll(given).toEqual([]);
});

test('an ADD that gets only one of two addresses keeps neither, and names the set that failed', async () => {
  const { host } = fixture;
  const small = withSets('10.0.1.0/24', '10.0.2.0/30');
  await addressesOf('c1', small);
  expect(await errorOf(host.call('ADD', 'c2', small))).toMatchObject({
    code: 101,
    msg: 'set 2 of 2, 10.0.2.0/30: no free address in 10.0.2.0/30 (view default)',
  });
  await expect.poll(given).toEqual(['10.0.1.2', '10.0.2.2']);
});

test.each([
  ['gained', both, withSets(...networks, '10.0.3.0/24'), 'asks for 3 addresses, one of each set'],
  ['lost', both, withSets('10.0.1.0/24'), 'asks for one address'],
])('a configuration that %s a set is refused for an attachment that has addresses', async (_, before, after, asks) => {
  const { host } = fixture;
  await addressesOf('c1', before);
  const error = await errorOf(host.call('ADD', 'c1', after));
  expect(error).toMatchObject({ code: 105 });
  expect(error.msg).toBe(`c1/eth0 holds 10.0.1.2, 10.0.2.2 in network net-1, and its configuration ${asks}`);
  expect(error.details).toContain('delete the attachment');
  expect(given()).toEqual(['10.0.1.2', '10.0.2.2']);
});

test('a lost address is replaced by a later ADD, however earlier ADDs failed', async () => {
  const { grid, host } = fixture;
  const small = withSets('10.0.1.0/24', '10.0.2.0/30');
  await addressesOf('c1', small);
  grid.remove(grid.fixedAddresses().find(({ ipv4addr }) => ipv4addr === '10.0.2.2')?._ref ?? '');
  const theirs = grid.add('fixedaddress', { ipv4addr: '10.0.2.2', mac: '02:00:00:00:00:01', comment: 'a person' });
  for (let tries = 0; tries < 3; tries += 1) {
    expect(await errorOf(host.call('ADD', 'c1', small))).toMatchObject({
      code: 101,
      msg: 'set 2 of 2, 10.0.2.0/30: no free address in 10.0.2.0/30 (view default)',
    });
    await expect.poll(() => host.log.some(({ message }) => message === 'nothing to release')).toBe(true);
  }
  expect(await errorOf(host.call('ADD', 'c1', withSets('10.0.1.0/24')))).toMatchObject({
    code: 105,
    msg: 'c1/eth0 holds 10.0.1.2, all that is left of 2 addresses, in network net-1, and its configuration asks for one address',
  });
  const prevResult = { ips: [{ address: '10.0.1.2/24' }, { address: '10.0.2.2/30' }] };
  expect(await errorOf(host.call('CHECK', 'c1', { ...small, config: { prevResult } }))).toMatchObject({
    code: 104,
    msg: expect.stringContaining('1 of 2 addresses are left'),
  });
  grid.remove(theirs);
  expect(await addressesOf('c1', small)).toEqual(['10.0.1.2/24', '10.0.2.2/30']);
});

test('CHECK fails if one address is missing', async () => {
  const { grid, host } = fixture;
  await addressesOf('c1');
  const check = (...addresses: string[]) => {
    const prevResult = { ips: addresses.map((address) => ({ address: `${address}/24` })) };
    return host.call('CHECK', 'c1', { ...both, config: { prevResult } });
  };
  await check('10.0.1.2', '10.0.2.2', '192.168.0.1');
  expect(await errorOf(check('10.0.1.2'))).toMatchObject({ code: 104 });
  grid.remove(grid.fixedAddresses().find(({ ipv4addr }) => ipv4addr === '10.0.2.2')?._ref ?? '');
  expect(await errorOf(check('10.0.1.2', '10.0.2.2'))).toMatchObject({
    code: 104,
    msg: expect.stringContaining('no reservation of 10.0.2.2 any more'),
  });
});

test('GC releases all addresses of an invalid attachment, and none of a valid one', async () => {
  const { host } = fixture;
  const id = 'f'.repeat(64);
  await addressesOf('c1');
  await addressesOf(id);
  const gc = (...ids: string[]) => {
    const list = ids.map((containerID) => ({ containerID, ifname: 'eth0' }));
    return host.call('GC', '', { ...both, config: { 'cni.dev/valid-attachments': list } });
  };
  await gc('c1', id);
  expect(given()).toEqual(['10.0.1.2', '10.0.2.2', '10.0.1.3', '10.0.2.3']);
  await gc(id);
  expect(given()).toEqual(['10.0.1.3', '10.0.2.3']);
});

test('a requested address belongs to the set that contains it', async () => {
  const request = { ...both, config: { runtimeConfig: { ips: ['10.0.2.7', '10.0.1.9/24'] } } };
  expect(await addressesOf('c1', request)).toEqual(['10.0.1.9/24', '10.0.2.7/24']);
  expect(await addressesOf('c2', { ...both, args: 'IP=10.0.2.8' })).toEqual(['10.0.1.2/24', '10.0.2.8/24']);
});

test('version 0.2.0 has no room for two addresses of a family, so ADD fails with 1 and reserves nothing', async () => {
  const { grid, host } = fixture;
  const old = { ...both, config: { cniVersion: '0.2.0' } };
  expect(await errorOf(host.call('ADD', 'c1', old))).toMatchObject({
    code: 1,
    msg: 'a result of version 0.2.0 carries one address of each family, and 2 are configured',
  });
  expect(grid.networks()).toEqual([]);
});

describe('of both families', () => {
  const dual: CallOptions = {
    ipam: {
      ...{ subnet: undefined, gateway: undefined, routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }] },
      ranges: [[{ subnet: '10.0.1.0/24' }], [{ subnet: 'fd00:18:1::/64', gateway: 'fd00:18:1::1' }]],
    },
  };
  const version = (cniVersion: string) => ({ ...dual, config: { cniVersion } });
  const six = () => fixture.grid.objects('ipv6fixedaddress').map(({ ipv6addr, comment }) => [ipv6addr, comment]);

  test('an ADD gives an address of each family, at one request each, and DEL releases both', async () => {
    const { grid, host } = fixture;
    const result = await host.call('ADD', 'c1', dual);
    expect(result).toEqual({
      cniVersion: '1.1.0',
      ips: [
        { address: '10.0.1.2/24', gateway: '10.0.1.1' },
        { address: 'fd00:18:1::2/64', gateway: 'fd00:18:1::1' },
      ],
      routes: [
        { dst: '0.0.0.0/0', gw: '10.0.1.1' },
        { dst: '::/0', gw: 'fd00:18:1::1' },
      ],
    });
    expect(six()).toEqual([
      ['fd00:18:1::1', 'infoblox-cni gateway of network=net-1'],
      ['fd00:18:1::2', `${mark} set=1`],
    ]);
    grid.clearLog();
    await host.call('ADD', 'c2', dual);
    expect(lines().sort()).toEqual(['POST fixedaddress', 'POST ipv6fixedaddress']);
    expect(await host.call('ADD', 'c1', dual)).toEqual(result);
    const prevResult = { ips: [{ address: '10.0.1.2/24' }, { address: 'fd00:18:1:0::2/64' }] };
    await host.call('CHECK', 'c1', { ...dual, config: { prevResult } });
    await host.call('DEL', 'c1', dual);
    await host.call('DEL', 'c2', dual);
    await expect.poll(() => [given(), six().length]).toEqual([[], 1]);
  });

  test('0.1.0 and 0.2.0 carry both', async () => {
    const { host } = fixture;
    expect(await host.call('ADD', 'c1', version('0.2.0'))).toEqual({
      cniVersion: '0.2.0',
      dns: {},
      ip4: { ip: '10.0.1.2/24', gateway: '10.0.1.1', routes: [{ dst: '0.0.0.0/0', gw: '10.0.1.1' }] },
      ip6: { ip: 'fd00:18:1::2/64', gateway: 'fd00:18:1::1', routes: [{ dst: '::/0', gw: 'fd00:18:1::1' }] },
    });
    expect(await host.call('ADD', 'c2', version('0.3.1'))).toMatchObject({
      ips: [{ version: '4' }, { version: '6', address: 'fd00:18:1::3/64' }],
    });
  });

  test('requested addresses, ranges, exclusions and containers work like in IPv4', async () => {
    const ranges = [
      [
        {
          subnet: 'fd00:18:1::/64',
          rangeStart: 'fd00:18:1::100',
          rangeEnd: 'fd00:18:1::1ff',
          exclude: ['fd00:18:1::100-fd00:18:1::10f'],
        },
      ],
      [{ 'network-container': '10.16.0.0/12', 'prefix-length': 26 }],
    ];
    const options = { ipam: { ...both.ipam, ranges } };
    expect(await addressesOf('c1', options)).toEqual(['fd00:18:1::110/64', '10.16.0.2/26']);
    const request = { ...options, config: { runtimeConfig: { ips: ['fd00:18:1:0::1aa'] } } };
    expect(await addressesOf('c2', request)).toEqual(['fd00:18:1::1aa/64', '10.16.0.3/26']);
    const six = {
      ipam: { ...both.ipam, ranges: [[{ 'network-container': 'fd00:99::/48', 'prefix-length': 64 }]] },
      config: { name: 'six' },
    };
    expect(await addressesOf('c1', six)).toEqual(['fd00:99::2/64']);
  });

  test('a host-local configuration works after changing its type', async () => {
    const { host } = fixture;
    const ipam = {
      ...{ subnet: undefined, gateway: undefined, dataDir: '/run/pods', resolvConf: '/etc/resolv.conf' },
      ranges: [
        [
          { subnet: '10.40.0.0/16', rangeStart: '10.40.1.30', rangeEnd: '10.40.3.60', gateway: '10.40.0.250' },
          { subnet: '172.30.5.0/24' },
        ],
        [{ subnet: 'fd00:40:0:02ff::/64', rangeStart: 'fd00:40:0:02ff::0010', rangeEnd: 'fd00:40:0:02ff::0020' }],
      ],
      routes: [{ dst: '0.0.0.0/0' }, { dst: '192.168.0.0/16', gw: '10.40.5.1' }, { dst: 'fd00:40:0:02ff::1/64' }],
    };
    expect(await host.call('ADD', 'c1', { ipam })).toMatchObject({
      ips: [
        { address: '10.40.1.30/16', gateway: '10.40.0.250' },
        { address: 'fd00:40:0:2ff::10/64', gateway: 'fd00:40:0:2ff::1' },
      ],
      routes: [{ gw: '10.40.0.250' }, { gw: '10.40.5.1' }, { dst: 'fd00:40:0:2ff::1/64' }],
    });
    const plain = { subnet: '10.41.0.0/24', gateway: undefined, rangeStart: '10.41.0.9', rangeEnd: '10.41.0.20' };
    const config = { name: 'plain', runtimeConfig: { ipRanges: [[{ subnet: '10.42.0.0/24' }]] } };
    expect(await addressesOf('c1', { ipam: plain, config })).toEqual(['10.42.0.2/24', '10.41.0.9/24']);
  });

  test('status shows the networks of both families after a restart, with the counts of the grid', async () => {
    const { host } = fixture;
    await host.call('ADD', 'c1', dual);
    await host.stop();
    await host.start();
    const status = () => askDaemon({ socket: host.socket, method: 'operator/status', params: {} });
    const networks = async () => (await status()).networks;
    await expect.poll(networks).toEqual([
      { name: 'net-1', view: 'default', cidr: '10.0.1.0/24', bound: 1, total: 254, used: expect.any(Number) },
      { name: 'net-1', view: 'default', cidr: 'fd00:18:1::/64', bound: 1, total: null, used: null },
    ]);
  });

  test('both are imported after a lost state, and no address is given if the grid refuses one family', async () => {
    const { grid, host, another } = fixture;
    await host.call('ADD', 'c1', dual);
    await host.stop();
    const next = await another({}).start();
    await expect
      .poll(() => next.call('ADD', 'c1', dual))
      .toMatchObject({ ips: [{ address: '10.0.1.2/24' }, { address: 'fd00:18:1::2/64' }] });
    grid.denied.add('ipv6fixedaddress');
    expect(await errorOf(next.call('ADD', 'c2', dual))).toMatchObject({
      msg: expect.stringContaining('set 2 of 2, fd00:18:1::/64: '),
    });
    await expect.poll(given).toEqual(['10.0.1.2']);
  });
});

describe('after the state was lost', () => {
  test('all addresses are imported, and a DEL releases all', async () => {
    const { grid, host, another } = fixture;
    const id = 'a'.repeat(64);
    await addressesOf(id);
    await host.stop();
    const next = await another({}).start();
    const prevResult = { ips: [{ address: '10.0.1.2/24' }, { address: '10.0.2.2/24' }] };
    await expect
      .poll(() => next.call('CHECK', id, { ...both, config: { prevResult } }).then(() => 'ok', String))
      .toBe('ok');
    await next.del(id, both);
    await expect.poll(() => held(grid).filter((address) => !address.endsWith('.1'))).toEqual([]);
  });

  test('a DEL before the import releases the addresses of further sets, too', async () => {
    const { grid, host, another } = fixture;
    await addressesOf('c1');
    await host.stop();
    grid.inject({ method: 'GET', type: 'fixedaddress', effect: { kind: 'delay', ms: 500 } });
    const next = await another({}).start();
    await next.call('DEL', 'c1', both);
    await expect.poll(() => held(grid).filter((address) => !address.endsWith('.1'))).toEqual([]);
  });
});
