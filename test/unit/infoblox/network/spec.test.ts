import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isNetworkOrBroadcast, isWithin, parseCidr } from '../../../../src/infoblox/address.ts';
import { GridError } from '../../../../src/infoblox/errors.ts';
import { keptBack, refuseStrayGateway } from '../../../../src/infoblox/network/fit.ts';
import { resolveGateway } from '../../../../src/infoblox/network/notation.ts';
import { networkSpec, type SpecInput, specKey } from '../../../../src/infoblox/network/spec.ts';

const input: SpecInput = {
  ...{ name: 'net-1', view: 'default', containers: '172.18.0.0/16', prefixLength: 24, keepFirst: false },
};
const spec = (over: Partial<SpecInput>) => networkSpec({ ...input, ...over });

function refusal(over: Partial<SpecInput>): { message: string; hint: string } {
  try {
    spec(over);
  } catch (error) {
    if (error instanceof GridError && error.reason === 'invalid-spec') {
      return { message: error.message, hint: error.hint ?? '' };
    }
    throw error;
  }
  throw new Error('expected a refusal');
}

test.each([
  [{ view: 'v'.repeat(257) }, 'network-view has 257 characters, more than 256'],
  [{ name: 'n'.repeat(1_001) }, 'name has 1001 characters, more than 1000'],
  [{ containers: '10.0.0.0/8,'.repeat(300) }, 'network-container has 3300 characters, more than 2000'],
  [{ subnet: '1'.repeat(65) }, 'subnet has 65 characters, more than 64'],
  [{ gateway: '1'.repeat(65) }, 'gateway has 65 characters, more than 64'],
])('a value that is too long for any grid is refused: case %#', (over, message) => {
  expect(refusal(over).message).toBe(message);
});

test.each<[string, Partial<SpecInput>, number]>([
  ['the configuration', { blockSize: 64, defaultBlockSize: 16 }, 64],
  ['the configuration, even if that is 0', { blockSize: 0, defaultBlockSize: 16 }, 0],
  ['the flags', { defaultBlockSize: 64 }, 64],
  ['neither if the network is too small for that of the flags', { defaultBlockSize: 128 }, 0],
  ['neither, and is 0 by default', {}, 0],
])('the block size is taken from %s', (_, over, size) => expect(spec(over).blockSize).toBe(size));

test('`subnet` takes precedence over the containers', () => {
  expect(spec({ subnet: '10.0.0.0/24' }).place).toMatchObject({ kind: 'subnet', cidr: { text: '10.0.0.0/24' } });
});

test('containers keep their order, and spaces are ignored', () => {
  const { place } = spec({ containers: ' 10.9.0.0/16,10.8.0.0/16 , ' });
  expect(place).toMatchObject({
    kind: 'container',
    containers: [{ text: '10.9.0.0/16' }, { text: '10.8.0.0/16' }],
    prefixLength: 24,
  });
});

test.each([
  [{ subnet: '10.0.0.5/24' }, 'subnet 10.0.0.5/24 has host bits set', 'did you mean 10.0.0.0/24?'],
  [{ subnet: '10.0.0.0' }, 'subnet "10.0.0.0" is not a network', 'write it as 172.18.1.0/24, or as fd00:18:1::/64'],
  [{ subnet: 'pods' }, 'subnet "pods" is not a network', 'write it as 172.18.1.0/24, or as fd00:18:1::/64'],
  [
    { subnet: '10.0.0.0/31' },
    'subnet 10.0.0.0/31 cannot hold containers',
    'a network has a prefix length from 1 to 30',
  ],
  [{ subnet: '0.0.0.0/0' }, 'subnet 0.0.0.0/0 cannot hold containers', 'a network has a prefix length from 1 to 30'],
  [{ subnet: '10.0.0.0/0' }, 'subnet 10.0.0.0/0 cannot hold containers', 'a network has a prefix length from 1 to 30'],
  [
    { subnet: '224.0.0.0/24' },
    'subnet 224.0.0.0/24 cannot hold containers: it is reserved for multicast',
    /another network/,
  ],
  [
    { subnet: '127.8.0.0/16' },
    'subnet 127.8.0.0/16 cannot hold containers: it is reserved for loopback',
    /another network/,
  ],
  [
    { containers: '10.0.0.0/8,0.0.0.0/4' },
    'network-container 0.0.0.0/4 cannot hold containers: it is reserved for "this network"',
    /another network/,
  ],
  [{ subnet: 'fd00::1/64' }, 'subnet fd00::1/64 has host bits set', 'did you mean fd00::/64?'],
  [{ subnet: 'fd00::/127' }, 'subnet fd00::/127 cannot hold containers', 'a network has a prefix length from 1 to 126'],
  [{ subnet: 'fe80::/64' }, 'subnet fe80::/64 cannot hold containers: it is reserved for single links', /fd00:18:1::/],
  [{ subnet: 'ff02::/64' }, 'subnet ff02::/64 cannot hold containers: it is reserved for multicast', /another network/],
  [
    { subnet: '::/96' },
    'subnet ::/96 cannot hold containers: it is reserved for loopback and IPv4 addresses',
    /another/,
  ],
  [
    { subnet: 'fd00::/64', gateway: '10.0.0.1' },
    'gateway 10.0.0.1 is outside the network fd00::/64',
    /or ::x for host/,
  ],
  [
    { subnet: 'fd00::/64', gateway: 'fd00::' },
    'gateway fd00:: is the network or broadcast address of fd00::/64',
    /host/,
  ],
  [
    { containers: 'fd00::/48', prefixLength: undefined },
    'network-container fd00::/48 has no prefix-length',
    'set prefix-length, 64 for a usual IPv6 subnet',
  ],
  [
    { containers: '10.0.0.0/8,fd00::/48' },
    'network-container names 10.0.0.0/8 and fd00::/48, of two families',
    /a set of its own/,
  ],
  [
    { containers: '172.18.0.0/16,172.19.0.1/16' },
    'network-container 172.19.0.1/16 has host bits set',
    'did you mean 172.19.0.0/16?',
  ],
  [{ containers: ' , ' }, 'neither subnet nor network-container is set', /"subnet" or "network-container"/],
  [{ prefixLength: 31 }, 'prefix-length 31 is not a whole number from 1 to 30', /24 for 254 addresses/],
  [{ prefixLength: 0 }, 'prefix-length 0 is not a whole number from 1 to 30', /24/],
  [{ prefixLength: 24.5 }, 'prefix-length 24.5 is not a whole number from 1 to 30', /24/],
  [{ prefixLength: 16 }, 'a /16 network does not fit into 172.18.0.0/16', /above 16, or a larger network-container/],
  [
    { containers: '10.0.0.0/8,172.18.0.0/26' },
    'a /24 network does not fit into 172.18.0.0/26',
    'choose a prefix-length above 26, or a larger network-container',
  ],
  ...[-8, 4, 12, 512, 8.5, Number.NaN].map(
    (blockSize) =>
      [
        { blockSize },
        `block-size ${blockSize} is neither 0 nor a power of two from 8 to 256`,
        /such as 64, or 0/,
      ] as const,
  ),
  [
    { blockSize: 128 },
    'block-size 128 is more than a quarter of a /24 network',
    'choose at most 64, or a larger network',
  ],
  [
    { subnet: '10.0.0.0/28', blockSize: 8 },
    'block-size 8 is more than a quarter of 10.0.0.0/28',
    'choose 0, or a larger network',
  ],
  [
    { subnet: '10.0.0.0/24', rangeStart: '10.0.0.50', rangeEnd: '10.0.0.199', blockSize: 64 },
    'block-size 64 is more than a quarter of 10.0.0.50-10.0.0.199 of 10.0.0.0/24',
    'choose at most 32, or a larger range',
  ],
  [{ gateway: 'router' }, 'gateway "router" is not an IP address', /172\.18\.1\.1, or as 0\.0\.0\.1/],
  [{ gateway: '10.0.0.1/24' }, 'gateway "10.0.0.1/24" is not an IP address', /172\.18\.1\.1/],
  [
    { subnet: '10.0.0.0/24', gateway: '10.0.1.1' },
    'gateway 10.0.1.1 is outside the network 10.0.0.0/24',
    'choose an address of 10.0.0.0/24, or 0.0.0.x for host part x of it',
  ],
  [{ subnet: '10.0.0.0/24', gateway: '0.0.1.1' }, 'gateway 0.0.1.1 is outside the network 10.0.0.0/24', /0\.0\.0\.x/],
  [
    { subnet: '10.0.0.0/24', gateway: '10.0.0.0' },
    'gateway 10.0.0.0 is the network or broadcast address of 10.0.0.0/24',
    'choose a host address of 10.0.0.0/24',
  ],
  [
    { subnet: '10.0.0.0/24', gateway: '0.0.0.255' },
    'gateway 0.0.0.255 is the network or broadcast address of 10.0.0.0/24',
    /host address/,
  ],
  [
    { subnet: '10.0.0.0/24', gateway: '0.0.0.0' },
    'gateway 0.0.0.0 is the network or broadcast address of 10.0.0.0/24',
    /host address/,
  ],
] as const)('%j is refused: %s', (over, message, hint) => {
  const refused = refusal(over);
  expect(refused.message).toBe(message);
  if (typeof hint === 'string') expect(refused.hint).toBe(hint);
  else expect(refused.hint).toMatch(hint);
});

test('a network smaller than its container is accepted, one of the same size is refused', () => {
  const lengths = fc.tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 30 }));
  fc.assert(
    fc.property(lengths, ([container, prefixLength]) => {
      const make = () => spec({ containers: `128.0.0.0/${container}`, prefixLength });
      if (prefixLength > container) expect(make().place.kind).toBe('container');
      else expect(make).toThrow('does not fit');
    }),
  );
});

test('two specs have the same key exactly if they ask for the same', () => {
  const asked: Partial<SpecInput>[] = [
    {},
    { name: 'net-2' },
    { view: 'other' },
    { subnet: '172.18.0.0/16' },
    { subnet: '172.18.0.0/24' },
    { containers: '172.18.0.0/16,172.19.0.0/16' },
    { containers: '172.19.0.0/16,172.18.0.0/16' },
    { prefixLength: 25 },
    { gateway: '0.0.0.1' },
    { keepFirst: true },
    { blockSize: 8 },
  ];
  expect(new Set(asked.map((over) => specKey(spec(over)))).size).toBe(asked.length);
  expect(specKey(spec({ containers: ' 172.18.0.0/16, ' }))).toBe(specKey(spec({})));
});

test('0.0.0.x and the full address name the same gateway', () => {
  const prefixes = fc.integer({ min: 8, max: 30 });
  fc.assert(
    fc.property(prefixes, fc.nat(), (prefix, any) => {
      const cidr = parseCidr(`10.0.0.0/${prefix}`);
      if (cidr === undefined) throw new Error('no network');
      const offset = 1 + (any % (2 ** (32 - prefix) - 2));
      const short = [24, 16, 8, 0].map((shift) => (offset >>> shift) & 255).join('.');
      const address = resolveGateway(short, cidr);
      expect(resolveGateway(address, cidr)).toBe(address);
      expect(isWithin(address, cidr)).toBe(true);
      expect(isNetworkOrBroadcast(cidr, address)).toBe(false);
    }),
  );
});

test('::x names the gateway of an IPv6 network', () => {
  const cidr = parseCidr('fd00:18:1::/64') ?? expect.fail('no network');
  expect(resolveGateway('::1', cidr)).toBe('fd00:18:1::1');
  expect(resolveGateway('::ffff:ffff:ffff:fff1', cidr)).toBe('fd00:18:1:0:ffff:ffff:ffff:fff1');
  expect(resolveGateway('fd00:18:1::ffff', cidr)).toBe('fd00:18:1::ffff');
});

test('no container gets the address of an IPv6 gateway, however that is written', () => {
  const subnet = 'fd00:18:1::/64';
  const kept = keptBack(spec({ subnet, gateway: 'FD00:18:1:0::0001' }), parseCidr(subnet) ?? expect.fail('no network'));
  expect(kept).toBe('fd00:18:1::1');
});

test('the block size of a range is that of the configuration, or that of the flag if the range is large enough', () => {
  const ranged = (over: Partial<SpecInput>) =>
    spec({ subnet: '10.0.0.0/24', rangeStart: '10.0.0.50', rangeEnd: '10.0.0.199', ...over }).blockSize;
  expect([ranged({ blockSize: 32 }), ranged({ defaultBlockSize: 32 }), ranged({ defaultBlockSize: 64 })]).toEqual([
    32, 32, 0,
  ]);
});

test('blocks of any size fit into a /64', () => {
  expect(spec({ subnet: 'fd00::/64', blockSize: 256 }).blockSize).toBe(256);
  expect(spec({ subnet: 'fd00::/124', defaultBlockSize: 64 }).blockSize).toBe(0);
});

test('the gateway of an unknown network is accepted until the network is known', () => {
  expect(spec({ gateway: '0.0.0.1' }).gateway).toBe('0.0.0.1');
  expect(spec({ gateway: '10.0.0.1' }).gateway).toBe('10.0.0.1');
});

test('a gateway that no container holds is refused', () => {
  const attempt = (gateway: string) => () => refuseStrayGateway(spec({ gateway }));
  for (const gateway of ['0.0.0.1', '0.0.0.254', '172.18.7.1']) expect(attempt(gateway)).not.toThrow();
  for (const gateway of ['10.0.0.1', '0.0.1.1'])
    expect(attempt(gateway)).toThrow(/is in none of the network containers/);
});
