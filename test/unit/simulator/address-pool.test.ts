import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hostBounds, parseCidr } from '../../simulator/store/address.ts';
import { AddressPool, type Span } from '../../simulator/store/address-pool.ts';

test.each(['10.0.0.0/27', 'fd00::/64'])(
  'the pool of %s agrees with a plain scan after any sequence of takes, releases and ranges',
  (text) => {
    const cidr = parseCidr(text) ?? expect.fail(`${text} is no network`);
    const { first } = hostBounds(cidr);
    const last = first + 29n;
    const address = fc.bigInt({ min: first, max: last });
    const step = fc.oneof(
      fc.record({ kind: fc.constant('take' as const), address }),
      fc.record({ kind: fc.constant('release' as const), address }),
      fc.record({ kind: fc.constant('range' as const), address, length: fc.bigInt({ min: 0n, max: 9n }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.array(address, { maxLength: 5 }), (steps, exclude) => {
        const pool = new AddressPool(cidr);
        const held: bigint[] = [];
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
            pool.removeRange(ranges.shift() ?? { first, last: first });
          } else {
            const range = {
              first: each.address,
              last: each.address + each.length < last ? each.address + each.length : last,
            };
            ranges.push(range);
            pool.addRange(range);
          }
          pool.lowestFree(1);
        }
        const free: bigint[] = [];
        for (let candidate = first; candidate <= last; candidate++) {
          const inRange = ranges.some((range) => candidate >= range.first && candidate <= range.last);
          if (!inRange && !held.includes(candidate) && !exclude.includes(candidate)) free.push(candidate);
        }
        expect(pool.lowestFree(3, new Set(exclude)).filter((one) => one <= last)).toEqual(free.slice(0, 3));
      }),
    );
  },
);
