import { describe, expect, test } from 'vitest';
import type { AddDocument } from '../../../fixture/host.ts';
import { until } from '../../../fixture/host.ts';
import { errorOf, held, useGridAndHost, writes } from '../grid-and-host.ts';

const fixture = useGridAndHost();
const identity = 'infoblox-cni cluster=cluster-1 node=host-a network=net-1 container=c1 interface=eth0';

describe('ADD', () => {
  test('reserves the next address with the mark of the attachment', async () => {
    const { grid, host } = fixture;
    const document = (await host.call('ADD', 'c1', { args: 'K8S_POD_NAME=web-1' })) as AddDocument;
    expect(document).toEqual({ cniVersion: '1.1.0', ips: [{ address: '10.0.0.2/24', gateway: '10.0.0.1' }] });
    expect(grid.fixedAddresses()[1]).toMatchObject({
      ...{ ipv4addr: '10.0.0.2', name: 'web-1', comment: identity },
      ...{ match_client: 'RESERVED', mac: '00:00:00:00:00:00' },
    });
  });

  test.each([
    ['K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-1', 'shop/web-1'],
    ['K8S_POD_NAME=web-1;K8S_POD_NAMESPACE=', 'web-1'],
    ['K8S_POD_NAMESPACE=shop', 'c1'],
    [`K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${'w'.repeat(300)}`, `shop/${'w'.repeat(245)}`],
  ])('names the owner of the reservation for people: %s', async (args, name) => {
    const { grid, host } = fixture;
    await host.call('ADD', 'c1', { args });
    expect(grid.fixedAddresses()[1]).toMatchObject({ name, comment: identity });
    // The driver decides nothing by the name.
    await host.del('c1');
    expect(held(grid)).toHaveLength(1);
  });

  test('is answered in the version of the caller, with the routes of the configuration', async () => {
    const routes = [{ dst: '0.0.0.0/0' }, { dst: '192.168.0.0/16', gw: '10.0.0.7' }];
    const document = await fixture.host.call('ADD', 'c1', { config: { cniVersion: '0.2.0' }, ipam: { routes } });
    const told = [
      { dst: '0.0.0.0/0', gw: '10.0.0.1' },
      { dst: '192.168.0.0/16', gw: '10.0.0.7' },
    ];
    expect(document).toMatchObject({
      cniVersion: '0.2.0',
      ip4: { ip: '10.0.0.2/24', gateway: '10.0.0.1', routes: told },
    });
  });

  test('ends the condition "network full" when it gets an address that others have released', async () => {
    const { grid, host } = fixture;
    const ipam = { subnet: '10.0.8.0/30', gateway: '10.0.8.1' };
    grid.add('network', { network: ipam.subnet });
    const taken = grid.add('fixedaddress', { ipv4addr: '10.0.8.2', mac: '02:00:00:00:00:01' });
    expect(await errorOf(host.call('ADD', 'c1', { ipam }))).toMatchObject({ code: 101 });
    expect(await errorOf(host.call('STATUS', '', { ipam }))).toMatchObject({ code: 50 });
    grid.remove(taken);
    expect(await host.call('ADD', 'c1', { ipam })).toMatchObject({ ips: [{ address: '10.0.8.2/30' }] });
    await host.call('STATUS', '', { ipam });
  });

  test('gives the same address again and reserves nothing', async () => {
    const { grid, host } = fixture;
    const first = await host.add('c1');
    expect(await host.add('c1')).toBe(first);
    expect(held(grid)).toHaveLength(2);
  });

  test('gives the same address again after a restart of the daemon', async () => {
    const { grid, host } = fixture;
    const first = await host.add('c1');
    await host.add('c2');
    await host.stop();
    await host.start();
    expect(await host.add('c1')).toBe(first);
    expect(held(grid)).toHaveLength(3);
  });

  test('gives the same address again for another namespace, as after a failed start', async () => {
    const first = await fixture.host.add('c1', { netns: '/run/netns/one' });
    expect(await fixture.host.add('c1', { netns: '/run/netns/two' })).toBe(first);
  });

  test('gives another address for another interface of the container', async () => {
    const { host } = fixture;
    expect([await host.add('c1'), await host.add('c1', { ifName: 'eth1' })]).toEqual(['10.0.0.2', '10.0.0.3']);
    await host.del('c1', { ifName: 'eth1' });
    expect(await host.add('c1')).toBe('10.0.0.2');
  });

  test('gives an address of each of two networks', async () => {
    const { host } = fixture;
    const other = { config: { name: 'net-2' }, ipam: { subnet: '10.2.0.0/24', gateway: undefined } };
    expect([await host.add('c1'), await host.add('c1', { ...other, ifName: 'eth1' })]).toEqual([
      '10.0.0.2',
      '10.2.0.1',
    ]);
  });

  test('of an attachment that holds an address elsewhere is refused, until DEL', async () => {
    const { host } = fixture;
    await host.add('c1');
    expect(await errorOf(host.add('c1', { args: 'IP=10.0.0.9' }))).toMatchObject({
      code: 105,
      msg: 'c1/eth0 already holds 10.0.0.2 in network net-1',
      details: expect.stringContaining('delete the attachment'),
    });
    await host.del('c1');
    expect(await host.add('c1', { args: 'IP=10.0.0.9' })).toBe('10.0.0.9');
  });

  test.each([
    ['another view', { 'network-view': 'mistyped' }],
    ['another subnet', { subnet: '10.9.0.0/24', gateway: undefined }],
  ])('of an attachment that holds an address is refused for %s, and creates nothing', async (_, ipam) => {
    const { grid, host } = fixture;
    await host.add('c1');
    grid.clearLog();
    expect(await errorOf(host.add('c1', { ipam }))).toMatchObject({ code: 105 });
    expect(writes(grid)).toEqual([]);
  });

  test('re-creates a reservation that was removed from the grid', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    grid.remove(grid.fixedAddresses()[1]?._ref ?? '');
    await host.add('c1');
    expect(grid.fixedAddresses()[1]).toMatchObject({ ipv4addr: '10.0.0.2', comment: identity });
  });

  test('uses the reservations of the grid if the state of the host is lost', async () => {
    const { grid, host } = fixture;
    const first = await host.add('c1');
    const twin = fixture.another({ node: 'host-a' });
    await host.stop();
    await twin.start();
    expect(await twin.add('c1')).toBe(first);
    expect(held(grid)).toHaveLength(2);
  });
});

describe('ADDs at once', () => {
  test('of one attachment share one create', async () => {
    const { grid, host } = fixture;
    await host.add('c0');
    grid.latencyMs = 20;
    grid.clearLog();
    const addresses = await Promise.all(Array.from({ length: 10 }, () => host.add('c1')));
    expect(new Set(addresses)).toEqual(new Set(['10.0.0.3']));
    expect(writes(grid)).toEqual(['POST fixedaddress 201']);
  });

  test('of the first 32 containers on a network all succeed with different addresses', async () => {
    const { grid, host } = fixture;
    grid.latencyMs = 2;
    const addresses = await Promise.all(Array.from({ length: 32 }, (_, n) => host.add(`c${n}`)));
    expect(new Set(addresses).size).toBe(32);
    expect(held(grid)).toHaveLength(33);
    expect(grid.networks()).toHaveLength(1);
    expect(grid.inFlightMax).toBeLessThanOrEqual(8);
  });

  test('on two hosts never give the same address', async () => {
    const { grid, host } = fixture;
    const other = await fixture.another({ node: 'host-b' }).start();
    const addresses = await Promise.all(Array.from({ length: 40 }, (_, n) => (n % 2 ? host : other).add(`c${n}`)));
    expect(new Set(addresses).size).toBe(40);
    expect(held(grid)).toHaveLength(41);
  });

  test('that collide with another user of the grid are retried', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    const body = {
      Error: 'AdmConDataError: None',
      code: 'Client.Ibap.Data.Conflict',
      text: "Duplicate object '10.0.0.3'",
    };
    const effect = {
      kind: 'status',
      status: 400,
      contentType: 'application/json',
      body: JSON.stringify(body),
    } as const;
    grid.inject({ method: 'POST', times: 2, effect });
    expect(await host.add('c2')).toBe('10.0.0.3');
    expect(held(grid)).toHaveLength(3);
  });
});

describe('a requested address', () => {
  test.each([
    ['CNI_ARGS', { args: 'IP=10.0.0.9' }],
    ['CNI_ARGS with a prefix length', { args: 'IgnoreUnknown=1;IP=10.0.0.9/24' }],
    ['runtimeConfig', { config: { runtimeConfig: { ips: ['10.0.0.9/24'] } } }],
    ['args', { config: { args: { cni: { ips: ['10.0.0.9'] } } } }],
  ])('in %s is given', async (_, options) => {
    const { grid, host } = fixture;
    expect(await host.add('c1', options)).toBe('10.0.0.9');
    expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.9']);
    expect(await host.add('c1', options)).toBe('10.0.0.9');
    expect(await host.add('c1')).toBe('10.0.0.9');
  });

  test.each([
    ['10.0.1.9', 'the requested address 10.0.1.9 is not an address for containers in 10.0.0.0/24'],
    ['10.0.0.0', 'the requested address 10.0.0.0 is not an address for containers in 10.0.0.0/24'],
    ['10.0.0.255', 'the requested address 10.0.0.255 is not an address for containers in 10.0.0.0/24'],
    ['10.0.0.1', 'the requested address 10.0.0.1 is the gateway in 10.0.0.0/24'],
    ['fd00::9', 'the requested address fd00::9 lies in none of the subnets'],
  ])('%s is refused, and nothing is created for it', async (address, msg) => {
    const { grid, host } = fixture;
    expect(await errorOf(host.add('c1', { args: `IP=${address}` }))).toMatchObject({ code: 105, msg });
    expect(held(grid)).toEqual([]);
    expect(grid.networks()).toEqual([]);
  });

  test('may only be one for one set', async () => {
    const ips = ['10.0.0.8', '10.0.0.9'];
    expect(await errorOf(fixture.host.add('c1', { config: { runtimeConfig: { ips } } }))).toMatchObject({
      code: 105,
      msg: '2 addresses are requested (10.0.0.8, 10.0.0.9), an attachment gets one',
    });
  });

  test('that another container has is refused, and the error names that container', async () => {
    const { grid, host } = fixture;
    await host.add('c1', { args: 'IP=10.0.0.9' });
    expect(await errorOf(host.add('c2', { args: 'IP=10.0.0.9' }))).toMatchObject({
      code: 105,
      msg: `the requested address 10.0.0.9 in 10.0.0.0/24 is taken by "${identity}"`,
    });
    expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.9']);
  });

  test('that a host record has is refused, although the grid would accept a reservation of it', async () => {
    const { grid, host } = fixture;
    grid.add('network', { network: '10.0.0.0/24' });
    grid.add('record:host', {
      ...{ name: 'printer', configure_for_dns: false },
      ipv4addrs: [{ ipv4addr: '10.0.0.9', configure_for_dhcp: false }],
    });
    expect(await errorOf(host.add('c2', { args: 'IP=10.0.0.9' }))).toMatchObject({
      code: 105,
      msg: 'the requested address 10.0.0.9 in 10.0.0.0/24 is taken',
    });
    expect(held(grid)).toEqual(['10.0.0.1']);
  });

  test('that two containers request at once goes to one of them', async () => {
    const { grid, host } = fixture;
    await host.add('c0');
    grid.latencyMs = 10;
    const outcomes = await Promise.allSettled(['c1', 'c2'].map((name) => host.add(name, { args: 'IP=10.0.0.9' })));
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 105 } });
    expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.9']);
  });
});

describe('a create whose answer is lost', () => {
  test.each([
    ['was carried out', true, ['POST fixedaddress 0']],
    ['was not carried out', false, ['POST fixedaddress 0', 'POST fixedaddress 201']],
  ])('is searched before it is repeated: it %s', async (_, commit, expected) => {
    const { grid, host } = fixture;
    await host.add('c0');
    grid.clearLog();
    grid.inject({ method: 'POST', effect: { kind: 'reset', commit } });
    expect(await host.add('c1')).toBe('10.0.0.3');
    expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.3']);
    expect(writes(grid)).toEqual(expected);
  });
});

describe('a failed ADD', () => {
  /** Starts a host with a short doubt window, which soon looks for late writes. */
  async function mistrustful() {
    const doubtWindow = { recheck: 50, end: 400 };
    const host = await fixture.another({ node: 'host-b', doubtWindow, flags: ['--add-timeout=3s'] }).start();
    await host.add('c0');
    return host;
  }

  test('releases an address that the grid reserved without answering', async () => {
    const { grid } = fixture;
    const host = await mistrustful();
    grid.inject({ method: 'POST', effect: { kind: 'reset', commit: true } });
    const stop = grid.inject({ method: 'GET', times: 99, effect: { kind: 'status', status: 502 } });
    expect(await errorOf(host.add('c1'))).toMatchObject({ code: 11 });
    expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.3']);
    stop();
    await until('the address has gone back', () => held(grid).length === 2);
  });

  test('reports what is wrong with the grid when its time is over', async () => {
    const { grid } = fixture;
    const host = await fixture.another({ node: 'host-b', flags: ['--add-timeout=4s'] }).start();
    await host.add('c0');
    grid.inject({ times: 99, effect: { kind: 'hang' } });
    await errorOf(host.add('c1'));
    expect(await errorOf(host.add('c2'))).toMatchObject({
      code: 11,
      msg: expect.stringMatching(/no address came from the grid in the time for one ADD: .*did not answer/),
      details: expect.stringContaining('network path'),
    });
  });

  test('reports that the grid refuses the password, even if it only waited for an earlier release', async () => {
    const { grid } = fixture;
    const host = await fixture.another({ node: 'host-b', flags: ['--add-timeout=3s'] }).start();
    await host.add('c1');
    grid.inject({ method: 'DELETE', effect: { kind: 'hang' } });
    await host.call('DEL', 'c1');
    await until('the release is at the grid', () => grid.requests.some(({ method }) => method === 'DELETE'));
    grid.password = 'another';
    grid.expireSessions();
    expect(await errorOf(host.add('c2'))).toMatchObject({ code: 103 });
    expect(await errorOf(host.add('c1'))).toMatchObject({
      code: 103,
      msg: expect.stringMatching(
        /^no address came from the grid in the time for one ADD: .*refused the user name or password/,
      ),
    });
  });

  test('leaves nothing on the grid and in the state if the grid refuses it', async () => {
    const { grid, host } = fixture;
    await host.add('c0');
    const body = { Error: 'AdmConDataError: None', code: 'Client.Ibap.Data', text: 'You have no permission' };
    const effect = {
      kind: 'status',
      status: 400,
      contentType: 'application/json',
      body: JSON.stringify(body),
    } as const;
    grid.inject({ method: 'POST', effect });
    expect(await errorOf(host.add('c1'))).toMatchObject({
      code: 103,
      msg: 'user "admin" may not create reservation from 10.0.0.0/24 in view default: You have no permission',
      details: expect.stringContaining('the permission "All IPv4 Fixed Addresses/Reservations" (Read/Write)'),
    });
    grid.clearLog();
    expect(await host.add('c1')).toBe('10.0.0.3');
    expect(grid.requests).toHaveLength(1);
  });

  test('is also one whose caller hangs up before the answer', async () => {
    const { grid } = fixture;
    const host = await mistrustful();
    grid.clearLog();
    grid.inject({ method: 'POST', effect: { kind: 'delay', ms: 500 } });
    expect(await errorOf(host.call('ADD', 'c1', { limit: 300 }))).toMatchObject({ code: 11 });
    await until('the address has gone back', () => writes(grid).includes('DELETE fixedaddress 200'));
    expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.2']);
  });

  test('of one caller does not take the address from another caller for the same attachment', async () => {
    const { grid, host } = fixture;
    await host.add('c0');
    grid.latencyMs = 100;
    const impatient = errorOf(host.call('ADD', 'c1', { limit: 50 }));
    const address = await host.add('c1');
    expect(await impatient).toMatchObject({ code: 11 });
    grid.latencyMs = 0;
    expect(held(grid)).toContain(address);
    expect(await host.add('c1')).toBe(address);
  });
});
