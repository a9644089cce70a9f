import { describe, expect, test } from 'vitest';
import { CniError } from '../../src/cni/errors.ts';
import { type AddResult, formatResult } from '../../src/cni/result.ts';
import { decodeVersion, requireVersion, supportedVersions } from '../../src/cni/versions.ts';
import { readAddStdout } from './reference-caller.ts';
import { expectAsVector, type ResultCase, resultCases, stdoutCases } from './vectors.ts';

const asked = resultCases[0]?.versions?.map(({ cniVersion }) => cniVersion) ?? [];

describe('an ADD result becomes in each version what the reference makes of it', () => {
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

describe('the model of a main plugin reads a result as the recorded ones did', () => {
  test.each(stdoutCases)('$name', ({ ipamStdout, netconfVersion, error, asCurrent, ipCount }) => {
    if (error !== undefined) {
      expect(() => readAddStdout(ipamStdout, netconfVersion)).toThrow();
      return;
    }
    expect(readAddStdout(ipamStdout, netconfVersion)).toEqual({ asCurrent, ipCount });
  });
});

describe('a main plugin accepts what we print and finds the same in it', () => {
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

test('a result is not printed with an address that its reader would refuse, in any version', () => {
  for (const version of supportedVersions) {
    for (const address of ['10.20.0.5', '10.20.0.5/33', '010.20.0.5/24', 'fe80::1%eth0/64', '']) {
      expect(() => formatResult({ ips: [{ address }] }, version), address).toThrow(CniError);
    }
    const gateway = '10.20.0.1/24';
    expect(() => formatResult({ ips: [{ address: '10.20.0.5/24', gateway }] }, version)).toThrow(/"10.20.0.1\/24"/);
  }
});

/** Prints what the vector's input says, in the version asked for; 'refused' if that is an error of ours. */
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
