import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Interval, offsetIn, parseCidr, sizeOf } from '../../../../../src/infoblox/address.ts';
import { choosePlace, isLargeEnough, isUnusedEnough } from '../../../../../src/infoblox/lease/block/place.ts';

const cidrOf = (text: string) => parseCidr(text) ?? expect.fail('no CIDR');
const cidr = cidrOf('10.0.0.0/24');
const ground = { cidr, size: 16, ranges: [] as Interval[], kept: ['10.0.0.33'], shared: [] as Interval[] };
const all = (over: Partial<typeof ground> = {}) => {
  const found = new Set<string>();
  for (let step = 0; step < 1; step += 0.001) found.add(choosePlace({ ...ground, ...over }, step)?.first ?? 'none');
  return [...found];
};
const firsts = (...parts: number[]) => parts.map((part) => `10.0.0.${part}`);

describe('the place of a block', () => {
  test('is any aligned place without network address, broadcast address, gateway or range, all with equal chance', () => {
    expect(all()).toEqual(firsts(16, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224));
    expect(choosePlace(ground, 0)).toEqual({ first: '10.0.0.16', last: '10.0.0.31' });
    const ranges = [
      { first: '10.0.0.70', last: '10.0.0.100' },
      { first: '10.0.0.111', last: '10.0.0.111' },
    ];
    expect(all({ ranges })).toEqual(firsts(16, 48, 112, 128, 144, 160, 176, 192, 208, 224));
  });

  test('does not exist if less than a quarter of the network would stay outside all ranges', () => {
    const upTo = (last: number) => ({ ranges: [{ first: '10.0.0.1', last: `10.0.0.${last}` }] });
    expect(all(upTo(176))).toEqual(firsts(192, 208, 224));
    expect(all(upTo(177))).toEqual(['none']);
  });

  test('lies completely in the parts that hosts share, which blocks may fill', () => {
    const shared = [
      { first: '10.0.0.20', last: '10.0.0.66' },
      { first: '10.0.0.208', last: '10.0.0.254' },
    ];
    expect(all({ shared })).toEqual(firsts(48, 208, 224));
    expect(all({ shared: [{ first: '10.0.0.17', last: '10.0.0.46' }], size: 16 })).toEqual(['none']);
    const ranges = [{ first: '10.0.0.128', last: '10.0.0.239' }];
    expect(all({ shared: [{ first: '10.0.0.128', last: '10.0.0.255' }], ranges })).toEqual(firsts(240));
  });

  test('does not exist in a network that is too small for the size', () => {
    expect([isLargeEnough(cidr, 64), isLargeEnough(cidr, 128)]).toEqual([true, false]);
    expect(all({ size: 128 })).toEqual(['none']);
  });

  test('is found quickly in the largest network', () => {
    const large = {
      ...ground,
      cidr: cidrOf('10.0.0.0/8'),
      size: 8,
      kept: [],
      ranges: [{ first: '10.0.0.8', last: '10.127.255.255' }],
    };
    expect(choosePlace(large, 0)?.first).toBe('10.128.0.0');
  });

  test('in a /64 is aligned and has exactly the size', () => {
    const place = (random: number) => choosePlace({ ...ground, cidr: cidrOf('fd00:18:1::/64'), kept: [] }, random);
    expect(place(0)).toEqual({ first: 'fd00:18:1::10', last: 'fd00:18:1::1f' });
    const { first = '', last = '' } = place(0.7123456789) ?? {};
    expect([first.endsWith('0'), sizeOf({ first, last })]).toEqual([true, 16]);
  });

  test('never touches a range, whichever there are', () => {
    const range = fc.tuple(fc.nat(255), fc.nat(20)).map(([from, length]) => ({
      first: `10.0.0.${from}`,
      last: `10.0.0.${Math.min(from + length, 255)}`,
    }));
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.array(range, { maxLength: 8 }), random, fc.constantFrom(8, 16, 32, 64), (ranges, number, size) => {
        const place = choosePlace({ ...ground, ranges, size }, number);
        if (place === undefined) return;
        const [from, to] = [offsetIn(cidr, place.first), offsetIn(cidr, place.last)];
        expect([from % size, to - from + 1]).toEqual([0, size]);
        for (const { first, last } of [...ranges, { first: '10.0.0.33', last: '10.0.0.33' }]) {
          expect(offsetIn(cidr, last) < from || offsetIn(cidr, first) > to).toBe(true);
        }
      }),
    );
  });

  test('has at least three quarters of its addresses unused', () => {
    expect([isUnusedEnough(4, 16), isUnusedEnough(5, 16)]).toEqual([true, false]);
  });
});
