import { describe, expect, test } from 'vitest';
import { readNetworkConfig } from '../../../src/cni/call.ts';
import { readEnvironment } from '../../../src/cni/environment.ts';
import { codeOr, expectAsVector, nameCases } from '../../fixture/cni-vectors.ts';

const env = { CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'c0ffee', CNI_IFNAME: 'eth0', CNI_NETNS: '/run/netns/x' };

const lists = {
  containerID: (value: string) => readEnvironment({ ...env, CNI_CONTAINERID: value }).containerId,
  ifName: (value: string) => readEnvironment({ ...env, CNI_IFNAME: value }).ifName,
  networkName: (value: string) => readNetworkConfig(Buffer.from(JSON.stringify({ name: value }))).name,
} as const;

for (const list of ['containerID', 'ifName', 'networkName'] as const) {
  describe(`${list} is accepted or refused like by the reference`, () => {
    test.each(nameCases[list].map((row) => ({ ...row, title: JSON.stringify(row.value).slice(0, 60) })))(
      '$title',
      ({ value, valid, code }) => {
        const actual = codeOr(() => lists[list](value));
        expectAsVector('names', `${list} ${JSON.stringify(value)}`, actual, valid ? value : code);
      },
    );
  });
}

test('a refused name is quoted, and cut off if it is long', () => {
  const value = `${'x'.repeat(500)}!`;
  expect(() => lists.containerID(value)).toThrow(/^invalid CNI_CONTAINERID "x{80}\.\.\."$/);
});

describe('an interface name', () => {
  test.each([
    ['that was not UTF-8, which Node shows as U+FFFD', 'eth\u{FFFD}', 'must be valid UTF-8'],
    ['with half a surrogate pair, as JSON can hold it', 'eth\u{D800}', 'must be valid UTF-8'],
    ['with a control character', 'a\u{1}b', 'holds no control characters'],
    ['with DEL', 'a\u{7F}', 'holds no control characters'],
    ['with a control character of Latin-1', 'a\u{9F}', 'holds no control characters'],
    ['with a byte that the kernel takes for a space', '\u{E0}0', 'holds no character with the byte A0'],
  ])('%s is refused by every command that takes one', (_, ifName, why) => {
    for (const command of ['ADD', 'DEL', 'CHECK']) {
      expect(() => readEnvironment({ ...env, CNI_COMMAND: command, CNI_IFNAME: ifName })).toThrow(
        expect.objectContaining({ code: 4, details: expect.stringContaining(why) }),
      );
    }
  });
});
