import { expect, test } from 'vitest';
import { hostClock } from '../../../../src/infoblox/concurrency/clock.ts';
import { hostSandboxes } from '../../../../src/infoblox/lease/sandbox/sandbox.ts';
import { warnOfUnseen } from '../../../../src/modes/daemon/process/unseen-namespaces.ts';

test('a namespace under /proc that is hidden from the daemon is warned of once, any other is not', () => {
  const warnings: unknown[] = [];
  const ignore = () => undefined;
  const log = { error: ignore, warn: (...line: unknown[]) => void warnings.push(line), info: ignore, debug: ignore };
  const namespaces = warnOfUnseen(hostSandboxes(hostClock()), log);
  for (const path of ['', '/run/netns/absent', `/proc/${process.pid}/ns/net`]) namespaces.identify(path);
  expect(warnings).toEqual([]);
  // No process has this number (proc(5): at most 2^22).
  for (const netns of ['/proc/4194305/ns/net', '/proc/4194306/ns/net']) {
    expect(namespaces.identify(netns)).toEqual(hostSandboxes(hostClock()).identify(netns));
  }
  expect(warnings).toEqual([
    [
      expect.stringMatching(/^cannot see the network namespace/),
      expect.objectContaining({ netns: '/proc/4194305/ns/net' }),
    ],
  ]);
});
