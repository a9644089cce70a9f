import { describe, expect, test } from 'vitest';
import { type CniArgs, parseCniArgs, requestedAddresses } from '../../../src/cni/args.ts';
import { argsCases, expectAsVector } from '../../fixture/cni-vectors.ts';

const none = { runtimeIps: [], argsIps: [] };

describe('CNI_ARGS are parsed like the reference does, or more leniently', () => {
  test.each(argsCases)('$name', ({ name, args, error, values = {} }) => {
    expectAsVector('cni-args', name, parseCniArgs(args), error === undefined ? known(values) : 'refused');
  });
});

describe('the requested address is taken from the most explicit source', () => {
  const all = { runtimeIps: ['10.0.0.1'], argsIps: ['10.0.0.2/24', '10.0.0.7'] };

  test.each([
    ['the capability wins', all, { ip: '10.0.0.3' }, ['10.0.0.1']],
    [
      'args win over CNI_ARGS',
      { ...none, argsIps: ['10.0.0.2/24', 'FD00::0:7/64'] },
      { ip: '10.0.0.3' },
      ['10.0.0.2', 'fd00::7'],
    ],
    ['CNI_ARGS counts if it is the only source', none, { ip: '10.0.0.3/24' }, ['10.0.0.3']],
    ['nobody asks', none, {}, []],
    ['the ignored source is not checked', all, { ip: 'nonsense' }, ['10.0.0.1']],
  ])('%s', (_, netconf, args, expected) => {
    expect(requestedAddresses(netconf, args)).toEqual(expected);
  });

  test.each(['nonsense', '10.0.0.3=x', '10.0.0.3/33', '010.0.0.3', 'fe80::1%eth0'])('IP=%s is refused', (ip) => {
    const args = parseCniArgs(`IP=${ip}`);
    expect(() => requestedAddresses(none, args)).toThrow(expect.objectContaining({ code: 4 }));
  });

  test('the last IP counts, even an empty one', () => {
    expect(requestedAddresses(none, parseCniArgs('IP=10.0.0.3;IP=10.0.0.4'))).toEqual(['10.0.0.4']);
    expect(requestedAddresses(none, parseCniArgs('IP=10.0.0.3;IP='))).toEqual([]);
  });
});

test('keys like `constructor` and `__proto__` are ignored', () => {
  expect(parseCniArgs('constructor=x;__proto__=y;toString=z')).toEqual({});
});

/** Picks those values of the vector that this plugin reads. */
function known(values: Record<string, unknown>): CniArgs {
  const fields = {
    ip: values.IP,
    podName: values.K8S_POD_NAME,
    podNamespace: values.K8S_POD_NAMESPACE,
    podUid: values.K8S_POD_UID,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
