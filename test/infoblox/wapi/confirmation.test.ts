import { expect, test } from 'vitest';
import { GridError } from '../../../src/infoblox/errors.ts';
import { needsConfirmation, unconfirmed } from '../../../src/infoblox/wapi/confirmation.ts';
import type { Confirmation, Request } from '../../../src/infoblox/wapi/request.ts';

const missing = new GridError('missing', 'gone');
const refused = new GridError('rejected', 'no');

const read = (confirm?: Confirmation): Request => ({ method: 'GET', path: 'network', confirm });

/** What is asked for, what another host than the writer refuses it with, whether the writer is asked. */
test.each<[Confirmation | undefined, GridError | undefined, boolean]>([
  [undefined, undefined, false],
  [undefined, missing, false],
  ['answer', undefined, true],
  ['answer', missing, true],
  ['answer', refused, false],
])('to confirm: %s; answered: %s; the writer is asked: %s', (confirm, answer, asked) => {
  expect(needsConfirmation(read(confirm), { host: 'a', writer: 'b' }, answer)).toBe(asked);
  expect(needsConfirmation(read(confirm), { host: 'a', writer: undefined }, answer)).toBe(asked);
  expect(needsConfirmation(read(confirm), { host: 'a', writer: 'a' }, answer)).toBe(false);
});

test('an answer that nobody confirms names who answered, and who could not', () => {
  const cause = new GridError('unreachable', 'down');
  expect(unconfirmed(read('answer'), { host: 'a', writer: 'b' }, cause)).toMatchObject({
    ...{ reason: 'unconfirmed', outcome: 'none', cause },
    message:
      'GET network: a is not known to accept writes and may lack what was written last; b, which does, cannot be asked',
  });
  expect(unconfirmed(read('answer'), { host: 'a', writer: undefined }, undefined).message).toMatch(
    /; no host is known to$/,
  );
});
