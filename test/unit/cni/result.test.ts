import { describe, expect, test } from 'vitest';
import { CniError } from '../../../src/cni/errors.ts';
import { type AddResult, formatResult, withNextHops } from '../../../src/cni/result.ts';
import { isAddResult } from '../../../src/cni/result-check.ts';
import { decodeVersion, requireVersion, supportedVersions } from '../../../src/cni/versions.ts';
import { expectAsVector, type ResultCase, resultCases, stdoutCases } from '../../fixture/cni-vectors.ts';
import { readAddStdout } from './reference-caller.ts';

const asked = resultCases[0]?.versions?.map(({ cniVersion }) => cniVersion) ?? [];

describe('an ADD result is converted to each version like by the reference', () => {
  test.each(resultCases)('$name', ({ name, input, decodeError, versions }) => {
    const actual = Object.fromEntries(asked.map((version) => [version, print(input, version)]));
    const vector = Object.fromEntries(
      asked.map((version) => {
        const row = versions?.find(({ cniVersion }) => cniVersion === version);
        return [version, decodeError || row?.error || row === undefined ? 'refused' : row.json];
      }),
    );
    expectAsVector('results', name, actual, vector);
  });
});

describe('the plugin passes on to a main plugin', () => {
  const given: AddResult = {
    ips: [
      { address: '10.20.0.5/24', gateway: '10.20.0.1' },
      { address: '2001:db8::5/64', gateway: '2001:db8::1' },
    ],
    routes: [{ dst: '0.0.0.0/0', gw: '10.20.0.1', mtu: 1400 }, { dst: '2001:db8:1::/48' }],
  };

  test.each(supportedVersions)('the daemon’s result in %s, and no result of another version', (version) => {
    const printed = JSON.parse(JSON.stringify(formatResult(given, version)));
    expect(isAddResult(printed, version)).toBe(true);
    for (const other of supportedVersions) if (other !== version) expect(isAddResult(printed, other)).toBe(false);
  });

  const current = { cniVersion: '1.1.0', ips: [{ address: '10.20.0.5/24', gateway: '10.20.0.1' }] };
  const old = { cniVersion: '0.2.0', ip4: { ip: '10.20.0.5/24', gateway: '10.20.0.1' }, dns: {} };
  const ips = (...list: unknown[]) => ({ ...current, ips: list });
  const routes = (...list: unknown[]) => ({ ...current, routes: list });
  test.each<[string, unknown]>([
    ['a text', 'here'],
    ['nothing', null],
    ['an array', [current]],
    ['a result without an address', ips()],
    ['`ips` that is not an array', { ...current, ips: current.ips[0] }],
    ['an address without a prefix length', ips({ address: '10.20.0.5' })],
    ['an impossible prefix length', ips({ address: '10.20.0.5/33' })],
    ['a text that contains an address', ips({ address: '10.20.0.5/24\u001b[2J' })],
    ['an address in an array', ips({ address: ['10.20.0.5/24'] })],
    ['an interface, which only the main plugin knows', ips({ ...current.ips[0], interface: 0 })],
    ['a gateway outside the network', ips({ address: '10.20.0.5/24', gateway: '10.20.1.1' })],
    ['a gateway of the other family', ips({ address: '10.20.0.5/24', gateway: '2001:db8::1' })],
    ['a gateway outside the IPv6 network', ips({ address: '2001:db8::5/64', gateway: '2001:db8:0:1::1' })],
    ['a gateway that is not an address', ips({ address: '10.20.0.5/24', gateway: 7 })],
    ['a wrong address after a valid one', ips(current.ips[0], {})],
    ['a route without a valid destination', routes({ dst: 'default' })],
    ['a route without a valid next hop', routes({ dst: '0.0.0.0/0', gw: '10.20.0.1/24' })],
    ['a route with an attribute that is not a number', routes({ dst: '0.0.0.0/0', mtu: 'x' })],
    ['name servers', { ...current, dns: { nameservers: ['10.20.0.53'] } }],
    ['interfaces', { ...current, interfaces: [{ name: 'eth0' }] }],
    ['an IPv4 address as an IPv6 one, before 0.3.0', { ...old, ip4: undefined, ip6: old.ip4 }],
    ['no family, before 0.3.0', { cniVersion: '0.2.0', dns: {} }],
    ['a gateway outside the network, before 0.3.0', { ...old, ip4: { ...old.ip4, gateway: '10.20.1.1' } }],
  ])('never %s', (_, result) => {
    for (const version of ['0.2.0', '1.1.0'] as const) expect(isAddResult(result, version)).toBe(false);
  });
});

describe('the model of a main plugin reads a result like the recorded plugins', () => {
  test.each(stdoutCases)('$name', ({ ipamStdout, netconfVersion, error, asCurrent, ipCount }) => {
    if (error !== undefined) {
      expect(() => readAddStdout(ipamStdout, netconfVersion)).toThrow();
      return;
    }
    expect(readAddStdout(ipamStdout, netconfVersion)).toEqual({ asCurrent, ipCount });
  });
});

describe('a main plugin accepts the printed result and reads the same values', () => {
  const accepted = stdoutCases.filter(({ mainPluginVerdict }) => mainPluginVerdict === 'accepted');

  test.each(accepted)('$name', ({ netconfVersion, asCurrent }) => {
    const { interfaces: _, ...ofIpam } = JSON.parse(JSON.stringify(asCurrent, (key, value) => dropIndex(key, value)));
    const printed = print(ofIpam, netconfVersion);
    expect(readAddStdout(JSON.stringify(printed), netconfVersion).asCurrent).toEqual(ofIpam);
  });

  test.each(supportedVersions)('dual stack with routes, in %s', (version) => {
    const result: AddResult = {
      ips: [{ address: '10.20.0.5/24', gateway: '10.20.0.1' }, { address: '2001:db8::5/64' }],
      routes: [{ dst: '0.0.0.0/0' }, { dst: '2001:db8:1::/48', gw: '2001:db8::fe' }],
    };
    const { asCurrent } = readAddStdout(JSON.stringify(formatResult(result, version)), version);
    expect(asCurrent).toEqual({ cniVersion: '1.1.0', ...result });
  });
});

test('an address that a main plugin would refuse is printed in no version', () => {
  for (const version of supportedVersions) {
    for (const address of ['10.20.0.5', '10.20.0.5/33', '010.20.0.5/24', 'fe80::1%eth0/64', '']) {
      expect(() => formatResult({ ips: [{ address }] }, version), address).toThrow(CniError);
    }
    const gateway = '10.20.0.1/24';
    expect(() => formatResult({ ips: [{ address: '10.20.0.5/24', gateway }] }, version)).toThrow(/"10.20.0.1\/24"/);
  }
});

test.each([
  ['without a next hop gets the gateway', { dst: '172.18.0.0/24' }, { dst: '172.18.0.0/24', gw: '10.0.0.1' }],
  ['that is the default route, too', { dst: '0.0.0.0/0' }, { dst: '0.0.0.0/0', gw: '10.0.0.1' }],
  ['keeps a next hop of its own', { dst: '172.18.0.0/24', gw: '10.0.0.9' }, { dst: '172.18.0.0/24', gw: '10.0.0.9' }],
  ['keeps its attributes', { dst: '10.0.0.0/8', mtu: 1400 }, { dst: '10.0.0.0/8', mtu: 1400, gw: '10.0.0.1' }],
  [
    'of global scope gets the gateway',
    { dst: '10.0.0.0/8', scope: 0 },
    { dst: '10.0.0.0/8', scope: 0, gw: '10.0.0.1' },
  ],
  ['on the link itself has no next hop', { dst: '10.9.0.0/16', scope: 253 }, { dst: '10.9.0.0/16', scope: 253 }],
  ['of IPv6 gets no IPv4 gateway', { dst: '2001:db8::/48' }, { dst: '2001:db8::/48' }],
])('a route %s', (_what, route, expected) => {
  expect(withNextHops([route], ['10.0.0.1', '10.0.0.2'])).toEqual([expected]);
});

test('routes stay unchanged if the network has no gateway', () => {
  const routes = [{ dst: '172.18.0.0/24' }, { dst: '10.0.0.0/8', gw: '10.0.0.9' }];
  expect(withNextHops(routes, [])).toEqual(routes);
});

/** Prints the vector's input in its version. @returns the document, or 'refused' for a CniError */
function print(input: ResultCase['input'], version: string): unknown {
  const { ips, routes, dns } = input as Partial<AddResult>;
  try {
    const result: AddResult = { ips: ips ?? [], ...(routes && { routes }), ...(dns && { dns }) };
    return formatResult(result, requireVersion(decodeVersion(version), 'ADD'));
  } catch (error) {
    if (error instanceof CniError) return 'refused';
    throw error;
  }
}

function dropIndex(key: string, value: unknown): unknown {
  return key === 'interface' ? undefined : value;
}
