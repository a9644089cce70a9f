import { expect, test } from 'vitest';
import { renderPage } from '../../../src/modes/page.ts';
import { aBlockRecord, aLeaseRecord, aStatus, now } from '../../fixture/a-status.ts';

const status = aStatus({
  node: 'host-a',
  networks: [{ name: 'net-1', view: 'default', cidr: '10.0.0.0/24', bound: 3, used: 200, total: 254 }],
});
const lease = aLeaseRecord();

test('text from outside never becomes markup', () => {
  const evil = '"><script>alert(1)</script>';
  const text = renderPage({
    status: {
      ...status,
      node: evil,
      conditions: [{ kind: evil, subject: evil, message: evil, hint: evil, since: now }],
      errors: [{ at: now, message: evil, error: evil, hint: evil }],
    },
    leases: [{ ...lease, containerId: evil, ifName: evil, network: evil, view: evil }],
    now,
  });
  expect(text).not.toContain('<script>alert');
  expect(text).toContain('&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;');
});

test('a network shows used, free and unknown addresses', () => {
  const rowOf = (used: number | null, total: number | null) => {
    const [network] = status.networks;
    if (network === undefined) throw new Error('no network');
    const text = renderPage({ status: { ...status, networks: [{ ...network, used, total }] }, leases: [], now });
    return [...(/<tr><td>net-1.*/.exec(text)?.[0].matchAll(/<td[^>]*>([^<]*)/g) ?? [])].map(([, cell]) => cell);
  };
  expect(rowOf(200, 254)).toEqual(['net-1', 'default', '10.0.0.0/24', '3', '200', '54']);
  expect(rowOf(null, null)).toEqual(['net-1', 'default', '10.0.0.0/24', '3', '-', '-']);
});

test('conditions come first, with their fix', () => {
  const conditions = [
    { kind: 'grid-unavailable', subject: '', message: 'no route', hint: 'check it', since: now - 5_000 },
  ];
  const text = renderPage({ status: { ...status, conditions }, leases: [lease], now });
  expect(text).toContain('<title>host-a: not well');
  expect(text).toMatch(/<strong>grid-unavailable<\/strong> for 5s: no route<br><em>fix: check it<\/em>/);
  expect(text.indexOf('grid-unavailable')).toBeLessThan(text.indexOf('Leases'));
});

test('a name that is too long for its column is shown in full as a tooltip', () => {
  const workload = 'a-namespace-with-a-long-name/a-deployment-7d9f8b6c5-x2x4z';
  const text = renderPage({ status, leases: [{ ...lease, workload }], now });
  expect(text).toContain(`<td class="long" title="${workload}">${workload}</td>`);
});

test('no character of a name reorders or hides text', () => {
  const text = renderPage({ status, leases: [{ ...lease, workload: 'web\u202e\u009b5m' }], now });
  expect(text).toContain('web\\u202e\\u009b5m');
});

test('an unverified grid is shown with the same fix as by the command', () => {
  const grid = { ...status.grid, trust: 'unverified' };
  expect(renderPage({ status: { ...status, grid }, leases: [], now })).toContain('set --ssl-verify to pin');
});

test('if there are blocks, a column distinguishes their addresses from those of the grid', () => {
  const titles = (leases: readonly (typeof lease)[]) =>
    [...renderPage({ status, leases, now }).matchAll(/<th[^>]*>([A-Z ]+)/g)].map(([, title]) => title);
  expect(titles([lease])).not.toContain('FROM');
  const ofBlock = aLeaseRecord({ inBlock: true, isOwed: true });
  expect(titles([lease, ofBlock])).toContain('FROM');
  const text = renderPage({ status: { ...status, blocks: [aBlockRecord()] }, leases: [lease, ofBlock], now });
  expect(text).toContain('<td>bound, owed</td><td>block</td>');
  expect(text).toContain('<h2>Blocks</h2>');
  expect(text).toContain('<td>10.0.0.16-10.0.0.23</td><td>serving, 8m left</td>');
});
