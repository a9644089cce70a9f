/** Any input ends in an answer or a CniError. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseAddress, parseCidr } from '../../../src/cni/address.ts';
import { parseCniArgs, requestedAddresses } from '../../../src/cni/args.ts';
import { peekVersion, readNetworkConfig } from '../../../src/cni/call.ts';
import { readEnvironment } from '../../../src/cni/environment.ts';
import { parseNetconf, validAttachments } from '../../../src/cni/netconf.ts';
import { formatResult } from '../../../src/cni/result.ts';
import { requireVersion, supportedVersions } from '../../../src/cni/versions.ts';
import { codeOr } from '../../fixture/cni-vectors.ts';

const command = fc.constantFrom('ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION');
const mostlyRight = <T>(right: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 4, arbitrary: right }, { weight: 1, arbitrary: fc.jsonValue() });
const ip = fc.oneof(fc.ipV4(), fc.ipV6());
const cidr = fc.tuple(ip, fc.nat(140)).map(([host, prefix]) => `${host}/${prefix}`);
const route = fc.record(
  { dst: mostlyRight(cidr), gw: mostlyRight(ip), mtu: mostlyRight(fc.nat()), scope: mostlyRight(fc.nat(255)) },
  { requiredKeys: [] },
);
const ips = mostlyRight(fc.array(mostlyRight(fc.oneof(ip, cidr))));
const config = fc.record(
  {
    cniVersion: mostlyRight(fc.constantFrom(...supportedVersions)),
    name: mostlyRight(fc.constant('net')),
    type: mostlyRight(fc.constant('bridge')),
    isGateway: mostlyRight(fc.boolean()),
    ipam: mostlyRight(
      fc.record({ type: mostlyRight(fc.constant('x')), routes: mostlyRight(fc.array(mostlyRight(route))) }),
    ),
    runtimeConfig: mostlyRight(fc.record({ ips })),
    args: mostlyRight(fc.record({ cni: mostlyRight(fc.record({ ips })) })),
    prevResult: mostlyRight(fc.record({ ips: mostlyRight(fc.array(mostlyRight(fc.record({ address: cidr })))) })),
    'cni.dev/valid-attachments': fc.jsonValue(),
  },
  { requiredKeys: [] },
);

test('any bytes on stdin', () => {
  const bytes = fc.oneof(fc.uint8Array(), fc.string().map(encode), fc.json().map(encode));
  check(bytes, (stdin) => {
    codeOr(() => readNetworkConfig(Buffer.from(stdin)));
    peekVersion(Buffer.from(stdin));
  });
});

test('any network configuration, and the result of an accepted one', () => {
  check(fc.tuple(config, command, fc.string()), ([document, which, args]) => {
    const parsed = codeOr(() => {
      const netconf = parseNetconf(document, which as 'ADD');
      requestedAddresses(netconf, parseCniArgs(args));
      return netconf;
    });
    codeOr(() => validAttachments(document));
    if (typeof parsed === 'number') return;
    const { cniVersion, routes } = parsed;
    expect(formatResult({ ips: [{ address: '10.0.0.5/24' }], routes }, cniVersion)).toMatchObject({ cniVersion });
  });
});

test('any JSON value instead of a configuration', () => {
  check(fc.tuple(fc.dictionary(fc.string(), fc.jsonValue()), command), ([document, which]) => {
    codeOr(() => parseNetconf(document, which as 'ADD'));
  });
});

test('any environment', () => {
  const value = fc.option(fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('eth0', 'c0ffee')), {
    nil: undefined,
  });
  const variables = fc.record({
    CNI_COMMAND: fc.oneof({ weight: 4, arbitrary: command }, { weight: 1, arbitrary: fc.string() }),
    CNI_CONTAINERID: value,
    CNI_IFNAME: value,
    CNI_NETNS: value,
    CNI_ARGS: value,
    CNI_PATH: value,
  });
  check(variables, (env) => codeOr(() => readEnvironment(env)));
});

test('any CNI_ARGS, which never throw', () => {
  const pair = fc
    .tuple(fc.constantFrom('IP', 'K8S_POD_NAME', 'x', ''), fc.string())
    .map(([key, value]) => `${key}=${value}`);
  check(
    fc.oneof(
      fc.string(),
      fc.array(pair).map((pairs) => pairs.join(';')),
    ),
    (text) => {
      const args = parseCniArgs(text);
      codeOr(() => requestedAddresses({ runtimeIps: [], argsIps: [] }, args));
    },
  );
});

test('any version', () => {
  check(fc.tuple(fc.string(), command), ([version, which]) => codeOr(() => requireVersion(version, which as 'ADD')));
});

test('an IPv6 address is printed in its canonical form, and parsing that changes nothing', () => {
  check(fc.ipV6(), (text) => {
    const address = parseAddress(text);
    if (address?.family === 6) expect(`[${address.text}]`).toBe(new URL(`http://[${text}]`).hostname);
    expect(address && parseAddress(address.text)).toEqual(address);
    expect(address?.text).toBeDefined();
  });
});

test('any text instead of an address', () => {
  check(fc.oneof(fc.string(), cidr), (text) => {
    parseAddress(text);
    const parsed = parseCidr(text);
    if (parsed !== undefined) expect(parseCidr(parsed.text)).toEqual(parsed);
  });
});

function encode(text: string): Uint8Array {
  return Buffer.from(text);
}

function check<T>(arbitrary: fc.Arbitrary<T>, property: (value: T) => unknown): void {
  fc.assert(
    fc.property(arbitrary, (value) => {
      property(value);
    }),
    { numRuns: 500, interruptAfterTimeLimit: 10_000, markInterruptAsFailure: true },
  );
}
