import { describe, expect, test } from 'vitest';
import { parseNetconf } from '../../../../../src/cni/netconf.ts';
import type { Creation } from '../../../../../src/infoblox/network/creation.ts';
import { setsOf, unknownKeys, viewOf } from '../../../../../src/modes/daemon/handlers/network-spec.ts';
import { errorOf, held, useGridAndHost } from '../../../infoblox/grid-and-host.ts';

const defaults = {
  networkView: 'of-the-flags',
  networkContainer: '172.18.0.0/16',
  prefixLength: 24,
  ipCooldownMs: 0,
  blockSize: 0,
  create: 'all' as const,
};

const netconf = (ipam: Record<string, unknown>, more: Record<string, unknown> = {}) =>
  parseNetconf(
    { cniVersion: '1.1.0', name: 'net-1', type: 'bridge', ipam: { type: 'infoblox', ...ipam }, ...more },
    'ADD',
  );
const sets = (ipam: Record<string, unknown>, more?: Record<string, unknown>) => setsOf(netconf(ipam, more), defaults);
const policy = (ipam: Record<string, unknown>, more?: Record<string, unknown>) => sets(ipam, more)[0][0];

describe('a key under ipam', () => {
  test.each([
    ['subnets', 'subnet'],
    ['Subnet', 'subnet'],
    ['subent', 'subnet'],
    ['sub-net', 'subnet'],
    ['subnet6', 'subnet'],
    ['gatway', 'gateway'],
    ['gateways', 'gateway'],
    ['GATEWAY', 'gateway'],
    ['network_view', 'network-view'],
    ['networkView', 'network-view'],
    ['networkview', 'network-view'],
    ['network-vew', 'network-view'],
    ['networkContainer', 'network-container'],
    ['network-containers', 'network-container'],
    ['network container', 'network-container'],
    ['prefixLength', 'prefix-length'],
    ['prefix_length', 'prefix-length'],
    ['prefix-lenght', 'prefix-length'],
    ['blockSize', 'block-size'],
    ['ipCooldown', 'ip-cooldown'],
    ['ip-cool-down', 'ip-cooldown'],
    ['route', 'routes'],
    ['socketDir', 'socket-dir'],
    ['socket-dirs', 'socket-dir'],
    ['types', 'type'],
  ])('%s is refused as a typo of %s', (key, meant) => {
    expect(() => policy({ [key]: 'x' })).toThrow(
      expect.objectContaining({
        code: 7,
        message: `unknown key ipam.${key} in the network configuration; did you mean ipam.${meant}?`,
      }),
    );
  });

  test.each([
    ['view', 'network-view'],
    ['netview', 'network-view'],
    ['View', 'network-view'],
    ['prefix', 'prefix-length'],
    ['prefix-len', 'prefix-length'],
    ['prefixLen', 'prefix-length'],
    ['cidr', 'subnet'],
    ['network', 'subnet'],
    ['range', 'subnet'],
    ['container', 'network-container'],
    ['gw', 'gateway'],
    ['range_end', 'rangeEnd'],
    ['range-start', 'rangeStart'],
    ['excludes', 'exclude'],
  ])('%s, known from other plugins, is refused with a pointer to %s', (key, meant) => {
    expect(() => policy({ [key]: 'x' })).toThrow(
      expect.objectContaining({
        code: 7,
        message: `unknown key ipam.${key} in the network configuration; did you mean ipam.${meant}?`,
      }),
    );
  });

  test.each([['addresses', 'addresses cannot be pinned in the network configuration', 'the capability "ips"']])(
    '%s is refused, as this driver has no such key',
    (key, reason, instead) => {
      expect(() => policy({ [key]: [] })).toThrow(
        expect.objectContaining({
          code: 7,
          message: `ipam.${key} in the network configuration: ${reason}`,
          details: expect.stringContaining(instead),
        }),
      );
    },
  );

  test.each([
    ...['dns', 'dataDir', 'resolvConf', 'name', 'tag', 'mtu', 'vlan'],
    ...['hosts', 'comment', 'labels', 'x-notes', '_comment'],
  ])('%s has no meaning here and is ignored', (key) => {
    expect(policy({ [key]: 'x' }).place).toMatchObject({ kind: 'container' });
    expect(unknownKeys(netconf({ [key]: 'x' }))).toEqual([key]);
  });

  test('that is known causes neither error nor warning', () => {
    const all = { subnet: '10.0.0.0/24', gateway: '10.0.0.1', routes: [], 'network-view': 'v', 'socket-dir': '/run' };
    expect(unknownKeys(netconf({ ...all, 'network-container': '10.0.0.0/8', 'prefix-length': 24 }))).toEqual([]);
  });

  test.each([
    [{ subnet: 24 }, /ipam\.subnet: expected a network such as "172\.18\.1\.0\/24", found 24/],
    [{ subnet: '' }, /ipam\.subnet: expected a network/],
    [{ subnet: ['10.0.0.0/24'] }, /ipam\.subnet: expected a network/],
    [{ gateway: true }, /ipam\.gateway: expected an address such as/],
    [{ 'network-view': '' }, /ipam\.network-view: expected the name of a network view/],
    [{ 'network-container': ['10.0.0.0/8'] }, /ipam\.network-container: expected one or more networks/],
    [{ 'prefix-length': '24' }, /ipam\.prefix-length: expected a number such as 24/],
    [{ 'prefix-length': 24.5 }, /ipam\.prefix-length: expected a number such as 24/],
    [{ subnet: 1, gateway: 2 }, /ipam\.subnet: /],
    [{ rangeStart: 50 }, /ipam\.rangeStart: expected an address such as/],
    [{ exclude: '10.0.0.1' }, /ipam\.exclude: expected an array of exclusions/],
    [{ ranges: [{ subnet: '10.0.0.0/24' }] }, /ipam\.ranges\[0\]: expected an array of sources, found an object/],
    [{ ranges: [[]] }, /ipam\.ranges\[0\]: expected at least one source/],
    [{ ranges: [[{ rangeStart: '10.0.0.1' }]] }, /ipam\.ranges\[0\]\[0\]: expected an object with the key "subnet"/],
    [
      { ranges: [[{ subnet: '10.0.0.0/24', rangestart: '10.0.0.9' }]] },
      /rangestart: expected an object with the keys subnet,/,
    ],
    [{ ranges: Array(17).fill([{ subnet: '10.0.0.0/24' }]) }, /ipam\.ranges: expected at most 16 sets of sources/],
    [{ ranges: [[{ subnet: '10.0.0.0/24' }]], gateway: '10.0.0.1' }, /ipam\.gateway .* does not apply to ranges/],
  ])('of a wrong type is refused: %j', (ipam, message) => {
    expect(() => policy(ipam)).toThrow(expect.objectContaining({ code: 7, message: expect.stringMatching(message) }));
  });
});

describe('address ranges of the runtime', () => {
  const ipRanges = [[{ subnet: '10.1.0.0/24' }]];

  test('come first, then a plain subnet, then those of the configuration, with the first host address as default gateway', () => {
    const ranges = [[{ subnet: '10.2.0.0/24' }, { subnet: '10.3.0.0/24', gateway: '10.3.0.9' }]];
    const all = sets({ ranges, subnet: '10.0.0.0/24' }, { runtimeConfig: { ipRanges } });
    const told = all.map((set) =>
      set.map(({ place, gateway }) => [place.kind === 'subnet' && place.cidr.text, gateway]),
    );
    expect(told).toEqual([
      [['10.1.0.0/24', '0.0.0.1']],
      [['10.0.0.0/24', undefined]],
      [
        ['10.2.0.0/24', '0.0.0.1'],
        ['10.3.0.0/24', '10.3.0.9'],
      ],
    ]);
    expect(sets({}, { runtimeConfig: { ipRanges } })).toHaveLength(1);
    expect(() => policy({}, { runtimeConfig: { ipRanges: '10.1.0.0/24' } })).toThrow(/ipRanges: expected an array/);
  });

  test.each([{}, { ipRanges: null }, { ipRanges: [] }])('are ignored if there are none: %j', (runtimeConfig) => {
    expect(policy({}, { runtimeConfig }).place).toMatchObject({ kind: 'container' });
  });
});

describe('the policy', () => {
  test('is that of the flags if the configuration has no value or null', () => {
    const fallback = {
      ...{ name: 'net-1', view: 'of-the-flags', keepFirst: false, cooldownMs: 0, blockSize: 0, create: 'all' as const },
      ...{ part: { intervals: [], excluded: [] }, others: [] },
      place: {
        kind: 'container',
        containers: [{ family: 4, first: '172.18.0.0', last: '172.18.255.255', prefix: 16, text: '172.18.0.0/16' }],
        prefixLength: 24,
      },
    };
    expect(policy({})).toEqual(fallback);
    const keys = { subnet: null, gateway: null, 'network-view': null, 'network-container': null };
    expect(policy({ ...keys, 'prefix-length': null })).toEqual(fallback);
  });

  test('is that of the configuration if it has a value', () => {
    expect(policy({ 'network-view': 'v', 'network-container': '10.0.0.0/8', 'prefix-length': 20 })).toMatchObject({
      view: 'v',
      place: { containers: [{ text: '10.0.0.0/8' }], prefixLength: 20 },
    });
    expect(policy({ subnet: '10.0.0.0/24', gateway: '0.0.0.1' })).toMatchObject({
      place: { kind: 'subnet' },
      gateway: '0.0.0.1',
    });
  });

  test.each([
    ['0s', 0],
    ['0', 0],
    ['90s', 90_000],
    ['1h', 3_600_000],
  ])('has the cool-down of the configuration, %s, or that of the flags', (text, ms) => {
    expect(policy({ 'ip-cooldown': text }).cooldownMs).toBe(ms);
    expect(setsOf(netconf({}), { ...defaults, ipCooldownMs: 60_000 })[0][0].cooldownMs).toBe(60_000);
  });

  test('has the block size of the configuration, or that of the flags', () => {
    expect(policy({ 'block-size': 16 }).blockSize).toBe(16);
    expect(setsOf(netconf({}), { ...defaults, blockSize: 32 })[0][0].blockSize).toBe(32);
    expect(setsOf(netconf({ 'block-size': 0 }), { ...defaults, blockSize: 32 })[0][0].blockSize).toBe(0);
    expect(() => policy({ 'block-size': '16' })).toThrow(
      expect.objectContaining({
        code: 7,
        message:
          'invalid network configuration: ipam.block-size: expected a number of addresses such as 64, found "16"',
      }),
    );
    expect(() => policy({ 'block-size': 20 })).toThrow('block-size 20 is neither 0 nor a power of two from 8 to 256');
  });

  test('creates only what both flags and configuration allow', () => {
    const create = (ofConfig: string | undefined, ofFlags: Creation) =>
      setsOf(netconf({ create: ofConfig }), { ...defaults, create: ofFlags })[0][0].create;
    expect([create(undefined, 'all'), create(undefined, 'none'), create('networks', 'all')]).toEqual([
      'all',
      'none',
      'networks',
    ]);
    expect([create('all', 'networks'), create('networks', 'none'), create('none', 'networks')]).toEqual([
      'networks',
      'none',
      'none',
    ]);
    expect(() => policy({ create: 'network' })).toThrow(
      expect.objectContaining({
        code: 7,
        message: expect.stringContaining('ipam.create: expected "all", "networks" or "none", found "network"'),
      }),
    );
  });

  test.each([['61m'], ['-1s'], ['10'], [600], ['']])('refuses the cool-down %j', (value) => {
    const found = `found ${JSON.stringify(value)}`;
    expect(() => policy({ 'ip-cooldown': value })).toThrow(
      expect.objectContaining({
        code: 7,
        message: `invalid network configuration: ipam.ip-cooldown: expected a length of time from "0s" to "1h", such as "10m", ${found}`,
      }),
    );
  });

  test('reserves the first address exactly if a bridge takes it for itself', () => {
    const keepFirst = (more: Record<string, unknown>, ipam = {}) =>
      policy({ subnet: '10.0.0.0/24', ...ipam }, more).keepFirst;
    expect(keepFirst({})).toBe(false);
    expect(keepFirst({ isGateway: true })).toBe(true);
    expect(keepFirst({ isDefaultGateway: true })).toBe(true);
    expect(keepFirst({ isGateway: true }, { gateway: '10.0.0.9' })).toBe(false);
  });

  test('has a view even if the rest of the configuration is malformed', () => {
    const conf = (view: unknown) =>
      parseNetconf(
        { cniVersion: '1.1.0', name: 'n', ipam: { type: 'infoblox', subnett: 1, 'network-view': view } },
        'DEL',
      );
    expect(viewOf(conf('v'), defaults)).toBe('v');
    for (const view of [undefined, null, '', 7, 'v'.repeat(257)])
      expect(viewOf(conf(view), defaults)).toBe('of-the-flags');
  });
});

describe('in the daemon', () => {
  const fixture = useGridAndHost();

  test('unknown keys cause one short warning for each configuration, and a typo is an error', async () => {
    const { host } = fixture;
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`x${'y'.repeat(1_000)}${index}`, 1]));
    for (const ipam of [{ resolvConf: '/etc/resolv.conf', dataDir: '/x' }, many]) {
      await host.add('c1', { ipam });
      await host.add('c2', { ipam });
    }
    const ten = Array.from({ length: 10 }, () => `x${'y'.repeat(39)}`);
    expect(host.log.filter(({ message }) => message === 'unknown ipam key ignored')).toEqual(
      ['resolvConf, dataDir', `${ten.join(', ')}, ...`].map((key) => ({
        level: 'warn',
        message: 'unknown ipam key ignored',
        details: { network: 'net-1', key },
      })),
    );
    expect(await errorOf(host.add('c3', { ipam: { subnett: '10.0.0.0/24' } }))).toMatchObject({ code: 7 });
  });

  test.each([
    ['a key that is refused on ADD', { ipam: { rangeStart: '10.0.0.10', view: 'v' } }],
    ['ranges of the runtime', { config: { runtimeConfig: { ipRanges: [[{ subnet: '10.1.0.1/24' }]] } } }],
  ])('%s does not keep DEL and GC from releasing earlier addresses', async (_what, edited) => {
    const { grid, host } = fixture;
    const given = [await host.add('c1'), await host.add('c2')];
    expect(await errorOf(host.add('c3', edited))).toMatchObject({ code: 7 });
    await host.del('c1', edited);
    const nobody = { 'cni.dev/valid-attachments': [] };
    await host.call('GC', '', { ...edited, config: { ...('config' in edited ? edited.config : {}), ...nobody } });
    for (const address of given) expect(held(grid)).not.toContain(address);
  });
});
