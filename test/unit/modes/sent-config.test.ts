/** The part of a network configuration that the plugin sends: only what the daemon reads, within its limit of bytes. */
import { expect, test } from 'vitest';
import type { Command } from '../../../src/cni/environment.ts';
import { daemonPlace, sentConfig } from '../../../src/modes/sent-config.ts';

const config = {
  ...{ cniVersion: '1.1.0', name: 'net-1', type: 'bridge', bridge: 'br0', isGateway: true, dns: {} },
  ipam: { type: 'infoblox', 'network-view': 'v', subnet: '10.0.0.0/24', routes: [{ dst: '0.0.0.0/0' }] },
  runtimeConfig: { ips: ['10.0.0.5'], portMappings: [] },
  args: { cni: { ips: [], labels: [] }, other: 1 },
  prevResult: { cniVersion: '1.1.0', interfaces: [], ips: [{ address: '10.0.0.5/24' }] },
  'cni.dev/valid-attachments': [{ containerID: 'c1', ifname: 'eth0' }],
};
const sent = (command: Command, more: Record<string, unknown> = {}) =>
  JSON.parse(JSON.stringify(sentConfig(command, { ...config, ...more })));

test('the plugin sends the keys that the daemon reads for each command', () => {
  const { cniVersion, name, ipam, isGateway, prevResult } = config;
  const toGive = {
    cniVersion,
    name,
    ipam,
    isGateway,
    runtimeConfig: { ips: ['10.0.0.5'] },
    args: { cni: { ips: [] } },
  };
  const toRelease = { cniVersion, name, ipam: { type: 'infoblox', 'network-view': 'v' } };
  expect(sent('ADD')).toEqual(toGive);
  expect(sent('STATUS')).toEqual(toGive);
  expect(sent('CHECK')).toEqual({ ...toGive, prevResult: { ips: prevResult.ips } });
  expect(sent('DEL')).toEqual(toRelease);
  const list = 'cni.dev/valid-attachments';
  expect(sent('GC')).toEqual({ ...toRelease, [list]: config[list] });
});

test('a value of the wrong type is sent unchanged, so that the daemon can report it', () => {
  expect(sent('CHECK', { runtimeConfig: 7, args: 'x', prevResult: [] })).toMatchObject({
    runtimeConfig: 7,
    args: 'x',
    prevResult: [],
  });
  expect(sent('ADD', { args: { cni: 'x' } })).toMatchObject({ args: { cni: 'x' } });
});

const nested = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);
test.each([
  ['1 MiB of routes', { ipam: { ...config.ipam, routes: Array.from({ length: 350_000 }, () => ({})) } }],
  ['a long text', { runtimeConfig: { ips: ['1'.repeat(65_536)] } }],
  ['100,000 nested arrays', { ipam: { ...config.ipam, routes: nested } }],
])('%s is refused by ADD, CHECK and STATUS, but not by DEL and GC', (_, more) => {
  for (const command of ['ADD', 'CHECK', 'STATUS'] as const) {
    expect(() => sent(command, more), command).toThrow(
      expect.objectContaining({ code: 7, message: expect.stringContaining('is longer than 64 KiB') }),
    );
  }
  for (const command of ['DEL', 'GC'] as const) expect(sent(command, more), command).toMatchObject({ name: 'net-1' });
});

test.each<[string, Record<string, unknown>, string, string]>([
  ['no ipam', { ipam: undefined }, 'has no "ipam" object', 'Add "ipam"'],
  ['a list', { ipam: undefined, plugins: [] }, 'has no "ipam" object', 'one entry of its "plugins"'],
  ['no type', { ipam: {} }, 'ipam.type in the network configuration is not the name', '--driver-name'],
  ['a path as type', { ipam: { type: 'a/b' } }, 'ipam.type in the network configuration is not', '--driver-name'],
  ['a relative path', { ipam: { type: 'x', 'socket-dir': 'run' } }, 'ipam.socket-dir', '--socket-dir'],
])('a configuration with %s names no daemon', (_, more, message, details) => {
  const error = { code: 7, message: expect.stringContaining(message), details: expect.stringContaining(details) };
  expect(() => daemonPlace({ ...config, ...more })).toThrow(expect.objectContaining(error));
});
