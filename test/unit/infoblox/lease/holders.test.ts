/** Questions about the past: who held an address at all, and who held it at a time? */
import { describe, expect, test } from 'vitest';
import type { HistoryEntry } from '../../../../src/infoblox/lease/history.ts';
import { holdersAt, holdings } from '../../../../src/infoblox/lease/history.ts';
import { attachmentMark } from '../../../../src/infoblox/mark.ts';

/** Hours of a day, as milliseconds since 1970. */
const at = (hour: number) => Date.UTC(2026, 0, 6, hour);
const iso = (hour: number) => new Date(at(hour)).toISOString();

interface Times {
  readonly from: number | null;
  readonly recorded?: number;
  readonly until?: number;
  readonly returned?: number;
}

/** An entry; times are hours. */
function entry(containerId: string, { from, recorded, until, returned }: Times, view = 'default'): HistoryEntry {
  const attachment = { network: 'net-1', containerId, ifName: 'eth0' };
  return {
    ...{ address: '172.18.1.7', view, mark: attachmentMark({ cluster: 'c', node: 'n' }, attachment) },
    ...{ workload: { containerId, namespace: 'shop', pod: `pod-of-${containerId}` } },
    boundAt: from === null ? null : at(from),
    recordedAt: at(recorded ?? from ?? 0),
    releasedAt: until === undefined ? null : at(until),
    releasedBy: until === undefined ? null : 'DEL',
    returnedAt: returned === undefined ? null : at(returned),
  };
}

/** Returns the containers and their relation to the address at an hour. */
const then = (entries: readonly HistoryEntry[], hour: number) =>
  holdersAt(entries, at(hour)).holders.map(({ container, state }) => `${container} ${state}`);

test('a holder is reported with all that is known of it', () => {
  expect(holdings([entry('a', { from: 8, until: 14, returned: 15 })])).toEqual([
    {
      ...{ address: '172.18.1.7', view: 'default', network: 'net-1', container: 'a', interface: 'eth0' },
      ...{ namespace: 'shop', pod: 'pod-of-a', from: iso(8), recorded: iso(8), until: iso(14), releasedBy: 'DEL' },
      ...{ returned: iso(15), overlaps: false },
    },
  ]);
});

test('the container of an entry without workload, as of an imported lease, is taken from the mark', () => {
  const imported = { ...entry('a', { from: null, recorded: 8 }), workload: null };
  expect(holdings([imported])).toEqual([
    {
      ...{ address: '172.18.1.7', view: 'default', network: 'net-1', container: 'a', interface: 'eth0' },
      ...{ from: null, recorded: iso(8), until: null, releasedBy: null, returned: null, overlaps: false },
    },
  ]);
});

describe('of three holders, one after another', () => {
  const entries = [
    entry('a', { from: 8, until: 12, returned: 13 }),
    entry('b', { from: 14, until: 18, returned: 18 }),
    entry('c', { from: 20 }),
  ];

  test('the latest is listed first', () => {
    expect(holdings(entries).map(({ container }) => container)).toEqual(['c', 'b', 'a']);
  });

  test.each([
    [7, []],
    [8, ['a held']],
    [11, ['a held']],
    [12, ['a released']],
    [13, []],
    [14, ['b held']],
    [18, []],
    [20, ['c held']],
    [23, ['c held']],
  ])('at %i o’clock the holder was %j', (hour, expected) => expect(then(entries, hour)).toEqual(expected));

  test('a gap names the holders before and after', () => {
    expect(holdersAt(entries, at(19))).toMatchObject({
      ...{ at: iso(19), holders: [], before: { container: 'b', until: iso(18) }, after: { container: 'c' } },
    });
    expect(holdersAt(entries, at(12))).toMatchObject({ before: { container: 'a' }, after: { container: 'b' } });
    expect(holdersAt(entries, at(7))).not.toHaveProperty('before');
    expect(holdersAt(entries, at(11))).not.toHaveProperty('after');
  });
});

test('an address without history has no holder', () => {
  expect(holdings([])).toEqual([]);
  expect(holdersAt([], at(9))).toEqual({ at: iso(9), holders: [] });
});

describe('of a lease that was imported', () => {
  const entries = [entry('a', { from: null, recorded: 10, until: 12, returned: 12 }), entry('b', { from: 13 })];

  test.each([
    [9, ['a perhaps']],
    [10, ['a held']],
    [12, []],
    [13, ['b held']],
  ])('at %i o’clock: %j', (hour, expected) => expect(then(entries, hour)).toEqual(expected));

  test('the next holder is named if nothing is certain', () => {
    expect(holdersAt(entries, at(9))).toMatchObject({ after: { container: 'b' } });
    expect(holdersAt(entries, at(9))).not.toHaveProperty('before');
  });
});

describe('of a clock that was set back', () => {
  test('during a holding, both readings of the time are possible, and the time between is not', () => {
    const entries = [entry('a', { from: 14, until: 10, returned: 11 })];
    expect([9, 12, 14, 15].map((hour) => then(entries, hour))).toEqual([
      ['a perhaps'],
      [],
      ['a perhaps'],
      ['a perhaps'],
    ]);
    expect(holdings(entries)).toMatchObject([{ overlaps: true }]);
  });

  test('between two holdings, both are listed, and their overlap', () => {
    const entries = [
      entry('a', { from: 8, until: 14, returned: 14 }),
      entry('b', { from: 12, until: 16, returned: 16 }),
    ];
    expect(then(entries, 13)).toEqual(['a held', 'b held']);
    expect(holdings(entries)).toMatchObject([{ overlaps: true }, { overlaps: true }]);
  });
});

test('holdings in two views do not overlap, and both are listed', () => {
  const entries = [entry('a', { from: 8, until: 14 }), entry('b', { from: 9, until: 12 }, 'other')];
  expect(holdings(entries).map(({ overlaps }) => overlaps)).toEqual([false, false]);
  expect(then(entries, 10)).toEqual(['a held', 'b held']);
});

test('a holding that ends when the next begins does not overlap it', () => {
  const entries = [entry('a', { from: 8, until: 10, returned: 10 }), entry('a', { from: 10 })];
  expect(holdings(entries).map(({ overlaps }) => overlaps)).toEqual([false, false]);
  expect(then(entries, 10)).toEqual(['a held']);
});
