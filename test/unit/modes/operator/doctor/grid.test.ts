import { describe, expect, test } from 'vitest';
import { GridError } from '../../../../../src/infoblox/errors.ts';
import { failure, ok } from '../../../../../src/modes/operator/doctor/check.ts';
import {
  judgeAttributes,
  judgeCertificate,
  judgeClock,
  judgeHosts,
  judgeLicenses,
  judgePermissions,
  judgeVersion,
  type Seen,
} from '../../../../../src/modes/operator/doctor/grid.ts';
import { like, linesOf } from './verdict-lines.ts';

const refusal = new GridError('permission', 'GET x: refused');

test.each([
  [true, ['2.3', '2.13.5', '2.9'], 'ok: 2.3; the grid serves up to 2.13.5'],
  [true, [], 'ok: 2.3'],
  [false, ['2.9', '2.13.5'], /^failure: the grid does not serve 2.3 -> set --wapi-version to 2\.13\.5, the newest/],
  [false, [], 'failure: the grid does not serve 2.3 -> set --wapi-version to one that it serves'],
])('WAPI version: served %s, of %j', (isServed, served, expected) => {
  expect(linesOf(judgeVersion('2.3', { isServed, served }))).toEqual([like(expected)]);
});

test.each([
  [undefined, 'ok: this user may not see them, and need not'],
  [[], 'ok: the grid shows none to this user'],
  [
    [
      ['DHCP', 'PERMANENT'],
      ['DNS', 'PERMANENT'],
      ['DHCP', 'PERMANENT'],
    ],
    'ok: DHCP, DNS',
  ],
  [[['dhcp', 'EXPIRED']], /^warning: the DHCP licence of the grid has expired -> renew it: /],
  [
    [
      ['DHCP', 'EXPIRED'],
      ['DHCP', 'NOT_EXPIRED'],
    ],
    'ok: DHCP',
  ],
  [[['DHCP', 'EXPIRING_SOON']], 'warning: DHCP expires soon -> renew it on the grid'],
  [[['DDI_TRIAL', 'NOT_EXPIRED']], 'ok: DDI_TRIAL'],
] as const)('licences: %j', (found, expected) => {
  const licenses = found?.map(([type, status]) => ({ type, status }));
  expect(linesOf(judgeLicenses(licenses))).toEqual([like(expected)]);
});

describe('permissions', () => {
  const seen = (differs: Readonly<Record<string, Seen>>) =>
    new Map<string, Seen>(Object.entries({ networkview: true, network: false, networkcontainer: true, ...differs }));
  test.each<
    [string, Readonly<Record<string, Seen>>, { allocates: boolean; takesBlocks?: boolean }, (string | RegExp)[]]
  >([
    ['all', {}, { allocates: true }, ['ok: may read networkview, network, networkcontainer']],
    [
      'no networks',
      { network: refusal },
      { allocates: false },
      [
        'ok: may read networkview, networkcontainer',
        /^failure: cannot read network: GET x: refused -> give the user of --wapi-username permission to read network /,
      ],
    ],
    [
      'no containers, if networks are allocated',
      { networkcontainer: refusal },
      { allocates: true },
      ['ok: may read networkview, network', /^failure: cannot read networkcontainer: /],
    ],
    [
      'no containers, if no networks are allocated',
      { networkcontainer: refusal },
      { allocates: false },
      ['ok: may read networkview, network', 'ok: cannot read networkcontainer, which is not needed'],
    ],
    [
      'none of the optional ones',
      { ipv4address: refusal },
      { allocates: true },
      ['ok: may read networkview, network, networkcontainer', /^ok: cannot read ipv4address, which is optional: /],
    ],
    [
      'none for IPv6',
      { ipv6fixedaddress: refusal, ipv6networkcontainer: refusal, ipv6address: refusal },
      { allocates: false },
      [
        'ok: may read networkview, network, networkcontainer',
        /^failure: cannot read ipv6fixedaddress: GET x: refused -> give the user .* permission to read ipv6fixedaddress /,
        'ok: cannot read ipv6networkcontainer, which is not needed',
        /^ok: cannot read ipv6address, which is optional: /,
      ],
    ],
    [
      'no ranges, if blocks are taken',
      { range: refusal, ipv4address: refusal },
      { allocates: true, takesBlocks: true },
      [
        'ok: may read networkview, network, networkcontainer',
        'warning: cannot read range, so this host gets no blocks: GET x: refused -> give the user of --wapi-username permission to read, create and delete ranges (docs/grid.md, Permissions)',
        /^warning: cannot read ipv4address, so this host gets no blocks: /,
      ],
    ],
    [
      'no ranges, if no blocks are taken',
      { range: refusal },
      { allocates: true },
      ['ok: may read networkview, network, networkcontainer', /^ok: cannot read range, which is optional: /],
    ],
    [
      'none at all, as an empty list of views shows',
      { networkview: false, networkcontainer: false },
      { allocates: true },
      [/^failure: the grid shows no network view to this user, though every grid has one -> give the user/],
    ],
  ])('%s', (_, differs, needs, expected) => {
    const lines = linesOf(judgePermissions(seen(differs), { takesBlocks: false, ...needs }));
    expect(lines).toEqual(expected.map(like));
  });
});

test.each<[readonly string[] | undefined, string[], (string | RegExp)[]]>([
  [undefined, [], ['ok: this user may not see which are defined: they are tried']],
  [[], ['Site'], ['ok: the grid shows none to this user: they are tried']],
  [['VM ID', 'Other'], [], ['ok: defined: VM ID', 'ok: not defined, and left out: Tenant ID']],
  [['VM ID', 'Tenant ID', 'Site'], ['Site'], ['ok: defined: VM ID, Tenant ID, Site']],
  [
    ['VM ID', 'Tenant ID'],
    ['Site'],
    [
      'ok: defined: VM ID, Tenant ID',
      'warning: --labels names attributes that the grid does not define: Site -> define it with ea-defs --create, or take it out of --labels',
    ],
  ],
])('attributes: defined %j, labels %j', (defined, labels, expected) => {
  const written = ['VM ID', 'Tenant ID', ...labels];
  expect(linesOf(judgeAttributes(defined, { written, labels }))).toEqual(expected);
});

const now = 1_800_000_000_000;
/** An answer of the grid, read by a clock that is `ahead` of the grid's. Both in milliseconds. */
const reading = (ahead: number, took = 100) => ({
  sent: now - took,
  received: now,
  grid: now - took / 2 - ahead - 500,
});

test.each([
  [[], 'ok: the grid does not report its time'],
  [[reading(0)], "ok: within 1 s of the grid's"],
  [[reading(-4_000)], "ok: within 4 s of the grid's"],
  [[reading(60_000)], /^warning: this host's clock is 60 s ahead of the grid's -> set both by NTP/],
  [[reading(-3_600_000)], /^failure: this host's clock is 3600 s behind the grid's -> set both by NTP/],
  [[reading(30_000, 60_000), reading(0)], "ok: within 1 s of the grid's"],
])('clock: %j', (readings, expected) => {
  expect(linesOf(judgeClock(readings))).toEqual([like(expected)]);
});

describe('a grid host that cannot be used', () => {
  const down = [failure('refused', 'look')];
  const up = [ok('the certificate is trusted'), ok('the certificate is valid')];

  test('is a warning while another host can be used', () => {
    expect(linesOf(judgeHosts([down, up]))).toEqual(['warning: refused -> look', ...linesOf(up)]);
  });
  test('is a failure if it is the only host, or no host can be used', () => {
    for (const hosts of [[down], [down, down]]) expect(judgeHosts(hosts)).toEqual(hosts.flat());
  });
});

const noon = Date.parse('2026-06-01T12:00:00Z');
const day = 86_400_000;
const certificate = {
  subject: 'O=Example\nCN=gm',
  subjectAltName: 'DNS:gm',
  validFromDate: new Date(noon - day),
  validToDate: new Date(noon + 30.5 * day),
};
const valid = 'ok: the certificate is valid until 2026-07-02, for 30 more days';

test.each([
  ['verified', {}, ['ok: the certificate is trusted: O=Example, CN=gm; DNS:gm', valid]],
  ['verified', { subject: '', subjectAltName: undefined }, ['ok: the certificate is trusted: without a name', valid]],
  ['pinned', { isKeyNew: false }, ['ok: the public key is the known one, sha256//abc', valid]],
  ['pinned', {}, [/^warning: no public key is known yet; .* sha256\/\/abc -> compare it with the grid's$/, valid]],
  [
    'unverified',
    {},
    [/^warning: the certificate is not checked \(--ssl-verify=false\), .*: O=Example, CN=gm; DNS:gm -> set --/, valid],
  ],
  [
    'verified',
    { validToDate: new Date(noon + 3.5 * day) },
    [/^ok/, 'warning: the certificate expires on 2026-06-05, in 3 days -> renew it on the grid'],
  ],
  [
    'pinned',
    { validToDate: new Date(noon - day) },
    [/^warning/, 'warning: the certificate has expired on 2026-05-31 -> renew it on the grid'],
  ],
  [
    'pinned',
    { validFromDate: new Date(noon + day) },
    [/^warning/, /^warning: the certificate is not valid before 2026-06-02T.* -> check the clock/],
  ],
] as const)('certificate: %s, %j', (trust, differs, expected) => {
  const context = { key: 'sha256//abc', isKeyNew: true, trust, now: noon, ...differs };
  const lines = linesOf(judgeCertificate({ ...certificate, ...differs }, context));
  expect(lines).toEqual(expected.map(like));
});
