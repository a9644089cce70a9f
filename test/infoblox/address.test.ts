import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  addressAt,
  compareAddresses,
  contains,
  hostPart,
  isNetworkOrBroadcast,
  overlaps,
  parseAddress,
  parseCidr,
} from '../../src/infoblox/address.ts';

const number = fc.nat({ max: 2 ** 32 - 1 });
const text = (value: number) => [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
const size = (prefix: number) => 2 ** (32 - prefix);
const network = fc.tuple(number, fc.integer({ min: 0, max: 32 })).map(([value, prefix]) => {
  const first = Math.floor(value / size(prefix)) * size(prefix);
  return { first, last: first + size(prefix) - 1, prefix, text: `${text(first)}/${prefix}` };
});
const cidr = (written: string) => {
  const parsed = parseCidr(written);
  if (parsed === undefined) throw new Error(`${written} is no network`);
  return parsed;
};

test.each([
  ...['', '1.2.3', '1.2.3.4.5', '1.2.3.256', '01.2.3.4', '1.2.3.04', '0x1.2.3.4', '1.2.3.4 ', ' 1.2.3.4', '1.2.3.-4'],
  ...['::1', '16909060', '1..2.3', 'a.b.c.d', '1.2.3.4/24', '1.2.3.4\n'],
])('%j is no address', (written) => {
  expect(parseAddress(written)).toBeUndefined();
});

test.each([
  ...['10.0.0.0', '10.0.0.0/', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/08', '10.0.0.0/24 ', '10.0.0/24', '/24'],
  ...['10.0.0.0/24/24', '010.0.0.0/24', '10.0.0.0/2.4', 'fd00::/64', '10.0.0.0/255.255.255.0', '10.0.0.0/1e1'],
])('%j is no network', (written) => {
  expect(parseCidr(written)).toBeUndefined();
});

test('every address reads as itself', () => {
  fc.assert(
    fc.property(number, (value) => {
      expect(parseAddress(text(value))).toBe(text(value));
    }),
  );
});

test('a network reads as its first address and prefix, and says what was meant if host bits are set', () => {
  fc.assert(
    fc.property(network, fc.nat(), ({ first, prefix, text: written }, offset) => {
      expect(parseCidr(written)).toEqual({ base: text(first), prefix, text: written });
      const inside = first + (offset % size(prefix));
      expect(parseCidr(`${text(inside)}/${prefix}`)).toEqual({
        ...{ base: text(first), prefix, text: written },
        ...(inside === first ? {} : { hostBits: written }),
      });
    }),
  );
});

test('a network contains what lies between its first and last address', () => {
  fc.assert(
    fc.property(network, number, (net, value) => {
      expect(contains(cidr(net.text), text(value))).toBe(value >= net.first && value <= net.last);
      expect(contains(cidr(net.text), text(net.first))).toBe(true);
      expect(contains(cidr(net.text), text(net.last))).toBe(true);
    }),
  );
});

test('two networks overlap when one begins inside the other', () => {
  fc.assert(
    fc.property(network, network, (one, other) => {
      const expected = one.first <= other.last && other.first <= one.last;
      expect(overlaps(cidr(one.text), cidr(other.text))).toBe(expected);
      expect(overlaps(cidr(other.text), cidr(one.text))).toBe(expected);
    }),
  );
});

test('network and broadcast address are the first and last, and a /31 and /32 have none', () => {
  fc.assert(
    fc.property(network, fc.nat(), (net, offset) => {
      const address = net.first + (offset % size(net.prefix));
      const edge = net.prefix < 31 && (address === net.first || address === net.last);
      expect(isNetworkOrBroadcast(cidr(net.text), text(address))).toBe(edge);
    }),
  );
});

test('the host part of 0.0.0.x leads to the address x above the first', () => {
  fc.assert(
    fc.property(network, fc.nat(), (net, any) => {
      const offset = any % size(net.prefix);
      expect(hostPart(cidr(net.text), text(offset))).toBe(offset);
      expect(addressAt(cidr(net.text), offset)).toBe(text(net.first + offset));
    }),
  );
});

test('an address with network bits is no host part', () => {
  expect(hostPart(cidr('10.0.0.0/24'), '0.0.1.0')).toBeUndefined();
  expect(hostPart(cidr('10.0.0.0/24'), '10.0.0.1')).toBeUndefined();
});

test('addresses are ordered by their value', () => {
  const sorted = ['9.255.255.255', '10.0.0.9', '10.0.0.10', '10.100.0.0', '172.18.0.0'];
  expect([...sorted].reverse().sort(compareAddresses)).toEqual(sorted);
  fc.assert(
    fc.property(number, number, (one, other) => {
      expect(Math.sign(compareAddresses(text(one), text(other)))).toBe(Math.sign(one - other));
    }),
  );
});
