import { describe, expect, test } from 'vitest';
import { GridError } from '../../../../src/infoblox/errors.ts';
import { addressSets, requestedOf, setsText } from '../../../../src/infoblox/network/sets.ts';
import type { SpecInput } from '../../../../src/infoblox/network/spec.ts';

type Source = Partial<SpecInput>;
const common = { name: 'net-1', view: 'default', containers: '172.18.0.0/16', prefixLength: 24, keepFirst: false };
const setsOf = (...sets: readonly (readonly Source[])[]) =>
  addressSets(
    sets.map((set, outer) => set.map((one, inner) => ({ ...common, path: `ranges[${outer}][${inner}].`, ...one }))),
  );
const partOf = (source: Source) => setsOf([source])[0][0].part;

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof GridError) return `${error.message}. ${error.hint}`;
    throw error;
  }
  throw new Error('expected a refusal');
}

const subnet = '10.0.0.0/24';
const ends = (rangeStart: string, rangeEnd: string) => ({ subnet, rangeStart, rangeEnd });

describe('the part of a subnet', () => {
  test.each<[string, Source, string[], number]>([
    ['is the whole subnet by default', { subnet }, [], 0],
    ['is the configured range', ends('10.0.0.50', '10.0.0.199'), ['10.0.0.50-10.0.0.199'], 0],
    ['ends with the last host address', { subnet, rangeStart: '10.0.0.50' }, ['10.0.0.50-10.0.0.254'], 0],
    ['begins with the first host address', { subnet, rangeEnd: '10.0.0.50' }, ['10.0.0.1-10.0.0.50'], 0],
    ['lacks the excluded addresses', { subnet, exclude: ['10.0.0.9', '10.0.0.8-10.0.0.10', '10.0.0.128/30'] }, [], 7],
    [
      'keeps its bounds with up to 64 excluded addresses',
      { ...ends('10.0.0.1', '10.0.0.99'), exclude: ['10.0.0.0/26'] },
      ['10.0.0.1-10.0.0.99'],
      63,
    ],
    [
      'is split if more are excluded',
      { ...ends('10.0.0.1', '10.0.0.254'), exclude: ['10.0.0.5', '10.0.0.100-10.0.0.199', '10.0.0.220'] },
      ['10.0.0.1-10.0.0.99', '10.0.0.200-10.0.0.254'],
      2,
    ],
    [
      'ignores exclusions elsewhere',
      { ...ends('10.0.0.1', '10.0.0.99'), exclude: ['10.0.0.128/25'] },
      ['10.0.0.1-10.0.0.99'],
      0,
    ],
  ])('%s', (_, source, intervals, excluded) => {
    const part = partOf(source);
    expect(part.intervals.map(({ first, last }) => `${first}-${last}`)).toEqual(intervals);
    expect(part.excluded).toHaveLength(excluded);
  });
});

// biome-ignore format: a table reads as a table
test.each<[string, Source[][], string]>([
  ['an end that is not an address', [[ends('50', '10.0.0.99')]], 'ranges[0][0].rangeStart "50" is not an address. choose a host address of 10.0.0.0/24'],
  ['an end outside the subnet', [[ends('10.0.0.9', '10.0.1.9')]], 'ranges[0][0].rangeEnd 10.0.1.9 is outside the subnet 10.0.0.0/24. choose a host address of 10.0.0.0/24'],
  ['an end that is not a host address', [[ends('10.0.0.0', '10.0.0.9')]], 'ranges[0][0].rangeStart 10.0.0.0 is the network or broadcast address of 10.0.0.0/24. choose a host address of 10.0.0.0/24'],
  ['ends in the wrong order', [[ends('10.0.0.9', '10.0.0.8')]], 'ranges[0][0].rangeStart 10.0.0.9 lies behind ranges[0][0].rangeEnd 10.0.0.8. exchange the two'],
  ['a range without a subnet', [[{ rangeEnd: '10.0.0.9' }]], 'ranges[0][0].rangeEnd is set without a subnet. set ranges[0][0].subnet, or remove ranges[0][0].rangeEnd'],
  ['a malformed exclusion', [[{ subnet, exclude: ['10.0.0.1', 'x'] }]], 'ranges[0][0].exclude[1] "x" is not an address, range or network. write it as 10.0.0.5, 10.0.0.5-10.0.0.9 or 10.0.0.8/29'],
  ['an exclusion with host bits', [[{ subnet, exclude: ['10.0.0.9/29'] }]], 'ranges[0][0].exclude[0] "10.0.0.9/29" is not an address, range or network. write it as 10.0.0.5, 10.0.0.5-10.0.0.9 or 10.0.0.8/29'],
  ['an exclusion outside the subnet', [[{ subnet, exclude: ['10.0.1.1'] }]], 'ranges[0][0].exclude[0] 10.0.1.1 is outside the subnet 10.0.0.0/24. exclude addresses of 10.0.0.0/24 only'],
  ['an exclusion that ends before it begins', [[{ subnet, exclude: ['10.0.0.9-10.0.0.8'] }]], 'ranges[0][0].exclude[0] 10.0.0.9-10.0.0.8 ends before it begins. exchange the two addresses'],
  ['nothing left', [[{ ...ends('10.0.0.1', '10.0.0.9'), gateway: '10.0.0.1', exclude: ['10.0.0.2-10.0.0.9'] }]], 'ranges[0][0].exclude leaves no address of 10.0.0.1-10.0.0.9. exclude less, or choose a larger range'],
  ['a long list of exclusions beside a subnet', [[{ subnet, exclude: ['10.0.0.128/25'] }]], 'ranges[0][0].exclude names 127 addresses, more than 64 beside a subnet without a range. set ranges[0][0].rangeStart and ranges[0][0].rangeEnd: a range may have any number of exclusions'],
  ['subnets that overlap', [[{ subnet }], [{ subnet: '10.0.0.0/16' }]], 'ranges[1][0]: 10.0.0.0/16 overlaps ranges[0][0]: 10.0.0.0/24. choose subnets that do not overlap'],
  ['the same subnet twice', [[{ subnet }], [{ subnet }]], 'ranges[1][0]: 10.0.0.0/24 overlaps ranges[0][0]: 10.0.0.0/24. choose ranges that do not overlap'],
  ['ranges that overlap', [[ends('10.0.0.1', '10.0.0.9'), ends('10.0.0.9', '10.0.0.20')]], 'ranges[0][1]: 10.0.0.9-10.0.0.20 of 10.0.0.0/24 overlaps ranges[0][0]: 10.0.0.1-10.0.0.9 of 10.0.0.0/24. choose ranges that do not overlap'],
  ['a subnet of a container', [[{}], [{ subnet: '172.18.1.0/24' }]], 'ranges[1][0]: 172.18.1.0/24 overlaps ranges[0][0]: a /24 of 172.18.0.0/16. choose subnets that do not overlap'],
  ['two containers', [[{}], [{ containers: '10.0.0.0/8' }]], 'ranges[1][0]: a /24 of 10.0.0.0/8 is the second network container of its family. a network is found by its name, so name the subnets of all but one of them'],
  ['two families in a set', [[{ subnet }, { subnet: 'fd00:18:1::/64' }]], 'ranges[0][1].subnet fd00:18:1::/64 is of another family than 10.0.0.0/24 before it. give each family a set of its own: a container gets one address of each set'],
  ['a gateway that is not a host address', [[{ subnet, gateway: '10.0.0.255' }]], 'gateway 10.0.0.255 is the network or broadcast address of 10.0.0.0/24. choose a host address of 10.0.0.0/24'],
  ['too many sets', Array.from({ length: 17 }, (_, index) => [{ subnet: `10.0.${index}.0/24` }]), 'ranges has 17 sets with 17 sources, more than 16 or 64. leave some out: a container gets one address of each set'],
  ['too many sources', [Array.from({ length: 65 }, (_, index) => ({ subnet: `10.0.${index}.0/24` }))], 'ranges has 1 sets with 65 sources, more than 16 or 64. leave some out: a container gets one address of each set'],
])('%s is refused', (_, sets, message) => {
  expect(refusal(() => setsOf(...sets))).toBe(message);
});

test('two ranges of one subnet may be adjacent, and each source knows the subnets of the others', () => {
  const sets = setsOf([ends('10.0.0.1', '10.0.0.9'), { subnet: '10.0.1.0/24' }], [ends('10.0.0.10', '10.0.0.20')]);
  expect(sets.flat().map(({ others }) => others.map(({ text }) => text))).toEqual([
    ['10.0.1.0/24'],
    [subnet],
    ['10.0.1.0/24'],
  ]);
  expect(setsText(sets)).toBe(
    'network net-1 (10.0.0.1-10.0.0.9 of 10.0.0.0/24 or 10.0.1.0/24 and 10.0.0.10-10.0.0.20 of 10.0.0.0/24) in view default',
  );
});

describe('a requested address', () => {
  const sets = setsOf([ends('10.0.0.1', '10.0.0.9'), { subnet: '10.0.1.0/24' }], [ends('10.0.0.10', '10.0.0.20')]);

  test.each<[string[], (string | undefined)[]]>([
    [[], [undefined, undefined]],
    [['10.0.0.15'], [undefined, '10.0.0.15']],
    [
      ['10.0.0.15', '10.0.1.3'],
      ['10.0.1.3', '10.0.0.15'],
    ],
    [['10.0.0.99'], ['10.0.0.99', undefined]],
  ])('%j belongs to the set in which it lies', (addresses, expected) => {
    expect(requestedOf(sets, addresses)).toEqual(expected);
  });

  test.each<[string[], string]>([
    [['10.0.0.2', '10.0.1.2'], '10.0.0.2 and 10.0.1.2 are requested, and a container gets one address of that set'],
    [['10.9.0.2'], 'the requested address 10.9.0.2 lies in none of the subnets'],
    [['fd00::1'], 'the requested address fd00::1 lies in none of the subnets'],
    [
      ['10.0.0.2', '10.0.0.11', '10.0.0.12'],
      '3 addresses are requested (10.0.0.2, 10.0.0.11, 10.0.0.12), an attachment gets 2',
    ],
  ])('%j is refused', (addresses, message) => {
    expect(refusal(() => requestedOf(sets, addresses))).toContain(message);
  });
});
