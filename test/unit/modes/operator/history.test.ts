import { afterEach, expect, test, vi } from 'vitest';
import { allHolders, isMistyped, readTime } from '../../../../src/modes/operator/commands/leases.ts';
import type { Holding } from '../../../../src/modes/operator-protocol.ts';

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

test.each(['172.18.1.300', '172.18.1', '172.18.01.2', '172.18.1.7/24', '2001:db8::g', 'fe80::1%eth0'])(
  '%s is a mistyped address, unless it is the name of a pod or container',
  (who) => expect(isMistyped(who)).toBe(true),
);

test.each(['172.18.1.30', '2001:DB8::1', 'web-1', 'shop/web-1.2', '3f2b9c', 'batch/job:7'])(
  '%s is no mistyped address',
  (who) => expect(isMistyped(who)).toBe(false),
);

test('a holder whose reservation is still on the grid is marked so, until it is returned', () => {
  const one = { address: '10.0.0.2', view: 'default', network: 'net-1', container: 'c1', interface: 'eth0' };
  const times = { from: '2026-01-02T03:04:05.000Z', recorded: '2026-01-02T03:04:05.000Z', overlaps: false };
  const ended = { ...one, ...times, until: '2026-01-02T04:04:05.000Z', releasedBy: 'DEL', returned: null };
  const text = (holding: Holding) => allHolders('10.0.0.2', [holding], '2026-01-01T00:00:00.000Z');
  expect(text(ended)).toMatch(/NOTE\n.* not returned to the grid yet\n/);
  for (const over of [{ returned: '2026-01-02T04:04:06.000Z' }, { until: null, releasedBy: null }]) {
    expect(text({ ...ended, ...over })).not.toMatch(/NOTE|returned/);
  }
});
