import { expect, test } from 'vitest';
import { hostClock } from '../../../../../src/infoblox/concurrency/clock.ts';
import { thisHost } from '../../../../../src/modes/daemon/host/this-host.ts';

test('only a hidden namespace under /proc causes a warning, once', () => {
  const warnings: unknown[] = [];
  const { identify } = thisHost({ clock: hostClock(), log: { warn: (...line) => void warnings.push(line) } });
  for (const path of ['', '/run/netns/absent', `/proc/${process.pid}/ns/net`]) identify(path);
  expect(warnings).toEqual([]);
  // Process IDs end at 2^22, see proc(5).
  for (const netns of ['/proc/4194305/ns/net', '/proc/4194306/ns/net']) {
    expect(identify(netns)).toMatchObject({ netns, netnsId: null });
  }
  expect(warnings).toEqual([
    [
      expect.stringMatching(/^cannot see the network namespace/),
      expect.objectContaining({ netns: '/proc/4194305/ns/net' }),
    ],
  ]);
});
