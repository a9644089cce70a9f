import { describe, expect, test } from 'vitest';
import { peekVersion, readNetworkConfig } from '../../../src/cni/call.ts';
import { CniCode, CniError, formatError } from '../../../src/cni/errors.ts';

describe('stdin that is not a network configuration gets a message of its own', () => {
  test.each([
    ['', CniCode.decode, 'is empty'],
    [' \n\t', CniCode.decode, 'is empty'],
    ['\uFEFF{"name":"net"}', CniCode.decode, 'starts with a byte order mark'],
    ['{"name":"net"', CniCode.decode, 'is not valid JSON'],
    ['{"name":"net"} trailing', CniCode.decode, 'is not valid JSON'],
    ['[]', CniCode.decode, 'is an array, not a JSON object'],
    ['"net"', CniCode.decode, 'is a string, not a JSON object'],
    ['7', CniCode.decode, 'is a number, not a JSON object'],
    ['null', CniCode.invalidConfig, 'has no name'],
    ['{"name":null}', CniCode.invalidConfig, 'has no name'],
    ['{"name":7}', CniCode.decode, 'name in the network configuration is not a string'],
    ['{"name":"a b"}', CniCode.invalidConfig, 'invalid network name "a b"'],
    ['{"name":"net","cniVersion":1}', CniCode.decode, 'cniVersion in the network configuration is not a string'],
    ['{"name":7,"cniVersion":1}', CniCode.decode, 'name in the network configuration is not a string'],
  ])('%j', (stdin, code, words) => {
    const error = failure(Buffer.from(stdin));
    expect(error.message).toContain(words);
    expect(error.code).toBe(code);
    expect(error.details).toMatch(/\.$/);
  });

  test('bytes that are not UTF-8', () => {
    const latin1 = Buffer.from('{"name":"net","x":"\xe4"}', 'latin1');
    expect(failure(latin1)).toMatchObject({ code: CniCode.decode, message: expect.stringContaining('is not UTF-8') });
  });

  test('endless nesting', () => {
    expect(failure(Buffer.from('['.repeat(500_000))).code).toBe(CniCode.decode);
  });
});

test('a configuration is passed on unchanged, and a missing version defaults to 0.1.0', () => {
  const config = { name: 'net', ipam: { type: 'infoblox' }, __proto__x: 1 };
  expect(readNetworkConfig(Buffer.from(JSON.stringify(config)))).toEqual({ cniVersion: '0.1.0', name: 'net', config });
});

test('the version of the caller is found, and invalid stdin has none', () => {
  expect(peekVersion(Buffer.from('{"cniVersion":"0.2.0"}'))).toBe('0.2.0');
  for (const stdin of ['', '{{{', '[]', 'null', '{}', '{"cniVersion":""}', '{"cniVersion":1}']) {
    expect(peekVersion(Buffer.from(stdin)), stdin).toBeUndefined();
  }
});

test('an error without details is printed without the field', () => {
  expect(formatError(new CniError(CniCode.io, 'cannot read stdin'), '1.1.0')).toEqual({
    cniVersion: '1.1.0',
    code: 5,
    msg: 'cannot read stdin',
  });
});

function failure(stdin: Buffer): CniError {
  try {
    readNetworkConfig(stdin);
  } catch (error) {
    if (error instanceof CniError) return error;
    throw error;
  }
  throw new Error('stdin was accepted');
}
