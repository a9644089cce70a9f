import { expect, test } from 'vitest';
import { screen } from '../../../../src/modes/operator/commands/status.ts';
import type { Status } from '../../../../src/modes/operator-protocol.ts';

const now = 1_800_000_000_000;
const grid = {
  ...{ hosts: ['gm'], inUse: 'gm', answeredAt: now, port: 443, wapiVersion: '2.3', user: 'cni' },
  ...{ trust: 'verified', isLoggedIn: true, certificateEndsAt: null, clientCertificateEndsAt: null },
};
const status: Status = {
  ...{
    version: '1.0.0',
    commit: 'abc',
    startedAt: now - 5_000,
    cluster: 'c',
    node: 'n',
    formerNames: [],
    driver: 'infoblox',
  },
  ...{
    stateDir: '/state',
    grid,
    conditions: [],
    networks: [],
    leases: { pending: 0, bound: 0, resting: 0, releasing: 0 },
  },
  ...{ oldestRelease: null, errors: [] },
};
const condition = (kind: string, message: string) => ({ kind, subject: '', message, hint: null, since: now - 60_000 });

test('a renamed host names the earlier names that no other machine may have yet', () => {
  const lines = screen({ ...status, formerNames: ['m'] }, now).split('\n');
  expect(lines).toContain('host     n in c, driver infoblox; has leases as m: no other host may be called so');
});

test('a host with many conditions of one kind still fits a screen', () => {
  const lost = Array.from({ length: 900 }, (_, n) => condition('reservation-lost', `10.0.0.2 of c${n} is lost`));
  const lines = screen({ ...status, conditions: [...lost, condition('network-full', 'no address')] }, now).split('\n');
  expect(lines[0]).toBe('NOT WELL: reservation-lost, network-full');
  expect(lines.slice(lines.indexOf('Conditions') + 1, -1)).toEqual([
    ...Array.from({ length: 5 }, (_, n) => `  reservation-lost for 1m: 10.0.0.2 of c${n} is lost`),
    '  ... and 895 more of reservation-lost: --json has them all',
    '  network-full for 1m: no address',
  ]);
});
