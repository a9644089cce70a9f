import { afterEach, beforeEach, expect, test } from 'vitest';
import { Import } from '../../../../src/infoblox/lease/import.ts';
import { aLease, drop, put } from '../../../fixture/a-lease.ts';
import { until } from '../../../fixture/host.ts';
import { type LeaseFixture, markOf, useLeases } from './lease-fixture.ts';

const fixture = useLeases();
let leases: LeaseFixture;
let importer: Import;

beforeEach(() => {
  leases = fixture();
  importer = new Import(leases.deps);
});
// Stops before the fixture ends.
afterEach(() => importer.stop());

/** Lets the grid refuse to list reservations. @returns a function that ends the refusals */
const refuseReading = () => {
  const body = JSON.stringify({ Error: 'x', code: 'Client.Ibap.Proto', text: 'no' });
  const effect = { kind: 'status', status: 400, contentType: 'application/json', body } as const;
  return leases.grid.inject({ times: 99, type: 'fixedaddress', effect });
};
const isRefused = () => until('it has been refused', () => leases.warnings.length > 0);

test('a reservation of this host becomes a bound lease, as a container may use it', async () => {
  leases.reserve('c1', '10.0.0.2');
  leases.reserve('c2', '10.0.0.3', { comment: markOf('c2').replace('host-a', 'host-ab') });
  await importer.attempt();
  expect(leases.store.isWhole).toBe(true);
  expect(leases.store.get(markOf('c1'))).toMatchObject({ phase: 'bound', address: '10.0.0.2', network: 'net-1' });
  expect(leases.store.count('bound')).toBe(1);
  expect(leases.log).toMatchObject([
    { message: 'imported the reservations of this host from the grid', details: { count: 1 } },
  ]);
});

test.each([false, true])(
  'an IPv6 reservation of this host becomes a bound lease, too, if this user may see it (denied: %s)',
  async (isDenied) => {
    const { grid, store } = leases;
    leases.reserve('c1', '10.0.0.2');
    grid.add('ipv6network', { network: 'fd00:18:1::/64' });
    const duid = '00:04:6b:3a:11:5e:0c:52:4d:0e:9a:6b:1f:6d:2a:7c:55:01';
    grid.add('ipv6fixedaddress', { ipv6addr: 'fd00:18:1::2', duid, comment: markOf('c2') });
    if (isDenied) grid.denied.add('ipv6fixedaddress');
    await importer.attempt();
    expect(store.isWhole).toBe(true);
    expect(store.get(markOf('c1'))).toMatchObject({ phase: 'bound', address: '10.0.0.2' });
    expect(store.get(markOf('c2'))?.address).toBe(isDenied ? undefined : 'fd00:18:1::2');
  },
);

test('a lease that is known, being given or released meanwhile is unchanged', async () => {
  const { store, grid } = leases;
  for (const [index, name] of ['known', 'adding', 'released'].entries()) leases.reserve(name, `10.0.0.${index + 2}`);
  const known = aLease(markOf('known'), { phase: 'releasing', dueAt: 9 });
  put(store, known);
  leases.deps.adds.join(markOf('adding'), { variant: '', caller: 'a1b2' }, () => new Promise(() => {}));
  put(store, aLease(markOf('released'), { phase: 'releasing' }));
  const list = grid.hold({ method: 'GET', type: 'fixedaddress' });
  const attempt = importer.attempt();
  await list.arrived;
  drop(store, markOf('released'));
  list.release();
  await attempt;
  expect(store.isWhole).toBe(true);
  expect(store.where(({ network }) => network === 'net-1')).toEqual([known]);
});

test('a live attachment keeps its address whatever mark its reservation was given', async () => {
  put(leases.store, aLease(markOf('c1')));
  leases.reserve('c2', '10.0.0.2');
  await importer.attempt();
  expect(leases.store.isWhole).toBe(true);
  expect(leases.store.where(() => true)).toEqual([aLease(markOf('c1'))]);
});

test('the import is retried until it succeeds', async () => {
  leases.reserve('c1', '10.0.0.2');
  const disarm = refuseReading();
  await importer.attempt();
  await isRefused();
  expect(leases.deps.conditions.all()).toMatchObject([
    {
      kind: 'import-incomplete',
      error: { reason: 'rejected', message: expect.stringMatching(/not imported .*: no$/) },
    },
  ]);
  disarm();
  expect(leases.store.fact('imported')).toBeUndefined();
  await until('it has succeeded', () => leases.deps.conditions.all().length === 0);
  expect(leases.store.fact('imported')).toBeDefined();
  expect(leases.store.get(markOf('c1'))).toMatchObject({ phase: 'bound', address: '10.0.0.2', network: 'net-1' });
});

test('the import is retried, and fails no call, if the state cannot be written', async () => {
  leases.reserve('c1', '10.0.0.2');
  leases.isFull = true;
  await expect(importer.attempt()).resolves.toBeUndefined();
  expect([leases.store.isWhole, leases.store.get(markOf('c1'))]).toEqual([false, undefined]);
  leases.isFull = false;
  await until('it has succeeded', () => leases.store.isWhole);
  expect(leases.store.get(markOf('c1'))).toMatchObject({ phase: 'bound', address: '10.0.0.2' });
});

test('the import lets calls run in between, however large it is', async () => {
  const { store } = leases;
  for (let n = 2; n < 250; n += 1) leases.reserve(`c${n}`, `10.0.0.${n}`);
  const writesAtATime = await leases.writesAtATime(() => importer.attempt());
  expect(store.count('bound')).toBe(248);
  expect(Math.max(...writesAtATime)).toBeLessThanOrEqual(50);
});

test('the import is not retried after a stop', async () => {
  refuseReading();
  await importer.attempt();
  await isRefused();
  importer.stop();
  await importer.attempt();
  // This is longer than the first pause.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(leases.grid.requests.filter(({ query }) => 'comment~' in query)).toHaveLength(1);
});
