import { describe, expect, test } from 'vitest';
import { type Cidr, parseCidr } from '../../../../../src/infoblox/address.ts';
import { GridError } from '../../../../../src/infoblox/errors.ts';
import { attachmentMark, gatewayMark } from '../../../../../src/infoblox/mark.ts';
import type { NetworkOutlook } from '../../../../../src/infoblox/network/outlook.ts';
import { networkSpec } from '../../../../../src/infoblox/network/spec.ts';
import { judgeBlocks } from '../../../../../src/modes/operator/doctor/blocks.ts';
import {
  findOtherHosts,
  judgeAddresses,
  judgeFiles,
  judgeGateway,
  judgeOutlook,
  judgeOwnAddress,
  judgeSharing,
  judgeView,
  nameOf,
} from '../../../../../src/modes/operator/doctor/networks.ts';
import { conflictOf } from '../../../../../src/modes/operator/network-configurations.ts';
import { blockMarkOf } from '../../../../fixture/a-block.ts';
import { like, linesOf } from './verdict-lines.ts';

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`${text} is no network`);
  return parsed;
}

const net = cidr('10.0.0.0/24');
const input = { name: 'net-1', view: 'default', containers: '172.18.0.0/16', prefixLength: 24, keepFirst: false };
const bySubnet = networkSpec({ ...input, subnet: '10.0.0.0/24', gateway: '10.0.0.1' });
const byContainer = networkSpec(input);
const range = (first: string, last: string, comment = '') => ({ first, last, comment, isReserved: comment !== '' });
const block = (first: string, last: string, node = 'host-a') => range(first, last, blockMarkOf(1, node));

test.each(['host-a', 'a-host-with-a-name-that-is-longer-than-a-mark-has-room-for.example.com'])(
  'addresses of %s itself do not count as those of another host',
  async (node) => {
    const host = { cluster: 'cluster-1', node };
    const attachment = { network: 'net-1', containerId: 'c1', ifName: 'eth0' };
    const hosts = [host, { ...host, node: 'host-b' }, { ...host, cluster: 'cluster-2' }];
    const grid = {
      async *list() {
        for (const one of hosts) yield { comment: attachmentMark(one, attachment) };
      },
    };
    const { signal } = new AbortController();
    const found = await findOtherHosts(grid as never, { cidr: net, view: 'default', host }, signal);
    expect(found).toEqual(['host-b in cluster-1', expect.stringMatching(/ in cluster-2$/)]);
  },
);

test('an absent view is a warning, as its name may be mistyped', () => {
  const priv = { view: 'priv', create: 'all' } as const;
  expect(linesOf(judgeView(priv, true))).toEqual(['ok: priv is there']);
  expect(linesOf(judgeView(priv, false))[0]).toMatch(/^warning: the grid has no view priv.* -> if the name is wrong/);
  expect(linesOf(judgeView({ ...priv, create: 'networks' }, false))[0]).toMatch(
    /^failure: .* must not be created .* -> have it created/,
  );
});

test.each<[NetworkOutlook, typeof bySubnet, RegExp | string]>([
  [{ kind: 'found', cidr: net }, bySubnet, 'ok: 10.0.0.0/24 in view default'],
  [
    {
      kind: 'found',
      cidr: net,
      duplicate: new GridError('network-conflict', 'net-1 is two networks', { hint: 'leave the name to one' }),
    },
    byContainer,
    'warning: net-1 is two networks -> leave the name to one',
  ],
  [{ kind: 'absent' }, bySubnet, 'ok: not there yet: the first ADD creates 10.0.0.0/24 in view default'],
  [
    { kind: 'absent', room: { container: cidr('172.18.0.0/16'), exists: true } },
    byContainer,
    'ok: not there yet: the first ADD creates a /24 in the container 172.18.0.0/16',
  ],
  [
    { kind: 'absent', room: { container: cidr('172.18.0.0/16'), exists: false } },
    byContainer,
    'ok: not there yet: the first ADD creates a /24 in the container 172.18.0.0/16, and that container, too',
  ],
  [{ kind: 'pending' }, byContainer, /^warning: another host is setting it up -> wait/],
])('network: %j', (outlook, spec, expected) => {
  expect(linesOf(judgeOutlook(outlook, spec))).toEqual([like(expected)]);
});

test.each([
  [{ used: 10, hasFree: true }, 'ok: 10 of 254 addresses of 10.0.0.0/24 are used'],
  [
    { used: undefined, hasFree: true, ranges: undefined },
    'ok: at least one is free: the grid does not count those of 10.0.0.0/24',
  ],
  [
    { used: 254, hasFree: false },
    /^failure: none: 254 of 254 .* are used -> release addresses, or use a larger subnet$/,
  ],
  [{ used: 240, hasFree: true }, /^warning: few: 240 of 254 .* -> release addresses/],
  [
    { used: 1, hasFree: true, ranges: [range('10.0.0.100', '10.0.0.199')] },
    /^ok: 1 of 254 addresses of 10.0.0.0\/24 are used; 100 lie in DHCP ranges \(10.0.0.100-10.0.0.199\), whose addresses/,
  ],
  [
    { used: 1, hasFree: false, ranges: [range('10.0.0.1', '10.0.0.254')] },
    /^failure: none: 1 of 254 .*; 254 lie in DHCP ranges .* -> shrink or remove these ranges on the grid/,
  ],
  [{ used: 1, hasFree: true, ranges: [range('10.0.0.10', '10.0.0.250')] }, /^warning: few: .* -> shrink or remove/],
  [
    { used: 1, hasFree: true, ranges: [range('10.0.0.10', '10.0.0.19', 'printers')] },
    'ok: 1 of 254 addresses of 10.0.0.0/24 are used; 10 lie in reserved ranges (10.0.0.10-10.0.0.19), whose addresses are not given out',
  ],
  // Addresses used inside a block do not count outside.
  [
    {
      used: 150,
      hasFree: true,
      ranges: [block('10.0.0.64', '10.0.0.127'), block('10.0.0.128', '10.0.0.191', 'host-b')],
    },
    'ok: 150 of 254 addresses of 10.0.0.0/24 are used; 128 lie in 2 blocks of hosts',
  ],
  [
    { used: 200, hasFree: false, ranges: [block('10.0.0.64', '10.0.0.127')] },
    'failure: none: 200 of 254 addresses of 10.0.0.0/24 are used; 64 lie in 1 block of hosts -> release addresses, or use a larger subnet',
  ],
])('free addresses: %j', (facts, expected) => {
  const lines = linesOf(judgeAddresses(net, { ranges: [], ...facts }));
  expect(lines).toEqual([like(expected)]);
});

describe('gateway', () => {
  const held = (comment: string, mac = '') => ({ comment, mac, matchedBy: mac === '' ? 'RESERVED' : 'MAC_ADDRESS' });
  const ofContainer = attachmentMark(
    { cluster: 'c', node: 'n' },
    { network: 'net-1', containerId: 'abc', ifName: 'eth0' },
  );
  test.each([
    ['free', undefined, 'ok: 10.0.0.1 has no reservation: the first ADD makes one, unless it is in use'],
    ['reserved', held(gatewayMark('net-1')), 'ok: 10.0.0.1 is reserved'],
    ['of another network', held(gatewayMark('net-2')), /^ok: 10.0.0.1 is held on the grid by "infoblox-cni gateway/],
    ['a router', held('', '00:11:22:33:44:55'), /^ok: .* by "00:11:22:33:44:55"$/],
    ['a container', held(ofContainer), /^failure: 10.0.0.1 is held by a container -> choose .*container=abc/],
  ])('%s', (_, holder, expected) => {
    expect(linesOf(judgeGateway(bySubnet, '10.0.0.1', holder))).toEqual([like(expected)]);
  });
  test('none, or one that is known only with the network', () => {
    expect(linesOf(judgeGateway(byContainer, undefined))[0]).toMatch(/^ok: none configured/);
    const kept = networkSpec({ ...input, keepFirst: true });
    expect(linesOf(judgeGateway(kept, undefined))[0]).toMatch(/^ok: will be reserved when the network is created/);
  });
});

test.each([
  ['10.0.0.7', true, 'ok: the grid, too, regards 10.0.0.7 (eth1) as used'],
  [
    '10.0.0.7',
    false,
    'failure: the grid does not know 10.0.0.7 (eth1): another host may give it to a container -> reserve 10.0.0.7 on the grid: a fixed address, or a host record',
  ],
  ['10.0.0.7', undefined, /^warning: this user may not see whether the grid knows 10.0.0.7 \(eth1\) -> reserve/],
  ['10.0.0.150', false, /^ok: 10.0.0.150 \(eth1\) lies in a DHCP range/],
  ['10.0.0.210', false, /^failure: the grid does not know 10.0.0.210 \(eth1\): another host may give it/],
])("this host's address %s, known to the grid: %s", (address, known, expected) => {
  const verdict = judgeOwnAddress({ address, device: 'eth1', known }, [
    range('10.0.0.100', '10.0.0.199'),
    block('10.0.0.208', '10.0.0.223', 'host-b'),
  ]);
  expect(linesOf([verdict])).toEqual([like(expected)]);
});

test.each([
  [[], { type: 'bridge', isGateway: true }, 'ok: no other host has addresses in it'],
  [['b in c'], { type: 'macvlan' }, 'ok: b in c has addresses in it, too'],
  [['b in c', 'd in c'], { type: 'bridge' }, 'ok: b in c, d in c have addresses in it, too'],
  [
    ['b in c'],
    { type: 'bridge', isGateway: true },
    /^warning: b in c has .*, and a bridge with isGateway puts 10.0.0.1 on/,
  ],
  [['b in c'], { type: 'bridge', isDefaultGateway: true }, /^warning: .* -> let a router have the gateway/],
])('shared with %j by %j', (others, config, expected) => {
  expect(linesOf(judgeSharing(others, { config, gateway: '10.0.0.1' }))).toEqual([like(expected)]);
});

describe('host blocks', () => {
  const host = { cluster: 'cluster-1', node: 'host-a' };
  const taking = (blockSize: number) => networkSpec({ ...input, subnet: '10.0.0.0/24', blockSize });
  const judge = (spec: typeof bySubnet, facts: Partial<Parameters<typeof judgeBlocks>[1]> = {}) =>
    linesOf(judgeBlocks(spec, { cidr: net, ranges: [], host, flagSize: 0, ...facts }));

  test.each([
    ['none yet', [], 'ok: of 32 addresses; none of this host or others yet; room for 6'],
    [
      'some exist, with room for more',
      [block('10.0.0.64', '10.0.0.127'), block('10.0.0.128', '10.0.0.143', 'host-b')],
      'ok: of 32 addresses; 1 of this host, 1 of others; room for 3',
    ],
    [
      'one exists, without room for another',
      [block('10.0.0.64', '10.0.0.127'), range('10.0.0.128', '10.0.0.254')],
      'ok: of 32 addresses; 1 of this host, 0 of others; room for none',
    ],
    [
      'no room',
      [range('10.0.0.10', '10.0.0.230')],
      'warning: no block of 32 addresses fits: ranges have 221 of 256 addresses; a quarter stays outside, and so do the first and the last place -> choose a smaller block-size, a larger subnet, or shrink these ranges on the grid',
    ],
  ])('%s', (_, ranges, expected) => expect(judge(taking(32), { ranges })).toEqual([expected]));

  test('never lie at the first or the last place, so only two of a quarter of the network fit', () => {
    expect(judge(taking(64))).toEqual(['ok: of 64 addresses; none of this host or others yet; room for 2']);
    const two = [block('10.0.0.64', '10.0.0.127', 'host-b'), block('10.0.0.128', '10.0.0.191', 'host-c')];
    expect(judge(taking(64), { ranges: two })).toEqual([
      like(/^warning: no block of 64 addresses fits: ranges have 128/),
    ]);
  });

  test('of a size that is too large for the network that the grid has', () => {
    expect(judge(taking(64), { cidr: cidr('10.0.0.0/26') })).toEqual([
      'warning: no block of 64 addresses fits: 10.0.0.0/26 has 64 -> choose a block-size of at most 16, or a larger subnet',
    ]);
  });

  test.each([
    [
      'shared by hosts in blocks',
      16,
      [block('10.0.0.64', '10.0.0.79', 'host-b')],
      'ok: of 16 addresses; 0 of this host, 1 of others; room for 3',
    ],
    [
      'in which other hosts take blocks',
      0,
      [block('10.0.0.64', '10.0.0.79', 'host-b')],
      'ok: of 8 addresses; 0 of this host, 1 of others; room for 6',
    ],
    [
      'full of blocks of other hosts',
      16,
      [block('10.0.0.64', '10.0.0.127', 'host-b')],
      'failure: no block of 16 addresses fits into 10.0.0.64-10.0.0.127 of 10.0.0.0/24: ADDs fail on this host -> choose a larger range or a smaller block-size, or have hosts give blocks back',
    ],
    [
      'which exists as a whole',
      16,
      [range('10.0.0.64', '10.0.0.127', 'infoblox-cni range of network=net-1')],
      'ok: none: the grid has one range for the whole, and hosts take single addresses from it',
    ],
    ['without blocks', 0, [], undefined],
  ])('of a range, %s', (_, blockSize, ranges, expected) => {
    const ends = { rangeStart: '10.0.0.64', rangeEnd: '10.0.0.127' };
    const spec = networkSpec({ ...input, subnet: '10.0.0.0/24', ...ends, blockSize });
    expect(judge(spec, { ranges })).toEqual(expected === undefined ? [] : [expected]);
  });

  test('are not mentioned if nothing asks for them', () => {
    expect(judge(taking(0))).toEqual([]);
    expect(judge(taking(0), { flagSize: 64 })).toEqual([]);
  });

  test('are a warning if the flag asks for them and the network is too small', () => {
    const small = networkSpec({ ...input, subnet: '10.0.0.0/27', defaultBlockSize: 16 });
    expect(judge(small, { cidr: cidr('10.0.0.0/27'), flagSize: 16 })).toEqual([
      'warning: none: --block-size 16 is more than a quarter of the network, so each ADD asks the grid -> choose a smaller --block-size or a larger subnet; if no blocks are wanted, set "block-size": 0 here',
    ]);
  });

  test('of an IPv6 subnet have more room than anybody counts', () => {
    const subnet = cidr('fd00:18:1::/64');
    expect(judge(networkSpec({ ...input, subnet: subnet.text, blockSize: 16 }), { cidr: subnet })).toEqual([
      'ok: of 16 addresses; none of this host or others yet; room for more than a million',
    ]);
  });

  test('are not mentioned to a user who may not read ranges', () => {
    expect(judge(taking(64), { ranges: undefined })).toEqual([]);
  });
});

describe('files', () => {
  const at = (file: string, differs: Partial<typeof input> & { subnet?: string } = {}) => ({
    file,
    spec: networkSpec({ ...input, subnet: '10.0.0.0/24', ...differs }),
  });

  test('are reported with what is wrong with each, or as missing', () => {
    const errors = [{ file: 'b', message: 'unknown key', hint: 'correct it' }];
    const found = [{ file: 'a', name: 'net-1', config: {}, specs: [bySubnet], remarks: ['ipam.x has no effect'] }];
    expect(linesOf(judgeFiles({ found, errors }))).toEqual([
      'failure: b: unknown key -> correct it',
      'ok: a: network net-1',
      'warning: a: ipam.x has no effect -> correct or remove it',
    ]);
    expect(linesOf(judgeFiles({ found: [], errors: [] }))[0]).toMatch(
      /^warning: none in \/etc\/cni\/net\.d and .* -> copy/,
    );
  });

  test.each([
    ['the same network twice', at('a'), at('b'), undefined],
    ['other networks', at('a'), at('b', { name: 'net-2', subnet: '10.0.1.0/24' }), undefined],
    ['the same place in other views', at('a'), at('b', { name: 'net-2', view: 'other' }), undefined],
    [
      'one name, two subnets',
      at('a'),
      at('b', { subnet: '10.0.1.0/24' }),
      /^they give network net-1 two subnets, 10.0.0.0\/24 and 10.0.1.0\/24 -> give one of them another/,
    ],
    [
      'two names, overlapping subnets',
      at('a'),
      at('b', { name: 'net-2', subnet: '10.0.0.128/25' }),
      /^their subnets overlap: 10.0.0.0\/24 of net-1, 10.0.0.128\/25 of net-2 -> give them/,
    ],
  ])('together: %s', (_, one, other, expected) => {
    const conflicts = conflictOf(one, other).map(({ file, message, hint }) => [file, `${message} -> ${hint}`]);
    expect(conflicts).toEqual(expected === undefined ? [] : [['a and b', expect.stringMatching(expected)]]);
  });
});

const of = (file: string, name: string, subnet = '10.0.0.0/24') => {
  return { file, spec: networkSpec({ ...input, name, subnet }) };
};

test('findings name the file if networks share a name, and the subnet if a network has several', () => {
  const all = [of('a.conf', 'net-1'), of('b.conf', 'net-1'), of('c.conf', 'net-2')];
  expect(all.map((one) => nameOf(one, all))).toEqual(['net-1 of a.conf', 'net-1 of b.conf', 'net-2']);
  const sources = [of('a.conf', 'net-1'), of('a.conf', 'net-1', '10.0.1.0/24')];
  expect(sources.map((one) => nameOf(one, sources))).toEqual(['net-1 (10.0.0.0/24)', 'net-1 (10.0.1.0/24)']);
});
