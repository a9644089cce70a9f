/** The plugin understands every recorded call of real main plugins and of a real runtime. */
import { describe, expect, test } from 'vitest';
import { parseCniArgs, requestedAddresses } from '../../../src/cni/args.ts';
import { readNetworkConfig } from '../../../src/cni/call.ts';
import { readEnvironment } from '../../../src/cni/environment.ts';
import { parseNetconf } from '../../../src/cni/netconf.ts';
import { requireVersion } from '../../../src/cni/versions.ts';
import { recordedCalls } from '../../fixture/cni-vectors.ts';

test('calls of every command that main plugins forward are recorded', () => {
  expect(new Set(recordedCalls.map(({ cmd }) => cmd))).toEqual(new Set(['ADD', 'CHECK', 'DEL', 'STATUS']));
});

describe('a recorded call yields its attachment and its network', () => {
  test.each(recordedCalls)('$title', ({ cmd, env, stdin }) => {
    const call = readEnvironment(env);
    const { cniVersion, name, config } = readNetworkConfig(Buffer.from(JSON.stringify(stdin)));
    const netconf = parseNetconf(config, call.command);

    expect(call.command).toBe(cmd);
    expect([call.containerId, call.ifName, call.netns]).toEqual([env.CNI_CONTAINERID, env.CNI_IFNAME, env.CNI_NETNS]);
    expect(call.containerId).toMatch(cmd === 'STATUS' ? /^$/ : /^(rec1|NAMESPACE-ID|SANDBOXID)$/);
    expect(name).toMatch(/^(recnet|goodnet)$/);
    expect(netconf).toMatchObject({
      cniVersion: requireVersion(cniVersion, call.command),
      name,
      ipam: stdin.ipam,
    });
    expect(requestedAddresses(netconf, parseCniArgs(call.args))).toEqual([]);
  });
});

describe('a recorded CHECK carries the address from the ADD', () => {
  test.each(recordedCalls.filter(({ cmd }) => cmd === 'CHECK'))('$title', ({ stdin }) => {
    const { prevResult } = parseNetconf(stdin, 'CHECK');
    expect(prevResult?.addresses).toContain('10.77.0.9/24');
  });
});

test('the pod is found in CNI_ARGS of any order', () => {
  const pods = recordedCalls
    .filter(({ env }) => env.CNI_CONTAINERID === 'SANDBOXID')
    .map(({ env }) => env.CNI_ARGS ?? '');
  expect(new Set(pods).size).toBeGreaterThan(1);
  for (const args of pods) {
    expect(parseCniArgs(args)).toEqual({ podName: 'POD', podNamespace: 'lab', podUid: 'UUID' });
  }
});
