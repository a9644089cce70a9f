import { beforeEach, expect, test } from 'vitest';
import { isWithin, parseCidr } from '../../../../src/infoblox/address.ts';
import { Conditions } from '../../../../src/infoblox/conditions.ts';
import { GridError } from '../../../../src/infoblox/errors.ts';
import type { Grid } from '../../../../src/infoblox/grid.ts';
import { NetworkUsage } from '../../../../src/infoblox/network/usage.ts';
import { ManualClock } from '../../../fixture/manual-clock.ts';

const network = (text: string, view = 'default') => ({
  cidr: parseCidr(text) ?? expect.fail(`${text} is no CIDR`),
  view,
});
const lease = (address: string, view = 'default') => ({ address, view });

let clock: ManualClock;
let conditions: Conditions;
let usage: NetworkUsage;
let known: ReturnType<typeof network>[];
let leased: ReturnType<typeof lease>[];
/** The networks of the grid in the view `default`, with their utilisation per mille. */
let onGrid: Map<string, number | undefined>;
let requests: number;

const utilization: Grid['utilization'] = async (place) => {
  requests += 1;
  for (const [text, tenths] of onGrid) {
    const { cidr } = network(text);
    const isMeant = 'cidr' in place ? place.cidr.text === text : isWithin(place.address, cidr);
    if (isMeant && place.view === 'default') return { cidr, tenths };
  }
  return undefined;
};

beforeEach(() => {
  clock = new ManualClock();
  conditions = new Conditions(clock);
  [known, leased] = [[], []];
  onGrid = new Map([
    ['10.0.0.0/24', 8],
    ['10.0.1.0/28', 71],
  ]);
  usage = new NetworkUsage({ grid: { utilization }, conditions, known: () => known, leased: () => leased, clock });
});

/** Refreshes. @returns the number of requests, and the networks known afterwards */
async function refreshed(): Promise<[number, string[]]> {
  requests = 0;
  await usage.refresh();
  return [requests, usage.all.map(({ cidr: { text }, total, used }) => `${text} ${used}/${total}`)];
}

test('the grid is asked once for each network that is known or has a lease, and again after five minutes', async () => {
  known = [network('10.0.0.0/24'), network('10.0.0.0/24')];
  leased = [lease('10.0.0.2'), lease('10.0.1.1'), lease('10.0.1.2')];
  const both = ['10.0.0.0/24 2/254', '10.0.1.0/28 1/14'];
  expect(await refreshed()).toEqual([2, both]);
  await clock.advance(299_000);
  expect(await refreshed()).toEqual([0, both]);
  await clock.advance(1_000);
  onGrid.set('10.0.0.0/24', 12);
  expect(await refreshed()).toEqual([2, ['10.0.0.0/24 3/254', '10.0.1.0/28 1/14']]);
});

test('one CIDR in two views is two networks, and a lease counts in its view', async () => {
  known = [network('10.0.0.0/24'), network('10.0.0.0/24', 'other')];
  leased = [lease('10.0.0.9', 'third')];
  expect(await refreshed()).toEqual([3, ['10.0.0.0/24 2/254']]);
});

test('an IPv6 network is found by a lease in it, and has no count', async () => {
  onGrid.set('fd00:18:1::/64', undefined);
  leased = [lease('fd00:18:1::2'), lease('10.0.0.2'), lease('10.0.0.9'), lease('fd00:18:1:0:aaaa::7')];
  expect(await refreshed()).toEqual([2, [`fd00:18:1::/64 undefined/${2 ** 64}`, '10.0.0.0/24 2/254']]);
});

test('a new network is asked for at once, and only that', async () => {
  known = [network('10.0.0.0/24')];
  await refreshed();
  known = [...known, network('10.0.1.0/28')];
  expect(await refreshed()).toEqual([1, ['10.0.0.0/24 2/254', '10.0.1.0/28 1/14']]);
});

test('fifty networks are asked for at most', async () => {
  known = Array.from({ length: 60 }, (_, index) => network(`10.1.${index}.0/24`));
  expect(await refreshed()).toEqual([50, []]);
  expect(await refreshed()).toEqual([0, []]);
});

test('the grid is asked only while it answers, and networks that it does not have are left out', async () => {
  known = [network('10.0.0.0/24'), network('10.9.0.0/24')];
  conditions.raise('grid-unavailable', new GridError('unreachable', 'cannot connect to the grid'));
  expect(await refreshed()).toEqual([0, []]);
  conditions.clear('grid-unavailable');
  expect(await refreshed()).toEqual([2, ['10.0.0.0/24 2/254']]);
});
