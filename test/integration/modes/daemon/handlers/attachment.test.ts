/** The daemon repeats the checks of the plugin, as any program may write to the socket. */
import { describe, expect, test } from 'vitest';
import { errorOf, held, useGridAndHost } from '../../../infoblox/grid-and-host.ts';

const fixture = useGridAndHost();

const withResult = { config: { prevResult: { ips: [{ address: '10.0.0.2/24' }] } } };

describe.each(['ADD', 'DEL', 'CHECK'] as const)('%s', (command) => {
  test.each([
    ['x interface=eth0 y', 'eth0', 'invalid CNI_CONTAINERID "x interface=eth0 y"'],
    ['', 'eth0', 'invalid CNI_CONTAINERID ""'],
    ['../../etc', 'eth0', 'invalid CNI_CONTAINERID "../../etc"'],
    ['c1', 'eth0 y', 'invalid CNI_IFNAME "eth0 y"'],
    ['c1', 'eth\u{FFFD}', 'invalid CNI_IFNAME "eth\u{FFFD}"'],
    ['c1', 'a\u{1}b', 'invalid CNI_IFNAME "a\\u0001b"'],
    ['c1', 'longer-than-a-name-is', 'invalid CNI_IFNAME "longer-than-a-name-is"'],
  ])('of %j, interface %j, is refused', async (containerId, ifName, msg) => {
    const { grid, host } = fixture;
    const call = host.call(command, containerId, { ...withResult, ifName });
    expect(await errorOf(call)).toMatchObject({ code: 4, msg });
    expect(held(grid)).toEqual([]);
  });
});

test('GC and STATUS have no attachment', async () => {
  await fixture.host.add('c1');
  await fixture.host.call('STATUS', '../dummy', { ifName: 'a/b' });
  await fixture.host.call('GC', '../dummy', { ifName: 'a/b' });
});
