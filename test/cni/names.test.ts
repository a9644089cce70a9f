import { describe, expect, test } from 'vitest';
import { readNetworkConfig } from '../../src/cni/call.ts';
import { readEnvironment } from '../../src/cni/environment.ts';
import { codeOr, expectAsVector, nameCases } from './vectors.ts';

const env = { CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'c0ffee', CNI_IFNAME: 'eth0', CNI_NETNS: '/run/netns/x' };

const lists = {
  containerID: (value: string) => readEnvironment({ ...env, CNI_CONTAINERID: value }).containerId,
  ifName: (value: string) => readEnvironment({ ...env, CNI_IFNAME: value }).ifName,
  networkName: (value: string) => readNetworkConfig(Buffer.from(JSON.stringify({ name: value }))).name,
} as const;

for (const list of ['containerID', 'ifName', 'networkName'] as const) {
  describe(`${list} is judged as by the reference`, () => {
    test.each(nameCases[list].map((row) => ({ ...row, title: JSON.stringify(row.value).slice(0, 60) })))(
      '$title',
      ({ value, valid, code }) => {
        const actual = codeOr(() => lists[list](value));
        expectAsVector('names', `${list} ${JSON.stringify(value)}`, actual, valid ? value : code);
      },
    );
  });
}

test('a refused name is shown, cut off where it is long', () => {
  const value = `${'x'.repeat(500)}!`;
  expect(() => lists.containerID(value)).toThrow(/^invalid CNI_CONTAINERID "x{80}\.\.\."$/);
});
