import { expect, test } from 'vitest';
import { judgeCertificate } from '../../../../../src/modes/operator/doctor/grid/certificate.ts';
import { like, linesOf } from '../verdict-lines.ts';

const now = Date.parse('2026-06-01T12:00:00Z');
const day = 86_400_000;
const facts = {
  ...{ subject: 'CN=gm', names: 'DNS:gm', key: 'sha256//abc', isKeyKnown: false },
  ...{ validFrom: now - day, validTo: now + 30.5 * day },
};
const valid = 'ok: the certificate is valid until 2026-07-02, for 30 more days';

test.each([
  ['verified', {}, ['ok: the certificate is trusted: CN=gm; DNS:gm', valid]],
  ['verified', { subject: '', names: '' }, ['ok: the certificate is trusted: without a name', valid]],
  ['pinned', { isKeyKnown: true }, ['ok: the public key is the known one, sha256//abc', valid]],
  ['pinned', {}, [/^warning: no public key is known yet; .* sha256\/\/abc -> compare it with the grid's$/, valid]],
  [
    'unverified',
    {},
    [/^warning: the certificate is not checked \(--ssl-verify=false\), .*: CN=gm; DNS:gm -> set --/, valid],
  ],
  [
    'verified',
    { validTo: now + 3.5 * day },
    [/^ok/, 'warning: the certificate expires on 2026-06-05, in 3 days -> renew it on the grid'],
  ],
  [
    'pinned',
    { validTo: now - day },
    [/^warning/, 'warning: the certificate has expired on 2026-05-31 -> renew it on the grid'],
  ],
  [
    'pinned',
    { validFrom: now + day },
    [/^warning/, /^warning: the certificate is not valid before 2026-06-02T.* -> check the clock/],
  ],
] as const)('%s, %j', (trust, differs, expected) => {
  const lines = linesOf(judgeCertificate({ ...facts, ...differs }, { trust, now }));
  expect(lines).toEqual(expected.map(like));
});
