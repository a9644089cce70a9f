import { expect, test } from 'vitest';
import { screen } from '../../../../src/modes/operator/commands/status.ts';
import { aBlockRecord, aStatus, now } from '../../../fixture/a-status.ts';

const condition = (kind: string, message: string) => ({ kind, subject: '', message, hint: null, since: now - 60_000 });

test('a renamed host shows the former names that no other machine may use yet', () => {
  const lines = screen(aStatus({ formerNames: ['m'] }), now).split('\n');
  expect(lines).toContain('host     n in c, driver infoblox; has leases as m: no other host may use these names');
});

test('many conditions of one kind fit on a screen', () => {
  const lost = Array.from({ length: 900 }, (_, n) => condition('reservation-lost', `10.0.0.2 of c${n} is lost`));
  const lines = screen(aStatus({ conditions: [...lost, condition('network-full', 'no address')] }), now).split('\n');
  expect(lines[0]).toBe('NOT WELL: reservation-lost, network-full');
  expect(lines.slice(lines.indexOf('Conditions') + 1, -1)).toEqual([
    ...Array.from({ length: 5 }, (_, n) => `  reservation-lost for 1m: 10.0.0.2 of c${n} is lost`),
    '  ... and 895 more of reservation-lost: --json has them all',
    '  network-full for 1m: no address',
  ]);
});

test('the blocks of this host and of a lost host are shown with their free addresses', () => {
  const blocks = [
    aBlockRecord(),
    aBlockRecord({
      first: '10.0.0.32',
      last: '10.0.0.39',
      state: 'waiting',
      free: 0,
      confirmedAt: null,
      expiresAt: null,
    }),
    aBlockRecord({
      host: 'host-9',
      state: 'draining',
      held: 0,
      resting: 0,
      free: 0,
      expiresAt: null,
      returnAt: now + 7_200_000,
    }),
  ];
  const lines = screen(aStatus({ blocks, blocksReleased: true }), now).split('\n');
  expect(lines).toContain('blocks   given back when they are empty, until release --blocks --undo');
  expect(lines.slice(lines.indexOf('Blocks') + 1, -1)).toEqual([
    'NETWORK  VIEW     ADDRESSES            STATE                         HELD  RESTING  FREE  CONFIRMED',
    'net-1    default  10.0.0.16-10.0.0.23  serving, 8m left                 2        1     5     2m ago',
    'net-1    default  10.0.0.32-10.0.0.39  waiting                          2        1     0          -',
    'net-1    default  10.0.0.16-10.0.0.23  draining, of host-9, 2h left     0        0     0     2m ago',
  ]);
});
