import { expect, test } from 'vitest';
import { CniError } from '../../../../../src/cni/errors.ts';
import { GridError, type Reason } from '../../../../../src/infoblox/errors.ts';
import { asCniError, notAvailable } from '../../../../../src/modes/daemon/rpc/cni-errors.ts';

/** The CNI code for each reason. A missing reason does not compile. */
const table: Record<Reason, number> = {
  unreachable: 11,
  untrusted: 11,
  timeout: 11,
  busy: 11,
  'bad-answer': 11,
  'not-wapi': 11,
  'grid-fault': 11,
  'read-only': 11,
  unconfirmed: 11,
  credentials: 103,
  permission: 103,
  licence: 103,
  'wapi-version': 103,
  'unknown-attribute': 100,
  'attribute-not-allowed': 100,
  'attribute-value': 100,
  missing: 100,
  rejected: 100,
  conflict: 102,
  'network-conflict': 102,
  'no-free-address': 101,
  'no-free-network': 101,
  'address-unavailable': 105,
  'reservation-lost': 104,
  'invalid-spec': 7,
  state: 5,
};

test.each(Object.entries(table))('%s is error %i', (reason, code) => {
  const error = asCniError(new GridError(reason as Reason, 'what failed', { hint: 'what to do' }));
  expect(error).toMatchObject({ code, message: 'what failed', details: 'what to do' });
});

test('a CniError stays unchanged', () => {
  const error = new CniError(7, 'text', 'details');
  expect(asCniError(error)).toBe(error);
});

test.each([[new TypeError('x is not a function')], ['x is not a function']])(
  '%s is reported as an unexpected error',
  (thrown) => {
    expect(asCniError(thrown)).toMatchObject({
      code: 100,
      message: 'unexpected failure of the daemon: x is not a function',
      details: "see the daemon's log",
    });
  },
);

test('STATUS reports 50 for any reason that blocks the next ADD', () => {
  expect(notAvailable(new GridError('credentials', 'refused', { hint: 'check' }))).toMatchObject({
    ...{ code: 50, message: 'refused', details: 'check' },
  });
});
