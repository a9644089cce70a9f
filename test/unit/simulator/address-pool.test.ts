import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AddressPool, type Span } from '../../simulator/store/address-pool.ts';
import { hostBounds, parseCidr } from '../../simulator/store/ipv4.ts';

const cidr = parseCidr('10.0.0.0/27');
if (!cidr) throw new Error('no network to test with');
const { first, last } = hostBounds(cidr);
const address = fc.integer({ min: first, max: last });
const step = fc.oneof(
  fc.record({ kind: fc.constant('take' as const), address }),
  fc.record({ kind: fc.constant('release' as const), address }),
  fc.record({ kind: fc.constant('range' as const), address, length: fc.integer({ min: 0, max: 9 }) }),
);

test('the pool agrees with a plain scan, whatever is taken, released and put into ranges', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.array(address, { maxLength: 5 }), (steps, exclude) => {
      const pool = new AddressPool(cidr);
      const held: number[] = [];
      const ranges: Span[] = [];
      for (const each of steps) {
        if (each.kind === 'take') {
          held.push(each.address);
          pool.take(each.address);
        } else if (each.kind === 'release') {
          const at = held.indexOf(each.address);
          if (at >= 0) {
            held.splice(at, 1);
            pool.release(each.address);
          }
        } else if (ranges.length > 1) {
          pool.removeRange(ranges.shift() ?? { first: 0, last: 0 });
        } else {
          const range = { first: each.address, last: Math.min(last, each.address + each.length) };
          ranges.push(range);
          pool.addRange(range);
        }
        pool.lowestFree(1);
      }
      const free: number[] = [];
      for (let candidate = first; candidate <= last; candidate++) {
        const inRange = ranges.some((range) => candidate >= range.first && candidate <= range.last);
        if (!inRange && !held.includes(candidate) && !exclude.includes(candidate)) free.push(candidate);
      }
      expect(pool.lowestFree(3, new Set(exclude))).toEqual(free.slice(0, 3));
    }),
  );
});
