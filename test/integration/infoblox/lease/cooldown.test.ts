/** A released address stays reserved for its cool-down, so that caches of its former owner can expire. */
import { describe, expect, test } from 'vitest';
import { endLease } from '../../../../src/infoblox/lease/endings.ts';
import { Reconciler } from '../../../../src/infoblox/lease/reconciler.ts';
import { aLease, put } from '../../../fixture/a-lease.ts';
import { ManualClock } from '../../../fixture/manual-clock.ts';
import { errorOf, held, useGridAndHost } from '../grid-and-host.ts';
import { markOf, useLeases } from './lease-fixture.ts';

const minute = 60_000;

describe('a lease that rests', () => {
  let clock: ManualClock;
  const fixture = useLeases(() => {
    clock = new ManualClock();
    return clock;
  });

  test.each([-3_600_000, 0, 3_600_000])(
    'keeps its reservation exactly until its cool-down is over, even if the clock is set by %s ms',
    async (by) => {
      const { deps, store, grid, reserve } = fixture();
      const reconciler = new Reconciler(deps);
      reconciler.start();
      reserve.call(fixture(), 'c1', '10.0.0.2');
      put(store, aLease(markOf('c1'), { cooldownMs: 10 * minute }));
      endLease(deps, aLease(markOf('c1')), { cause: 'DEL' });
      clock.set(clock.now() + by);
      await clock.advance(10 * minute - 1);
      expect(grid.requests).toEqual([]);
      expect(held(grid)).toEqual(['10.0.0.2']);
      await clock.advance(1);
      await deps.locks.idle();
      expect(held(grid)).toEqual([]);
      expect(store.get(markOf('c1'))).toBeUndefined();
      reconciler.stop();
    },
  );
});

describe('with a cool-down', () => {
  const fixture = useGridAndHost({}, { flags: ['--ip-cooldown=1h'] });
  /** A subnet with two addresses for containers. */
  const small = { subnet: '10.0.7.0/30', gateway: '10.0.7.1' };
  const rest = () =>
    fixture.host.log.filter(({ message }) => message.startsWith('no free address except resting ones'));

  test('an address is not given again, and a DEL sends no request', async () => {
    const { grid, host } = fixture;
    expect(await host.add('c1')).toBe('10.0.0.2');
    grid.clearLog();
    await host.call('DEL', 'c1');
    expect(await host.add('c2')).toBe('10.0.0.3');
    expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.3']);
    expect(grid.requests.map(({ method, type }) => `${method} ${type}`)).toEqual(['POST fixedaddress']);
  });

  test('of 0s in the network configuration, an address is released at once', async () => {
    const { grid, host } = fixture;
    const ipam = { 'ip-cooldown': '0s' };
    await host.add('c1', { ipam });
    await host.del('c1', { ipam });
    expect(held(grid)).toEqual(['10.0.0.1']);
  });

  test('an address that no caller was told is released at once', async () => {
    const { grid, host } = fixture;
    grid.latencyMs = 100;
    await expect(host.call('ADD', 'c1', { limit: 150 })).rejects.toThrow();
    grid.latencyMs = 0;
    await host.add('c2');
    await expect.poll(() => held(grid).length).toBe(2);
  });

  test('the same attachment gets its address again', async () => {
    const { host } = fixture;
    await host.add('c1');
    await host.call('DEL', 'c1');
    expect(await host.add('c1')).toBe('10.0.0.2');
    await host.call('DEL', 'c1');
    expect(await host.add('c1', { args: 'IP=10.0.0.9' })).toBe('10.0.0.9');
    await expect.poll(() => held(fixture.grid)).toEqual(['10.0.0.1', '10.0.0.9']);
  });

  test('an attachment that asks for the address gets it', async () => {
    const { host } = fixture;
    await host.add('c1');
    await host.call('DEL', 'c1');
    expect(await host.add('c2', { args: 'IP=10.0.0.2' })).toBe('10.0.0.2');
  });

  test('a full network gives the address that has rested longest, with a warning, and STATUS succeeds', async () => {
    const { host } = fixture;
    const ipam = { ...small, subnet: '10.0.7.0/29' };
    const containers = ['c1', 'c2', 'c3', 'c4', 'c5'];
    for (const container of containers) await host.add(container, { ipam });
    expect(await errorOf(host.call('ADD', 'c6', { ipam }))).toMatchObject({ code: 101 });
    for (const container of ['c4', 'c2', 'c5']) await host.call('DEL', container, { ipam });
    await expect(host.call('STATUS', '', { ipam })).resolves.toBeNull();
    expect(rest()).toEqual([]);
    expect(await host.add('c6', { ipam })).toBe('10.0.7.5');
    // A restart keeps the order.
    await host.stop();
    await host.start();
    expect(await host.add('c7', { ipam })).toBe('10.0.7.3');
    expect(rest()).toMatchObject([
      { level: 'warn', details: { network: '10.0.7.0/29', address: '10.0.7.5' } },
      { level: 'warn', details: { network: '10.0.7.0/29', address: '10.0.7.3' } },
    ]);
  });

  test('GC lets addresses rest, and reports that they are being released', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    const lists = { 'cni.dev/valid-attachments': [] };
    await host.call('GC', '', { config: lists });
    const end = host.log.findLast(({ details }) => details.command === 'GC');
    expect(end?.details).toMatchObject({ released: 0, releasing: 1, addresses: '10.0.0.2' });
    expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.2']);
  });
});
