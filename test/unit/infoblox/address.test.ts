import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addressBeside,
  compareAddresses,
  familyOf,
  hostCount,
  intersect,
  isNetworkOrBroadcast,
  isWithin,
  parseAddress,
  parseCidr,
  spanOf,
  withHostPart,
} from '../../../src/infoblox/address.ts';

const cidr = (written: string) => parseCidr(written) ?? expect.fail(`${written} is no network`);

test.each([
  ...['', '1.2.3', '1.2.3.4.5', '1.2.3.256', '01.2.3.4', '1.2.3.04', '0x1.2.3.4', '1.2.3.4 ', ' 1.2.3.4', '1.2.3.-4'],
  ...['16909060', '1..2.3', 'a.b.c.d', '1.2.3.4/24', '1.2.3.4\n'],
  ...[
    ':',
    ':::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '12345::',
    'fe80::1%eth0',
    '::1.2.3.4',
    '2001:db8::1/64',
    ' ::1',
  ],
])('%j is not an address', (written) => {
  expect(parseAddress(written)).toBeUndefined();
});

test.each([
  ...['10.0.0.0', '10.0.0.0/', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/08', '10.0.0.0/24 ', '10.0.0/24', '/24'],
  ...['10.0.0.0/24/24', '010.0.0.0/24', '10.0.0.0/2.4', '10.0.0.0/255.255.255.0', '10.0.0.0/1e1'],
  ...['fd00::', 'fd00::/129', 'fd00::/064', 'fd00::/64/64', 'fd00::1%eth0/64'],
])('%j is not a network', (written) => {
  expect(parseCidr(written)).toBeUndefined();
});

test('an IPv6 address is printed in the form of RFC 5952', () => {
  expect(parseAddress('2001:0DB8:0:0:0:0:0:1')).toBe('2001:db8::1');
  expect(parseCidr('2001:DB8:0::/64')).toMatchObject({ first: '2001:db8::', text: '2001:db8::/64' });
});

const four = (value: bigint) => [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join('.');
const six = (value: bigint) => {
  const groups = Array.from({ length: 8 }, (_, index) => (value >> BigInt(112 - 16 * index)) & 0xffffn);
  return parseAddress(groups.map((group) => group.toString(16)).join(':')) ?? expect.fail('no address');
};

describe.each([
  { family: 4 as const, bits: 32, text: four },
  { family: 6 as const, bits: 128, text: six },
])('IPv$family', ({ family, bits, text }) => {
  const number = fc.bigInt({ min: 0n, max: 2n ** BigInt(bits) - 1n });
  const size = (prefix: number) => 2n ** BigInt(bits - prefix);
  const network = fc.tuple(number, fc.integer({ min: 0, max: bits })).map(([value, prefix]) => {
    const first = (value / size(prefix)) * size(prefix);
    return { first, last: first + size(prefix) - 1n, prefix, text: `${text(first)}/${prefix}` };
  });

  test('parsing a printed address gives the same address', () => {
    fc.assert(
      fc.property(number, (value) => {
        expect(parseAddress(text(value))).toBe(text(value));
        expect(familyOf(text(value))).toBe(family);
      }),
    );
  });

  test('a network is read as an interval, printed as first address and prefix, and the error for set host bits names the network meant', () => {
    fc.assert(
      fc.property(network, number, ({ first, last, prefix, text: written }, offset) => {
        const read = { family, first: text(first), last: text(last), prefix, text: written };
        expect(parseCidr(written)).toEqual(read);
        const inside = first + (offset % size(prefix));
        expect(parseCidr(`${text(inside)}/${prefix}`)).toEqual(
          inside === first ? read : { ...read, hostBits: written },
        );
      }),
    );
  });

  test('an interval contains the addresses from its first to its last, and intersects a network when one begins inside the other', () => {
    fc.assert(
      fc.property(network, number, number, number, (net, one, other, value) => {
        const [first, last] = one < other ? [one, other] : [other, one];
        const interval = { first: text(first), last: text(last) };
        expect(isWithin(text(value), interval)).toBe(first <= value && value <= last);
        expect([first, last].every((edge) => isWithin(text(edge), interval))).toBe(true);
        expect(isWithin(family === 4 ? '::1' : '0.0.0.1', interval)).toBe(false);
        const expected = first <= net.last && net.first <= last;
        expect(intersect(interval, cidr(net.text))).toBe(expected);
        expect(intersect(cidr(net.text), interval)).toBe(expected);
        expect([spanOf(interval), spanOf(cidr(net.text))]).toEqual([`${text(first)}-${text(last)}`, net.text]);
      }),
    );
  });

  test('network and IPv4 broadcast addresses are not host addresses, except in networks of one or two addresses', () => {
    fc.assert(
      fc.property(network, number, (net, offset) => {
        const edges = family === 4 ? [net.first, net.last] : [net.first];
        for (const address of [net.first, net.last, net.first + (offset % size(net.prefix))]) {
          const isEdge = net.prefix < bits - 1 && edges.includes(address);
          expect(isNetworkOrBroadcast(cidr(net.text), text(address))).toBe(isEdge);
        }
        const all = size(net.prefix);
        expect(hostCount(cidr(net.text))).toBe(Number(all > 2n ? all - BigInt(edges.length) : all));
      }),
    );
  });

  test('a host part is added to the first address of the network', () => {
    fc.assert(
      fc.property(network, number, fc.nat(), (net, any, small) => {
        const part = any % size(net.prefix);
        expect(withHostPart(cidr(net.text), text(part))).toBe(text(net.first + part));
        const offset = Number(BigInt(small) % size(net.prefix));
        expect(addressBeside(text(net.first), offset)).toBe(text(net.first + BigInt(offset)));
      }),
    );
  });

  test('addresses are ordered by their value', () => {
    fc.assert(
      fc.property(number, number, (one, other) => {
        const sign = one < other ? -1 : one > other ? 1 : 0;
        expect(Math.sign(compareAddresses(text(one), text(other)))).toBe(sign);
      }),
    );
  });
});

test('an address with network bits, or of the other family, is not a host part', () => {
  expect(withHostPart(cidr('10.0.0.0/24'), '0.0.1.0')).toBeUndefined();
  expect(withHostPart(cidr('10.0.0.0/24'), '10.0.0.1')).toBeUndefined();
  expect(withHostPart(cidr('10.0.0.0/24'), '::1')).toBeUndefined();
});

test('IPv4 comes before IPv6', () => {
  const sorted = ['9.255.255.255', '10.0.0.9', '10.0.0.10', '10.100.0.0', '172.18.0.0', '::1', '2001:db8::1'];
  expect([...sorted].reverse().sort(compareAddresses)).toEqual(sorted);
});
