import { expect, test } from 'vitest';
import { attachmentMark } from '../../../../../src/infoblox/mark.ts';
import { rememberErrors } from '../../../../../src/modes/daemon/log/log.ts';

const silent = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };
const attachment = attachmentMark(
  { cluster: 'cluster-1', node: 'host-a' },
  { network: 'net-1', containerId: 'c1', ifName: 'eth0' },
);

test.each([
  ['a call', { container: 'c1', error: 'no route', details: 'Look.' }, 'container c1: no route', 'Look.'],
  [
    'a lease',
    { attachment, address: '10.0.0.2', reason: 'taken', hint: 'stop it' },
    'container c1: 10.0.0.2: taken',
    'stop it',
  ],
  ['neither', { error: 'no route' }, 'no route', null],
  ['nothing', {}, null, null],
])('an error with %s is remembered with its subject', (_, fields, error, hint) => {
  const { log, recentErrors } = rememberErrors(silent);
  log.error('it failed', fields);
  expect(recentErrors()).toEqual([{ at: expect.any(Number), message: 'it failed', error, hint }]);
});
