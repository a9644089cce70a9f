import { expect, test } from 'vitest';
import { noSandbox } from '../../../../../src/infoblox/host.ts';
import { warnOfUnseen } from '../../../../../src/modes/daemon/host/this-host.ts';

test('a namespace under /proc that is hidden from the daemon is warned of once, any other is not', () => {
  const warnings: unknown[] = [];
  const ignore = () => undefined;
  const log = { error: ignore, warn: (...line: unknown[]) => void warnings.push(line), info: ignore, debug: ignore };
  const own = `/proc/${process.pid}/ns/net`;
  const identify = (netns: string) => ({ ...noSandbox, netns, netnsId: netns === own ? '4:17' : null });
  const namespaces = warnOfUnseen({ identify, fate: () => 'unknown' }, log);
  for (const path of ['', '/run/netns/absent', own]) namespaces.identify(path);
  expect(warnings).toEqual([]);
  for (const netns of ['/proc/4194305/ns/net', '/proc/4194306/ns/net']) {
    expect(namespaces.identify(netns)).toEqual(identify(netns));
  }
  expect(warnings).toEqual([
    [
      expect.stringMatching(/^cannot see the network namespace/),
      expect.objectContaining({ netns: '/proc/4194305/ns/net' }),
    ],
  ]);
});
