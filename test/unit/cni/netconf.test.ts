import { describe, expect, test } from 'vitest';
import type { Command } from '../../../src/cni/environment.ts';
import { CniCode, CniError } from '../../../src/cni/errors.ts';
import { parseNetconf } from '../../../src/cni/netconf.ts';

const minimal = { cniVersion: '1.1.0', name: 'net', ipam: { type: 'infoblox' } };

test('a minimal configuration asks for nothing', () => {
  expect(parseNetconf(minimal, 'ADD')).toEqual({
    ...minimal,
    isGateway: false,
    isDefaultGateway: false,
    routes: [],
    runtimeIps: [],
    runtimeIpRanges: [],
    argsIps: [],
    prevResult: undefined,
  });
});

test('a full configuration is read completely, with addresses in canonical form', () => {
  const route = {
    dst: '2001:DB8:0:0::/48',
    gw: '2001:db8::FE',
    mtu: 1400,
    advmss: 1360,
    priority: 5,
    table: 0,
    scope: 0,
  };
  const config = {
    ...minimal,
    isGateway: true,
    isDefaultGateway: true,
    ipam: { type: 'infoblox', subnet: '10.0.0.0/24', routes: [{ dst: '0.0.0.0/0' }, route] },
    runtimeConfig: { ips: ['10.0.0.5/24'], mac: '02:00:00:00:00:01' },
    args: { cni: { ips: ['2001:DB8::5'], labels: [{ key: 'a', value: 'b' }] }, other: 1 },
    dns: { nameservers: ['10.0.0.53'] },
  };
  expect(parseNetconf(config, 'ADD')).toEqual({
    ...minimal,
    isGateway: true,
    isDefaultGateway: true,
    ipam: config.ipam,
    routes: [{ dst: '0.0.0.0/0' }, { ...route, dst: '2001:db8::/48', gw: '2001:db8::fe' }],
    runtimeIps: ['10.0.0.5/24'],
    runtimeIpRanges: [],
    argsIps: ['2001:DB8::5'],
    prevResult: undefined,
  });
});

test('null means absent wherever it does for the reference', () => {
  const route = { dst: '10.0.0.0/8', gw: null, mtu: null, table: null };
  const config = {
    ...minimal,
    cniVersion: null,
    isGateway: null,
    ipam: { type: 'infoblox', routes: [route] },
    runtimeConfig: { ips: null },
    args: { cni: null },
    prevResult: null,
  };
  expect(parseNetconf(config, 'DEL')).toMatchObject({
    cniVersion: '0.1.0',
    isGateway: false,
    routes: [{ dst: '10.0.0.0/8' }],
    runtimeIps: [],
    argsIps: [],
    prevResult: undefined,
  });
  expect(
    parseNetconf({ ...minimal, ipam: { type: 'x', routes: null }, runtimeConfig: null, args: null }, 'ADD').routes,
  ).toEqual([]);
});

describe('an error names the path of the wrong key, what was expected and what was found', () => {
  const routes = (...list: unknown[]) => ({ ipam: { type: 'infoblox', routes: list } });
  const dst = '10.0.0.0/8';

  test.each([
    [{ ipam: undefined }, 'ipam is missing'],
    [{ ipam: null }, 'ipam: expected an object, found null'],
    [{ ipam: 'infoblox' }, 'ipam: expected an object, found "infoblox"'],
    [{ ipam: [] }, 'ipam: expected an object, found an array'],
    [{ ipam: {} }, 'ipam: expected an object with the string key "type"'],
    [{ ipam: { type: 7 } }, 'ipam: expected an object with the string key "type"'],
    [{ isGateway: 'true' }, 'isGateway: expected true or false, found "true"'],
    [{ ipam: { type: 'x', routes: {} } }, 'ipam.routes: expected an array of routes, found an object'],
    [routes({ dst }, 'default'), 'ipam.routes[1]: expected an object, found "default"'],
    [routes({ dst }, {}), 'ipam.routes[1].dst is missing'],
    [
      routes({ dst }, { dst: 'default' }),
      'ipam.routes[1].dst: expected an address range such as 10.0.0.0/8, or 0.0.0.0/0',
    ],
    [routes({ dst: '10.0.0.0' }), 'ipam.routes[0].dst: expected an address range'],
    [routes({ dst: null }), 'ipam.routes[0].dst: expected an address range'],
    [
      routes({ dst, gw: '10.0.0.1/24' }),
      'ipam.routes[0].gw: expected an address without prefix length, found "10.0.0.1/24"',
    ],
    [routes({ dst, gw: 7 }), 'ipam.routes[0].gw: expected an address such as 10.0.0.1, found 7'],
    [routes({ dst, mtu: '1400' }), 'ipam.routes[0].mtu: expected a whole number from 0 to 4294967295, found "1400"'],
    [routes({ dst, priority: -1 }), 'ipam.routes[0].priority: expected a whole number from 0 to 4294967295, found -1'],
    [routes({ dst, table: 1.5 }), 'ipam.routes[0].table: expected a whole number'],
    [{ runtimeConfig: 7 }, 'runtimeConfig: expected an object, found 7'],
    [{ runtimeConfig: { ips: '10.0.0.5' } }, 'runtimeConfig.ips: expected an array of addresses, found "10.0.0.5"'],
    [{ runtimeConfig: { ips: ['10.0.0.5', 'x'] } }, 'runtimeConfig.ips[1]: expected an address such as 10.0.0.5'],
    [{ args: [] }, 'args: expected an object, found an array'],
    [{ args: { cni: 'x' } }, 'args.cni: expected an object, found "x"'],
    [{ args: { cni: { ips: [null] } } }, 'args.cni.ips[0]: expected an address such as 10.0.0.5, found null'],
  ])('%j', (change, words) => {
    const error = failure({ ...minimal, ...change }, 'ADD');
    expect(error.message).toContain(words);
    expect(error.code).toBe(CniCode.invalidConfig);
    expect(error.details).toMatch(/\.$/);
  });

  test('only the first of several, in fewer than 250 characters', () => {
    const broken = Array.from({ length: 9 }, () => ({ dst: 'x'.repeat(500) }));
    const { message } = failure({ ...minimal, ...routes(...broken) }, 'ADD');
    expect(message).toMatch(/routes\[0\].dst: expected/);
    expect(message).not.toContain('routes[1]');
    expect(message.length).toBeLessThan(250);
  });
});

describe('a list or object that is too long', () => {
  const many = <Item>(count: number, item: Item) => Array.from({ length: count }, () => item);
  const routes = (count: number) => ({ ipam: { type: 'infoblox', routes: many(count, { dst: '10.0.0.0/8' }) } });
  const keys = (count: number) => Object.fromEntries(many(count, 0).map((_, index) => [`key-${index}`, 1]));

  test.each<[Record<string, unknown>, string, Command]>([
    [routes(257), 'ipam.routes: expected at most 256 routes, found an array of 257', 'ADD'],
    [{ ipam: { type: 'infoblox', ...keys(64) } }, 'ipam: expected at most 64 keys, found an object', 'STATUS'],
    [{ runtimeConfig: { ips: many(65, '10.0.0.5') } }, 'runtimeConfig.ips: expected at most 64 addresses', 'ADD'],
    [{ runtimeConfig: { ipRanges: many(65, []) } }, 'runtimeConfig.ipRanges: expected at most 64', 'ADD'],
    [{ args: { cni: { ips: many(65, '10.0.0.5') } } }, 'args.cni.ips: expected at most 64 addresses', 'ADD'],
    [{ prevResult: { ips: many(65, { address: '10.0.0.5/8' }) } }, 'prevResult.ips: expected at most 64', 'CHECK'],
  ])('is refused, but not by DEL and GC: case %#', (change, words, command) => {
    const config = { ...minimal, ...change };
    expect(failure(config, command).message).toContain(words);
    for (const release of ['DEL', 'GC'] as const) expect(parseNetconf(config, release).name).toBe('net');
  });

  test('has at least one item more than the limit', () => {
    expect(parseNetconf({ ...minimal, ...routes(256) }, 'ADD').routes).toHaveLength(256);
  });

  test.each([
    ['none beyond the limit', 1_000_000, 0],
    ['none after the first wrong one', 256, 1],
  ])('has its items not examined in vain: %s', (_, count, expected) => {
    let looked = 0;
    const route = {
      get dst() {
        looked += 1;
        return 7;
      },
    };
    failure({ ...minimal, ipam: { type: 'infoblox', routes: many(count, route) } }, 'ADD');
    expect(looked).toBe(expected);
  });
});

describe('prevResult', () => {
  const prevResult = {
    cniVersion: '1.1.0',
    interfaces: [{ name: 'br0' }, { name: 'eth0', mac: '02:00:00:00:00:01', sandbox: '/run/netns/x' }],
    ips: [{ address: '10.0.0.5/24', interface: 1 }, { address: '2001:DB8:0::5/64' }],
  };

  test.each<Command>(['CHECK', 'DEL'])('is read for %s', (command) => {
    expect(parseNetconf({ ...minimal, prevResult }, command).prevResult).toEqual({
      addresses: ['10.0.0.5/24', '2001:db8::5/64'],
    });
  });

  test('is ignored on ADD, whatever it contains', () => {
    expect(parseNetconf({ ...minimal, prevResult: 'x' }, 'ADD').prevResult).toBeUndefined();
  });

  test('fails CHECK if it is malformed', () => {
    expect(failure({ ...minimal, prevResult: { ips: [{ address: '10.0.0.5' }] } }, 'CHECK').message).toContain(
      'prevResult.ips[0].address: expected an address with prefix length',
    );
  });
});

test('a wrong key that only ADD needs does not fail DEL or GC', () => {
  const broken = {
    ...minimal,
    isGateway: 'x',
    ipam: { type: 'infoblox', routes: 'x', subnet: '10.0.0.0/24' },
    runtimeConfig: 'x',
    args: 'x',
    prevResult: 'x',
  };
  for (const command of ['DEL', 'GC'] as const) {
    expect(parseNetconf(broken, command)).toMatchObject({ name: 'net', ipam: broken.ipam, routes: [], argsIps: [] });
  }
  expect(failure(broken, 'STATUS').code).toBe(CniCode.invalidConfig);
});

test('the name is checked before the version, and the version by command', () => {
  expect(failure({ ...minimal, name: 'a b', cniVersion: '9.9.9' }, 'ADD').code).toBe(CniCode.invalidConfig);
  expect(failure({ ...minimal, cniVersion: '9.9.9', ipam: 7 }, 'ADD').code).toBe(CniCode.incompatibleVersion);
  expect(failure({ ...minimal, cniVersion: '1.0.0' }, 'GC').code).toBe(CniCode.incompatibleVersion);
});

function failure(config: Record<string, unknown>, command: Command): CniError {
  try {
    parseNetconf(config, command);
  } catch (error) {
    if (error instanceof CniError) return error;
    throw error;
  }
  throw new Error('the configuration was accepted');
}
