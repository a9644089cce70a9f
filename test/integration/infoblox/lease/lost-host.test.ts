/** Releases the reservations of a lost host through the state of this one, with lost answers and live containers of ours. */
import { describe, expect, test } from 'vitest';
import { GridError } from '../../../../src/infoblox/errors.ts';
import { listOfHost, releaseOfHost } from '../../../../src/infoblox/lease/gc.ts';
import { Reconciler } from '../../../../src/infoblox/lease/reconciler.ts';
import { attachmentMark, type Origin } from '../../../../src/infoblox/mark.ts';
import { aLease, put } from '../../../fixture/a-lease.ts';
import { until } from '../../../fixture/host.ts';
import { inTime } from '../wapi/session-fixture.ts';
import { markOf, useLeases } from './lease-fixture.ts';

const leases = useLeases();
const lost: Origin = { cluster: 'cluster-1', node: 'host-9' };
const lostMark = (containerId: string) => attachmentMark(lost, { network: 'net-1', containerId, ifName: 'eth0' });

/** Reserves addresses with marks of the lost host. @returns them as the arguments of the release */
function leave(...last: number[]) {
  return last.map((each) => {
    leases().reserve(`c${each}`, `10.0.0.${each}`, { comment: lostMark(`c${each}`) });
    return { mark: lostMark(`c${each}`), view: 'default' };
  });
}
const never = new AbortController().signal;
const release = (wanted: ReturnType<typeof leave>, limits: Partial<Parameters<typeof releaseOfHost>[2]> = {}) =>
  releaseOfHost(leases().deps, wanted, { gone: never, stopping: never, onDone: () => {}, ...limits });
const comments = () =>
  leases()
    .grid.fixedAddresses()
    .map(({ comment }) => comment);

describe('a reservation of a lost host', () => {
  test('is one with exactly its mark', async () => {
    const [first] = leave(5);
    leases().reserve('c1', '10.0.0.6');
    leases().reserve('c7', '10.0.0.7', { comment: `${lostMark('c7')} (audit)` });
    expect(await listOfHost(leases().deps, lost, inTime())).toEqual({
      reservations: [
        { ...first, address: '10.0.0.5', network: 'net-1', containerId: 'c5', ifName: 'eth0', reservedAt: null },
      ],
      unclear: [{ view: 'default', address: '10.0.0.7', why: expect.stringContaining('(audit)') }],
    });
  });

  test('is released, and leaves nothing in the state', async () => {
    const done: number[] = [];
    const wanted = leave(5, 6, 7);
    const result = await release(wanted, { onDone: (count) => done.push(count) });
    expect({ ...result, released: [...result.released].sort() }).toEqual({
      released: wanted.map(({ mark }) => mark).sort(),
      left: [],
    });
    expect([comments(), done, leases().store.count('releasing')]).toEqual([[], [1, 2, 3], 0]);
  });

  test('is released by this call, and not by the reconciler', async () => {
    const reconciler = new Reconciler(leases().deps);
    reconciler.start();
    const wanted = leave(5, 6, 7, 8, 9, 10, 11, 12);
    const { released, left } = await release(wanted);
    expect([released.length, left]).toEqual([wanted.length, []]);
    reconciler.stop();
  });

  test('is looked at right before its delete, and stays if it was replaced', async () => {
    const wanted = leave(5);
    const [object] = leases().grid.fixedAddresses();
    leases().grid.update(object?._ref ?? '', { comment: markOf('c1') });
    expect(await release(wanted)).toEqual({
      released: [],
      left: [{ mark: lostMark('c5'), why: 'it was removed or altered meanwhile' }],
    });
    expect(comments()).toEqual([markOf('c1')]);
  });

  test('is reassigned to a live container of this host with the same address', async () => {
    const wanted = leave(5);
    put(leases().store, aLease(markOf('c1'), { phase: 'bound', address: '10.0.0.5' }));
    expect(await release(wanted)).toMatchObject({ released: [] });
    expect(comments()).toEqual([markOf('c1')]);
  });

  test('is not deleted a second time while the answer to a delete is lost', async () => {
    const wanted = leave(5, 6);
    const { promise: late, resolve: carryOut } = Promise.withResolvers<void>();
    leases().grid.inject({ method: 'DELETE', effect: { kind: 'commit-later', after: late, answer: 'reset' } });
    const result = await release(wanted);
    expect(result.failure?.outcome).toBe('open');
    expect(leases().store.get(lostMark('c5'))).toMatchObject({ phase: 'releasing', releasedBy: 'operator' });
    leases().grid.clearLog();
    expect((await release([wanted[0] ?? { mark: '', view: '' }])).left).toEqual([
      { mark: lostMark('c5'), why: expect.stringMatching(/cannot tell yet.*looks again and releases it/) },
    ]);
    expect(leases().grid.requests.filter(({ method }) => method === 'DELETE')).toEqual([]);
    carryOut();
    await until('the delete is carried out', () => comments().length === 0);
  });

  test('is released in all views and places that hold its mark', async () => {
    const { grid } = leases();
    grid.add('networkview', { name: 'blue' });
    grid.add('network', { network: '10.0.0.0/24', network_view: 'blue' });
    const comment = lostMark('c5');
    for (const address of ['10.0.0.5', '10.0.0.6']) leases().reserve('c5', address, { comment });
    leases().reserve('c5', '10.0.0.5', { comment, network_view: 'blue' });
    const wanted = (await listOfHost(leases().deps, lost, inTime())).reservations;
    expect(await release(wanted)).toEqual({ released: [comment, comment, comment], left: [] });
    expect([grid.fixedAddresses(), grid.fixedAddresses('blue')]).toEqual([[], []]);
    expect(leases().store.count('releasing')).toBe(0);
  });

  test('stays if the release is stopped before', async () => {
    const wanted = leave(5, 6, 7, 8, 9, 10, 11, 12);
    const stop = new AbortController();
    const result = await release(wanted, { gone: stop.signal, onDone: () => stop.abort() });
    expect(result.released.length).toBeLessThanOrEqual(4);
    expect(result.failure).toBeUndefined();
    expect(comments()).toHaveLength(8 - result.released.length);
    expect(leases().store.count('releasing')).toBe(0);
  });

  test('stays if the daemon stops before, which is reported', async () => {
    const wanted = leave(5, 6, 7, 8, 9, 10, 11, 12);
    const stopping = new AbortController();
    const why = new GridError('busy', 'the daemon is stopping');
    const result = await release(wanted, { stopping: stopping.signal, onDone: () => stopping.abort(why) });
    expect(result.released.length).toBeLessThanOrEqual(4);
    expect(result.failure).toBe(why);
    expect(comments()).toHaveLength(8 - result.released.length);
  });

  test('stays if the state cannot be written', async () => {
    const wanted = leave(5, 6);
    leases().isFull = true;
    expect(await release(wanted)).toMatchObject({ released: [], left: [], failure: { reason: 'state' } });
    expect(comments()).toHaveLength(2);
  });
});
