/** A look that is made for several leases is used for one only while it is as good as one of its own. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { reconcile } from '../../../../src/infoblox/lease/release/reconcile.ts';
import { SharedLooks } from '../../../../src/infoblox/lease/release/shared-looks.ts';
import { until } from '../../../fixture/host.ts';
import type { RequestRecord } from '../../../simulator/grid.ts';
import { inTime } from '../../wapi/session-fixture.ts';
import { type LeaseFixture, markOf, useLeases } from '../lease-fixture.ts';

const fixture = useLeases();
let leases: LeaseFixture;
/** Reconciles the lease of a container. */
let run: (container: string) => Promise<unknown>;

beforeEach(() => {
  leases = fixture();
  const { deps, store } = leases;
  const looks = new SharedLooks(deps, (limit, view) =>
    store.due({ now: Date.now(), horizon: Date.now() + 1e9, view }, limit),
  );
  run = (container) => reconcile(deps, markOf(container), inTime(), (lease, signal) => looks.of(lease, signal));
});
afterEach(() => {
  vi.restoreAllMocks();
});

const isShared = ({ query }: RequestRecord) => query['comment~']?.startsWith('^(') === true;
const requests = () => leases.grid.requests.map((request) => (isShared(request) ? 'shared' : request.method));
const printers = () => leases.grid.fixedAddresses().filter(({ comment }) => comment === 'printer');

function owe(...containers: string[]): void {
  for (const [n, container] of containers.entries()) leases.releasing(container, `10.0.0.${10 + n}`);
}

/** A stranger takes the address of a reservation that somebody has removed. */
function giveAway(address: string): void {
  const { grid } = leases;
  grid.remove(grid.fixedAddresses().find(({ ipv4addr }) => ipv4addr === address)?._ref ?? '');
  grid.add('fixedaddress', { ipv4addr: address, mac: '02:00:00:00:00:77', comment: 'printer' });
}

// A machine that stalls makes such a look too late, and each is looked for alone.
const retry = 2;

test('it is made once for all of them', { retry }, async () => {
  owe('c0', 'c1', 'c2', 'c3');
  for (const container of ['c0', 'c1', 'c2', 'c3']) await run(container);
  expect(requests()).toEqual(['shared', 'DELETE', 'DELETE', 'DELETE', 'DELETE']);
});

test('it is not used when it is older than a second', async () => {
  owe('c0', 'c1', 'c2', 'c3', 'c4');
  await run('c0');
  giveAway('10.0.0.11');
  const now = performance.now.bind(performance);
  vi.spyOn(performance, 'now').mockImplementation(() => now() + 1_001);
  await run('c1');
  expect(printers()).toHaveLength(1);
});

test('it is not used for a lease that somebody has written since', async () => {
  owe('c0', 'c1', 'c2', 'c3');
  await run('c0');
  giveAway('10.0.0.11');
  leases.store.apply(markOf('c1'), (lease) => lease && { ...lease, attempts: lease.attempts });
  await run('c1');
  expect(printers()).toHaveLength(1);
});

test('what was in doubt when the grid was asked is in doubt when it is used', async () => {
  const { grid } = leases;
  const begun = Date.now();
  const clock = vi.spyOn(Date, 'now').mockReturnValue(begun);
  leases.releasing('c0', '10.0.0.9', { deleteInDoubtUntil: begun + 200 });
  owe('c1', 'c2', 'c3', 'c4');
  const answered = Promise.withResolvers<void>();
  grid.inject({ when: isShared, effect: { kind: 'answer-late', after: answered.promise } });
  const first = run('c1');
  await until('the grid is asked', () => grid.requests.some(isShared));
  giveAway('10.0.0.9');
  clock.mockReturnValue(begun + 250);
  answered.resolve();
  await first;
  await run('c0');
  expect(printers()).toHaveLength(1);
});

test('whatever goes wrong with it, each is looked for alone', async () => {
  vi.spyOn(leases.deps.observer, 'lookTogether').mockRejectedValue(new TypeError('a mistake'));
  owe('c0', 'c1', 'c2', 'c3');
  for (const container of ['c0', 'c1', 'c2', 'c3']) await run(container);
  expect(leases.grid.fixedAddresses()).toEqual([]);
});

test('leases of other views are looked for apart', { retry }, async () => {
  owe('c0', 'c1', 'c2', 'c3');
  leases.grid.add('networkview', { name: 'theirs' });
  for (const [n, container] of ['d0', 'd1', 'd2', 'd3'].entries())
    leases.releasing(container, `10.0.0.${50 + n}`, { view: 'theirs' });
  await run('d0');
  await run('c0');
  const views = leases.grid.requests.filter(isShared).map(({ query }) => query.network_view);
  expect(views).toEqual(['theirs', 'default']);
});
