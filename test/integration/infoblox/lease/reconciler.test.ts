import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sighting } from '../../../../src/infoblox/grid.ts';
import { defaultDoubtWindow } from '../../../../src/infoblox/lease/doubt.ts';
import { Reconciler } from '../../../../src/infoblox/lease/reconciler.ts';
import { aLease, put } from '../../../fixture/a-lease.ts';
import { until } from '../../../fixture/host.ts';
import { ManualClock } from '../../../fixture/manual-clock.ts';
import type { Effect } from '../../../simulator/http/faults.ts';
import { type LeaseFixture, markOf, useLeases } from './lease-fixture.ts';

const fixture = useLeases();
let leases: LeaseFixture;
let reconciler: Reconciler;

beforeEach(() => {
  leases = fixture();
  reconciler = new Reconciler(leases.deps);
});
// Stops before the fixture ends.
afterEach(() => reconciler.stop());

const allReleased = () => until('all is released', () => leases.grid.fixedAddresses().length === 0);

describe('a state that cannot be written', () => {
  test('makes the reconciler log a warning and pause without requests, and then continue', async () => {
    leases.releasing('c1', '10.0.0.2');
    await leases.store.durable();
    leases.isFull = true;
    reconciler.start();
    await until('it has tried', () => leases.warnings.length > 0);
    const { length } = leases.grid.requests;
    expect(leases.warnings).toEqual(['the reconciler cannot use the state; will retry']);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(leases.grid.requests).toHaveLength(length);
    leases.isFull = false;
    await allReleased();
  });

  test('at the start postpones the end of unfinished ADDs, and never ends a newer one', async () => {
    const pending = (container: string) =>
      put(leases.store, aLease(markOf(container), { phase: 'pending', address: null, dueAt: Date.now() }));
    pending('c1');
    await leases.store.durable();
    leases.isFull = true;
    reconciler.start();
    const gate = Promise.withResolvers<void>();
    const adding = leases.deps.locks.run(markOf('c2'), () => gate.promise);
    await until('it has tried', () => leases.warnings.length > 0);
    // An attempt under way may end it once more, before that fails, too.
    await until('it is pending still', () => leases.store.get(markOf('c1'))?.phase === 'pending');
    leases.isFull = false;
    pending('c2');
    await until('they are released', () => leases.store.get(markOf('c1'))?.phase !== 'pending');
    expect(leases.store.get(markOf('c2'))?.phase).toBe('pending');
    gate.resolve();
    await adding;
  });
});

test('an unfinished ADD of the last run is released, with its create in doubt', async () => {
  put(leases.store, aLease(markOf('c1'), { phase: 'pending', address: null }));
  put(leases.store, aLease(markOf('c2')));
  const begun = leases.deps.clock.now();
  reconciler.start();
  const lease = leases.store.get(markOf('c1'));
  expect(lease?.phase).toBe('releasing');
  expect(lease?.createInDoubtUntil).toBeGreaterThanOrEqual(begun + defaultDoubtWindow.end);
  expect(leases.store.get(markOf('c2'))).toEqual(aLease(markOf('c2')));
});

test('refused releases are a condition of their network, until one of them succeeds', async () => {
  const { conditions } = leases.deps;
  const subject = 'network net-1 in view default';
  const disarm = leases.grid.inject({ method: 'DELETE', times: 99, effect: { kind: 'html', status: 403 } });
  leases.releasing('c1', '10.0.0.2');
  reconciler.start();
  await until('it is a condition', () => conditions.find('releases-refused', subject) !== undefined);
  expect(conditions.all()).toMatchObject([
    {
      error: {
        reason: 'permission',
        message: expect.stringContaining(`the grid refuses to release addresses of ${subject}`),
        hint: expect.stringContaining('--wapi-username'),
      },
    },
  ]);
  disarm();
  await allReleased();
  await until('it is over', () => conditions.all().length === 0);
});

describe('when the grid is back', () => {
  test('failed releases are retried at once, whatever their pause', async () => {
    leases.releasing('c1', '10.0.0.2', { attempts: 9, dueAt: Date.now() + 300_000 });
    reconciler.gridIsBack();
    await until('the release is settled', () => leases.grid.fixedAddresses().length === 0);
  });

  test('twice in a row, a release that keeps failing keeps its pause', () => {
    reconciler.gridIsBack();
    const mark = leases.releasing('c1', '10.0.0.2', { attempts: 9, dueAt: Date.now() + 300_000 });
    reconciler.gridIsBack();
    expect(leases.store.get(mark)?.attempts).toBe(9);
  });

  test('recent leases are compared with the grid at once, and minutes later after a second outage', async () => {
    const mark = leases.releasing('c1', '10.0.0.2', { phase: 'bound', writtenAt: Date.now(), dueAt: null });
    const dueIn = () => (leases.store.get(mark)?.dueAt ?? Number.NaN) - Date.now();
    reconciler.recheckLately();
    expect(dueIn()).toBeLessThan(defaultDoubtWindow.end);
    leases.store.apply(mark, (lease) => lease && { ...lease, dueAt: null });
    reconciler.recheckLately();
    expect(dueIn()).toBeGreaterThan(240_000);
    expect(dueIn()).toBeLessThan(360_000 + defaultDoubtWindow.end);
  });
});

test('a lease whose lock an ADD holds delays no others, and follows after the ADD', async () => {
  const { deps, grid } = leases;
  const gate = Promise.withResolvers<void>();
  const taken = ['c1', 'c2', 'c3', 'c4', 'c5'].map((name, index) =>
    leases.releasing(name, `10.0.0.${index + 2}`, { dueAt: index }),
  );
  const adds = taken.map((mark) => deps.locks.run(mark, () => gate.promise));
  leases.releasing('c9', '10.0.0.9');
  reconciler.start();
  await until('the free one is released', () => grid.fixedAddresses().length === taken.length);
  gate.resolve();
  await Promise.all(adds);
  await allReleased();
});

test('a release is forgotten as soon as it is carried out, even if the grid takes 8 s for each answer', async () => {
  const clock = new ManualClock();
  const { deps, store } = leases;
  const mark = leases.releasing('c1', '10.0.0.2', { dueAt: clock.now() });
  const slowly = <T>(value: T, signal: AbortSignal) => clock.sleep(8_000, signal).then(() => value);
  const seen = sighting({ host: 'grid', answeredAt: 0, object: 'its reservation' });
  const found = [{ address: '10.0.0.2', view: 'default', seen }];
  reconciler = new Reconciler({
    ...{ ...deps, clock },
    moment: () => ({ now: clock.now(), wall: clock.wall(), window: defaultDoubtWindow }),
    observer: Object.assign(Object.create(deps.observer), {
      look: (_: unknown, signal: AbortSignal) => slowly({ found, askedAt: clock.now() }, signal),
    }),
    grid: Object.create(deps.grid, {
      remove: { value: (_: unknown, signal: AbortSignal) => slowly(undefined, signal) },
      spare: { value: 1 },
    }),
  });
  const begin = clock.now();
  reconciler.start();
  while (store.get(mark) !== undefined && clock.now() < begin + 300_000) {
    await clock.advance(100);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  expect(clock.now() - begin).toBeLessThan(17_000);
  expect(leases.warnings).toEqual([]);
});

describe('while the grid has no spare capacity', () => {
  let spare: number;

  beforeEach(() => {
    spare = 0;
    const grid = new Proxy(leases.deps.grid, {
      get(target, name) {
        if (name === 'spare') return spare;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    reconciler = new Reconciler({ ...leases.deps, grid });
  });

  test('a release waits until it has some', async () => {
    leases.releasing('c1', '10.0.0.2');
    reconciler.start();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(leases.grid.requests).toEqual([]);
    spare = 1;
    await allReleased();
  });

  test('a release that has been due for half an hour does not wait, not even for an owed create', async () => {
    const now = leases.deps.clock.now();
    const dueAt = now - 1_800_000;
    put(leases.store, aLease(markOf('c2'), { address: '10.0.0.8', owedSince: now, dueAt: now }));
    leases.releasing('c1', '10.0.0.2');
    put(leases.store, aLease(markOf('c1'), { phase: 'releasing', address: '10.0.0.2', dueAt }));
    reconciler.start();
    await allReleased();
  });

  test('an owed create waits a minute at most', async () => {
    const { store, grid, deps } = leases;
    const now = deps.clock.now();
    put(store, aLease(markOf('c1'), { address: '10.0.0.8', owedSince: now, dueAt: now }));
    put(store, aLease(markOf('c3'), { address: '10.0.0.9', owedSince: now - 60_000, dueAt: now - 60_000 }));
    leases.releasing('c2', '10.0.0.2');
    reconciler.start();
    await until('it is reserved', () => grid.fixedAddresses().some(({ ipv4addr }) => ipv4addr === '10.0.0.9'));
    expect(grid.fixedAddresses()).toHaveLength(2);
    spare = 1;
    await until('the other one is, too', () => grid.fixedAddresses().some(({ ipv4addr }) => ipv4addr === '10.0.0.8'));
  });
});

test('a stopped reconciler starts no work', async () => {
  reconciler.start();
  reconciler.stop();
  leases.releasing('c1', '10.0.0.2');
  reconciler.recheckLately();
  reconciler.gridIsBack();
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(leases.grid.requests).toEqual([]);
});

describe('a release under way when the reconciler is stopped', () => {
  /** Starts a release, and stops the reconciler when its delete has reached the grid. */
  async function stopDuring(effect: Effect): Promise<string> {
    const mark = leases.releasing('c1', '10.0.0.2');
    const { promise: reached, resolve } = Promise.withResolvers<void>();
    leases.grid.inject({ method: 'DELETE', effect, when: () => resolve() === undefined });
    reconciler.start();
    await reached;
    reconciler.stop();
    await leases.deps.locks.idle();
    return mark;
  }

  test('is completed, and leaves no delete in doubt for the next daemon', async () => {
    const mark = await stopDuring({ kind: 'delay', ms: 200 });
    expect(leases.grid.fixedAddresses()).toEqual([]);
    expect(leases.store.get(mark)).toBeUndefined();
  });

  test('is aborted if the grid hangs, and its delete stays in doubt', async () => {
    const began = performance.now();
    const mark = await stopDuring({ kind: 'hang' });
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(leases.store.get(mark)?.deleteInDoubtUntil).toBeGreaterThan(Date.now());
    expect(leases.store.get(mark)?.attempts).toBe(0);
  });
});
