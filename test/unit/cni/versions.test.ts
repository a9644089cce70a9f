import { describe, expect, test } from 'vitest';
import { decodeConfig } from '../../../src/cni/call.ts';
import { CniCode } from '../../../src/cni/errors.ts';
import {
  answerVersion,
  currentVersion,
  decodeVersion,
  isAtLeast,
  isSupported,
  requireVersion,
  supportedVersions,
  versionAnswer,
} from '../../../src/cni/versions.ts';
import { codeOr, expectAsVector, versionVectors } from '../../fixture/cni-vectors.ts';
import { readVersionStdout } from './reference-caller.ts';

test('every version of the reference is supported', () => {
  expect([...supportedVersions]).toEqual(versionVectors.all);
  expect(currentVersion).toBe(versionVectors.current);
});

describe('the version of a configuration is read like by the reference', () => {
  test.each(versionVectors.decode)('$stdin', ({ stdin, version }) => {
    const actual = codeOr(() => decodeVersion(decodeConfig(Buffer.from(stdin)).cniVersion));
    expectAsVector('versions', `decode ${stdin}`, actual, version ?? CniCode.decode);
  });
});

describe('only a numeric version can be compared', () => {
  test.each(versionVectors.parse)('$version', ({ version, error }) => {
    const code = codeOr(() => requireVersion(decodeVersion(version), 'CHECK'));
    if (error === undefined) expect(code).not.toBe(CniCode.decode);
    else expect(code).toBe(CniCode.decode);
  });
});

describe('versions are ordered like by the reference', () => {
  test.each(versionVectors.compare)('$a and $b', ({ a, b, aGreaterOrEqualB }) => {
    const [left, right] = [decodeVersion(a), decodeVersion(b)];
    if (isSupported(left) && isSupported(right)) {
      expect(isAtLeast(left, right)).toBe(aGreaterOrEqualB);
      return;
    }
    const refusal = aGreaterOrEqualB === undefined ? CniCode.decode : CniCode.incompatibleVersion;
    expect(codeOr(() => requireVersion(left, 'CHECK') && requireVersion(right, 'CHECK'))).toBe(refusal);
  });
});

describe('a configuration is served or refused like by a reference plugin that supports all versions', () => {
  const ours = versionVectors.reconcile.filter(({ pluginSupports }) => `${pluginSupports}` === `${supportedVersions}`);

  test('the vectors cover such plugins', () => expect(ours.length).toBeGreaterThan(supportedVersions.length));
  test.each(ours)('$configVersion', ({ configVersion, code }) => {
    expect(codeOr(() => requireVersion(configVersion, 'ADD'))).toBe(code ?? configVersion);
  });
});

describe('every version that a client may select from a list is served', () => {
  const selected = versionVectors.conflist.flatMap(({ selectedVersion }) => selectedVersion ?? []);
  test.each([...new Set(selected)])('"%s"', (version) => {
    expect(isSupported(requireVersion(decodeVersion(version), 'ADD'))).toBe(true);
  });
});

describe('the answer to VERSION', () => {
  test.each(versionVectors.versionOutput)(
    'is read like by the reference: $versionStdout',
    ({ versionStdout, supportedVersions: read }) => {
      if (read === undefined) expect(() => readVersionStdout(versionStdout)).toThrow();
      else expect(readVersionStdout(versionStdout)).toEqual(read);
    },
  );

  test.each([...supportedVersions, undefined, '', '9.9.9'])('can be read by a caller of %s', (caller) => {
    expect(readVersionStdout(JSON.stringify(versionAnswer(caller)))).toEqual(versionVectors.all);
  });

  test('names the version of the caller, or the newest if that is unknown', () => {
    expect(versionAnswer('0.2.0').cniVersion).toBe('0.2.0');
    expect(versionAnswer('1.2.0').cniVersion).toBe('1.1.0');
    expect(versionAnswer(undefined).cniVersion).toBe('1.1.0');
    expect(answerVersion('0.1.0')).toBe('0.1.0');
  });
});

test('the error for a refused version lists the supported ones', () => {
  expect(() => requireVersion('1.2.0', 'ADD')).toThrow(/asks for "1.2.0"/);
  expect(() => requireVersion('0.3.1', 'CHECK')).toThrow(/CHECK does not exist in 0.3.1/);
  expect(() => requireVersion('1.0.0', 'GC')).toThrow(
    expect.objectContaining({ details: expect.stringMatching(/1\.1\.0 or later/) }),
  );
});
