import { afterEach, expect, test, vi } from 'vitest';
import { readTime } from '../../../../src/modes/operator/commands/leases.ts';

afterEach(() => vi.unstubAllEnvs());

test.each([
  ['2026-01-02', '2026-01-01T15:00:00.000Z'],
  ['2026-01-02T15:04', '2026-01-02T06:04:00.000Z'],
  ['2026-01-02 15:04:05', '2026-01-02T06:04:05.000Z'],
  ['2026-01-02T15:04Z', '2026-01-02T15:04:00.000Z'],
  ['2026-01-02T15:04:05+01:00', '2026-01-02T14:04:05.000Z'],
])('in Tokyo %s means %s: local time, unless it names a zone', (text, time) => {
  vi.stubEnv('TZ', 'Asia/Tokyo');
  expect(new Date(readTime(text)).toISOString()).toBe(time);
});

test.each(['yesterday', '10:00', '2026-13-01', '2026-01-02T25:00', '1767366245000'])('%s is not a time', (text) => {
  expect(() => readTime(text)).toThrow(/must be a time such as/);
});
