import { expect, test } from 'vitest';
import type { Status } from '../../../src/modes/operator-protocol.ts';
import { conditionText, gridText, leasesText, sessionText } from '../../../src/modes/status-text.ts';

const now = Date.UTC(2026, 0, 2, 3, 4, 5);
const day = 86_400_000;
const grid: Status['grid'] = {
  ...{ hosts: ['gm', 'gmc'], inUse: 'gmc', answeredAt: now - 3_000, port: 443, wapiVersion: '2.3', user: 'cni' },
  ...{ trust: 'pinned', isLoggedIn: true, certificateEndsAt: now + 29.5 * day, clientCertificateEndsAt: null },
};

test.each<[string, Partial<Status['grid']>, string]>([
  ['the host in use of several', {}, 'gmc of gm, gmc, port 443: answered 3s ago; WAPI 2.3 as cni; key pinned'],
  [
    'a host that has not answered',
    { hosts: ['gm'], inUse: null, answeredAt: null },
    'gm, port 443: no answer since the start; WAPI 2.3 as cni; key pinned',
  ],
  [
    'no user',
    { hosts: ['gmc'], user: '' },
    'gmc, port 443: answered 3s ago; WAPI 2.3 as no user (--wapi-username is not set); key pinned',
  ],
  [
    'a client certificate alone',
    { hosts: ['gmc'], user: '', clientCertificateEndsAt: now },
    'gmc, port 443: answered 3s ago; WAPI 2.3 as the user of the client certificate; key pinned',
  ],
])('the grid, with %s', (_, other, text) => {
  expect(gridText({ ...grid, ...other }, now)).toBe(text);
});

test.each<[Partial<Status['grid']>, string]>([
  [{}, 'logged in; certificate of the grid until 2026-01-31, for 29 more days'],
  [{ isLoggedIn: false, certificateEndsAt: null }, 'not logged in'],
  [{ certificateEndsAt: now - day }, 'logged in; certificate of the grid EXPIRED on 2026-01-01'],
  [
    { certificateEndsAt: null, clientCertificateEndsAt: now + day },
    'logged in; client certificate until 2026-01-03, for 1 more day',
  ],
])('the session, with %j, is: %s', (other, text) => {
  expect(sessionText({ ...grid, ...other }, now)).toBe(text);
});

test('leases are counted by phase, with the age of the oldest release', () => {
  const leases = { bound: 7, owed: 0, pending: 1, resting: 0, releasing: 2 };
  expect(leasesText({ leases, oldestRelease: now - 120_000 }, now)).toBe(
    '7 bound, 1 pending, 2 releasing (the oldest for 2m)',
  );
  expect(leasesText({ leases, oldestRelease: null }, now)).toBe('7 bound, 1 pending, 2 releasing');
  expect(leasesText({ leases: { ...leases, resting: 3 }, oldestRelease: null }, now)).toBe(
    '7 bound, 1 pending, 3 resting, 2 releasing',
  );
  expect(leasesText({ leases: { ...leases, owed: 4 }, oldestRelease: null }, now)).toBe(
    '7 bound (4 owed to the grid), 1 pending, 2 releasing',
  );
});

test('a condition names its subject once', () => {
  const condition = { kind: 'network-full', hint: null, since: now };
  expect(conditionText({ ...condition, subject: 'net-1', message: 'no address' })).toBe('net-1: no address');
  expect(conditionText({ ...condition, subject: 'net-1', message: 'net-1 is full' })).toBe('net-1 is full');
});
