import { describe, expect, test } from 'vitest';
import { whyNameIsNeeded } from '../../../../src/modes/operator/commands/gc.ts';

const now = Date.parse('2026-01-07T12:00:00Z');
const minute = 60_000;
const aged = (...ages: (number | null)[]) => ages.map((age) => ({ reservedAt: age === null ? null : now - age }));

describe('the name of the host has to be typed', () => {
  test.each([
    ['all are older than an hour', aged(60 * minute, 900 * minute), undefined],
    ['there are none', [], undefined],
    [
      'one is younger than an hour',
      aged(900 * minute, 59 * minute),
      'it has reserved an address 59m ago, so it may be alive',
    ],
    ['one is dated in the future', aged(-5 * minute), 'it has reserved an address 0s ago, so it may be alive'],
    ['one is of unknown age', aged(900 * minute, null), /^the grid does not say when/],
    [
      'one is young and another of unknown age',
      aged(null, minute),
      'it has reserved an address 1m ago, so it may be alive',
    ],
  ])('if %s', (_, reservations, why) => {
    const needed = whyNameIsNeeded({ reservations, blocks: [] }, now);
    if (why instanceof RegExp) expect(needed).toMatch(why);
    else expect(needed).toBe(why);
  });

  test('if it has a block of addresses', () => {
    const blocks = [{ first: '10.0.0.16', size: 16, view: 'default', network: 'net-1' }];
    expect(whyNameIsNeeded({ reservations: aged(900 * minute), blocks }, now)).toMatch(/^it has blocks of addresses/);
  });
});
