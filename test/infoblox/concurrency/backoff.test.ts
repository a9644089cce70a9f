import { expect, test } from 'vitest';
import { pauseBefore } from '../../../src/infoblox/concurrency/backoff.ts';

test('pauses double up to the longest', () => {
  const exact = { first: 100, longest: 1_000, spread: 0 };
  expect([0, 1, 2, 3, 4, 2_000].map((attempt) => pauseBefore(attempt, exact, Math.random))).toEqual([
    100, 200, 400, 800, 1_000, 1_000,
  ]);
});

test('hosts that failed together do not return together: each pause is a quarter more or less', () => {
  const pauses = Array.from({ length: 1_000 }, () => pauseBefore(0, { first: 1_000, longest: 1_000 }, Math.random));
  expect(Math.min(...pauses)).toBeGreaterThanOrEqual(750);
  expect(Math.max(...pauses)).toBeLessThanOrEqual(1_250);
  expect(new Set(pauses).size).toBeGreaterThan(100);
});
