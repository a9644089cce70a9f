import { beforeEach, describe, expect, test } from 'vitest';
import type { Clock } from '../../../../src/infoblox/concurrency/clock.ts';
import { deleteInDoubt } from '../../../../src/infoblox/lease/doubt.ts';
import { reconcile } from '../../../../src/infoblox/lease/execute.ts';
import { personPauseMs, startRelease } from '../../../../src/infoblox/lease/lease.ts';
import { apply } from '../../../../src/infoblox/lease/store/lease-store.ts';
import { aLease, momentAt, put } from '../../../fixture/a-lease.ts';
import { inTime } from '../wapi/session-fixture.ts';
import { type LeaseFixture, markOf, useLeases } from './lease-fixture.ts';

const fixture = useLeases();
const mark = markOf('c1');
let leases: LeaseFixture;

beforeEach(() => {
  leases = fixture();
});

const reconciled = async () => {
  await reconcile(leases.deps, mark, inTime());
  return leases.store.get(mark);
};
const requests = (method: string) => leases.grid.requests.filter((request) => request.method === method).length;
const onTheGrid = () => leases.grid.fixedAddresses().map(({ ipv4addr, comment }) => [ipv4addr, comment]);

test('a live attachment whose address was taken is logged once, and is a condition', async () => {
  const printer = leases.grid.add('fixedaddress', {
    ipv4addr: '10.0.0.2',
    mac: '02:00:00:00:00:01',
    comment: 'printer',
  });
  put(leases.store, aLease(mark, { dueAt: 1 }));
  const { now } = leases.deps.moment();
  const lease = await reconciled();
  expect(lease).toEqual(aLease(mark, { dueAt: expect.any(Number) as number }));
  expect(lease?.dueAt).toBeGreaterThanOrEqual(now + personPauseMs);
  await reconciled();
  const { conditions } = leases.deps;
  expect(conditions.all()).toMatchObject([{ kind: 'reservation-lost', subject: 'c1/eth0 in network net-1' }]);
  expect(leases.log).toMatchObject([
    {
      level: 'error',
      message: 'the grid has lost the reservation of a live attachment and refuses to re-create it',
      details: { attachment: mark, address: '10.0.0.2', hint: expect.stringContaining('restart this container') },
    },
  ]);
  leases.grid.remove(printer);
  await reconciled();
  expect(onTheGrid()).toEqual([['10.0.0.2', mark]]);
  expect(conditions.all()).toEqual([]);
});

test('a reservation that appears between the look and the create is not reported as lost', async () => {
  put(leases.store, aLease(mark, { dueAt: 1 }));
  const answer = (body: string) => {
    leases.reserve('c1', '10.0.0.2');
    return body;
  };
  leases.grid.inject({ method: 'GET', skip: 2, effect: { kind: 'alter', answer } });
  expect(await reconciled()).toMatchObject({ phase: 'bound', attempts: 0 });
  expect([onTheGrid(), leases.log, leases.deps.conditions.all()]).toEqual([[['10.0.0.2', mark]], [], []]);
});

test('a container that is deleted while the grid refuses to re-create its reservation is released at once, and not reported', async () => {
  leases.grid.add('fixedaddress', { ipv4addr: '10.0.0.2', mac: '02:00:00:00:00:01', comment: 'printer' });
  put(leases.store, aLease(mark, { dueAt: 1 }));
  const answer = (body: string) => {
    apply(leases.store, mark, (lease) => startRelease(lease, 'DEL', leases.deps.moment()));
    return body;
  };
  leases.grid.inject({ method: 'POST', effect: { kind: 'alter', answer } });
  expect(await reconciled()).toBeUndefined();
  expect([onTheGrid(), leases.deps.conditions.all()]).toEqual([[['10.0.0.2', 'printer']], []]);
});

test('a release sends its delete only when the state can be written', async () => {
  leases.releasing('c1', '10.0.0.2');
  await leases.store.durable();
  leases.isFull = true;
  await expect(reconciled()).rejects.toThrow('disk is full');
  expect(requests('DELETE')).toBe(0);
  leases.isFull = false;
  expect(await reconciled()).toBeUndefined();
  expect(requests('DELETE')).toBe(1);
  expect(onTheGrid()).toEqual([]);
});

test('the lost reservation of a live attachment is re-created, and looked at again', async () => {
  put(leases.store, aLease(mark, { dueAt: 1, attempts: 2 }));
  const { now, window } = leases.deps.moment();
  const lease = await reconciled();
  expect(onTheGrid()).toEqual([['10.0.0.2', mark]]);
  expect(lease).toMatchObject({ phase: 'bound', attempts: 0 });
  expect(lease?.createInDoubtUntil).toBeGreaterThanOrEqual(now + window.end);
  expect(lease?.dueAt).toBeGreaterThanOrEqual(now + window.recheck);
  expect(leases.warnings).toEqual(['re-created a reservation that the grid had lost']);
});

test('a delete in doubt is not repeated because a reservation was re-created meanwhile', async () => {
  leases.reserve('c1', '10.0.0.9');
  const doubtful = deleteInDoubt(aLease(mark, { dueAt: 1 }), leases.deps.moment());
  put(leases.store, doubtful);
  expect(await reconciled()).toMatchObject({ deleteInDoubtUntil: doubtful.deleteInDoubtUntil });
  expect(onTheGrid().map(([address]) => address)).toEqual(['10.0.0.9', '10.0.0.2']);
  await reconciled();
  expect(requests('DELETE')).toBe(0);
});

test('a reservation in another view after a rename is left alone, and a delete in doubt stays in doubt', async () => {
  leases.grid.add('networkview', { name: 'renamed' });
  leases.grid.add('network', { network: '10.0.0.0/24', network_view: 'renamed' });
  leases.reserve('c1', '10.0.0.2', { network_view: 'renamed' });
  const doubtful = deleteInDoubt(aLease(mark, { dueAt: 1 }), leases.deps.moment());
  put(leases.store, doubtful);
  const { deleteInDoubtUntil } = doubtful;
  expect(await reconciled()).toMatchObject({ phase: 'bound', deleteInDoubtUntil, dueAt: deleteInDoubtUntil });
  expect(leases.log).toMatchObject([{ level: 'error', details: { attachment: mark, view: 'renamed' } }]);
  expect(onTheGrid()).toEqual([['10.0.0.2', mark]]);
});

test('all objects with the mark of a released lease are removed, each after a look of its own', async () => {
  leases.reserve('c1', '10.0.0.2');
  leases.reserve('c1', '10.0.0.3');
  put(leases.store, aLease(mark, { phase: 'releasing', dueAt: 1 }));
  expect(await reconciled()).toBeUndefined();
  expect(onTheGrid()).toEqual([]);
  expect(leases.grid.requests.map(({ method }) => method)).toEqual(['GET', 'DELETE', 'GET', 'DELETE']);
  expect(leases.log).toMatchObject([
    { level: 'info', message: 'released', details: { attachment: mark, addresses: ['10.0.0.2'] } },
    { level: 'info', message: 'released', details: { attachment: mark, addresses: ['10.0.0.3'] } },
  ]);
});

describe('a delete that fails', () => {
  const methods = () => leases.grid.requests.map(({ method, status }) => `${method} ${status}`);
  const notFound = JSON.stringify({ Error: 'x', code: 'Client.Ibap.Data.NotFound', text: 'Reference not found' });

  test('is followed by another look, and repeated only for the object that it shows', async () => {
    leases.releasing('c1', '10.0.0.2');
    leases.grid.inject({ method: 'DELETE', effect: { kind: 'status', status: 503 } });
    expect(await reconciled()).toBeUndefined();
    expect(methods()).toEqual(['GET 200', 'DELETE 503', 'GET 200', 'DELETE 200']);
  });

  test('is not repeated if somebody else has the address at the next look', async () => {
    leases.releasing('c1', '10.0.0.2');
    const when = () => {
      leases.grid.remove(leases.grid.fixedAddresses()[0]?._ref ?? '');
      leases.grid.add('fixedaddress', { ipv4addr: '10.0.0.2', mac: '02:00:00:00:00:01', comment: 'printer' });
      return true;
    };
    leases.grid.inject({ method: 'DELETE', when, effect: { kind: 'status', status: 503 } });
    expect(await reconciled()).toBeUndefined();
    expect(onTheGrid()).toEqual([['10.0.0.2', 'printer']]);
    expect(requests('DELETE')).toBe(1);
  });

  test('because the object is gone counts as success', async () => {
    leases.releasing('c1', '10.0.0.2');
    leases.grid.inject({
      method: 'DELETE',
      effect: { kind: 'status', status: 404, contentType: 'application/json', body: notFound },
    });
    expect(await reconciled()).toBeUndefined();
    expect(methods()).toEqual(['GET 200', 'DELETE 404']);
  });

  test('again and again ends the attempt, and nothing is in doubt', async () => {
    leases.releasing('c1', '10.0.0.2');
    leases.grid.inject({ method: 'DELETE', times: 99, effect: { kind: 'status', status: 503 } });
    const noPause: Clock = { ...leases.deps.clock, sleep: async () => {} };
    const attempt = reconcile({ ...leases.deps, clock: noPause }, mark, inTime());
    await expect(attempt).rejects.toMatchObject({ reason: 'grid-fault' });
    expect([requests('GET'), requests('DELETE')]).toEqual([6, 6]);
    expect(leases.store.get(mark)).toMatchObject({ phase: 'releasing', deleteInDoubtUntil: null });
  });
});

test('an object at the address of another attachment is looked at again before it is reassigned, and left alone if it was replaced', async () => {
  const owner = markOf('c2');
  put(leases.store, aLease(owner, { address: '10.0.0.9' }));
  put(leases.store, aLease(mark, { phase: 'releasing', dueAt: 1 }));
  leases.reserve('c1', '10.0.0.9');
  const when = ({ query }: { query: Readonly<Record<string, string>> }) => {
    if (query.comment !== owner) return false;
    leases.grid.remove(leases.grid.fixedAddresses()[0]?._ref ?? '');
    leases.grid.add('fixedaddress', { ipv4addr: '10.0.0.9', mac: '02:00:00:00:00:01', comment: 'printer' });
    return true;
  };
  leases.grid.inject({ method: 'GET', when, effect: { kind: 'delay', ms: 0 } });
  expect(await reconciled()).toBeUndefined();
  expect(onTheGrid()).toEqual([['10.0.0.9', 'printer']]);
  expect(requests('PUT')).toBe(0);
});

test('a release does not wait for the lock of the lease whose address it has, as an ADD of that lease may wait for the release', async () => {
  const owner = markOf('c2');
  put(leases.store, aLease(owner, { address: '10.0.0.9' }));
  leases.releasing('c1', '10.0.0.2');
  leases.grid.remove(leases.grid.fixedAddresses()[0]?._ref ?? '');
  leases.reserve('c1', '10.0.0.9');
  const gate = Promise.withResolvers<void>();
  const held = leases.deps.locks.run(owner, () => gate.promise);
  await expect(reconciled()).rejects.toMatchObject({ reason: 'busy' });
  gate.resolve();
  await held;
  expect(await reconciled()).toBeUndefined();
  expect(onTheGrid()).toEqual([['10.0.0.9', owner]]);
});

test.each([
  ['a delete', 'DELETE', { phase: 'releasing' }, '10.0.0.2', 'deleteInDoubtUntil'],
  ['a create', 'POST', { phase: 'bound' }, undefined, 'createInDoubtUntil'],
  ['a reassignment', 'PUT', { phase: 'releasing' }, '10.0.0.9', 'deleteInDoubtUntil'],
] as const)(
  '%s is in doubt from the loss of its answer on, however long it waited before it was sent',
  async (...row) => {
    const [, method, over, there, doubt] = row;
    const owner = markOf('c2');
    put(leases.store, aLease(owner, { address: '10.0.0.9' }));
    put(leases.store, aLease(mark, { ...over, dueAt: 1 }));
    if (there !== undefined) leases.reserve('c1', there);
    let now = Date.now();
    const when = () => {
      now += 40_000;
      return true;
    };
    leases.grid.inject({ method, when, effect: { kind: 'reset' } });
    const moment = () => ({ ...leases.deps.moment(), now });
    const { end } = moment().window;
    await expect(reconcile({ ...leases.deps, moment }, mark, inTime())).rejects.toMatchObject({ outcome: 'open' });
    expect(leases.store.get(mark)?.[doubt]).toBe(now + end);
    if (method === 'PUT') expect(leases.store.get(owner)?.createInDoubtUntil).toBe(now + end);
  },
);

test('a release during the removal of a surplus still knows the address to release', async () => {
  leases.reserve('c1', '10.0.0.2');
  leases.reserve('c1', '10.0.0.3');
  put(leases.store, aLease(mark, { dueAt: 1, callers: 'call-1' }));
  const when = () => {
    leases.store.apply(mark, (lease) => lease && startRelease(lease, 'DEL', momentAt(1)));
    return true;
  };
  leases.grid.inject({ method: 'DELETE', when, effect: { kind: 'delay', ms: 0 } });
  leases.grid.inject({ method: 'DELETE', effect: { kind: 'reset' } });
  await expect(reconciled()).rejects.toMatchObject({ outcome: 'open' });
  expect(onTheGrid().map(([address]) => address)).toEqual(['10.0.0.2']);
  expect(leases.store.get(mark)).toMatchObject({ phase: 'releasing', address: '10.0.0.2' });
});
