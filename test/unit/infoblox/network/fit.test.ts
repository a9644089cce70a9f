import { expect, test } from 'vitest';
import { parseCidr } from '../../../../src/infoblox/address.ts';
import { misfit } from '../../../../src/infoblox/network/fit.ts';

const network = parseCidr('10.0.0.0/24') ?? expect.fail('no network');
const range = { first: '10.0.0.8', last: '10.0.0.15' };

test.each([
  ['10.0.0.1', { nextOf: network }, undefined],
  ['10.0.0.0', { nextOf: network }, 'which is not a host address of 10.0.0.0/24'],
  ['10.0.0.15', { nextOf: range }, undefined],
  ['10.0.0.16', { nextOf: range }, 'which is not a host address of 10.0.0.8-10.0.0.15'],
  ['10.0.0.1', { address: '10.0.0.2' }, 'asked for 10.0.0.2'],
])('%s as the answer to a request for %j: %s', (address, source, expected) => {
  expect(misfit({ address, view: 'default' }, { view: 'default', ...source })).toBe(expected);
});
