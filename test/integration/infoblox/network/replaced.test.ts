/** Networks that the daemon remembers, and that were replaced by others on the grid. */
import { beforeEach, describe, expect, test } from 'vitest';
import { hostClock } from '../../../../src/infoblox/concurrency/clock.ts';
import { GridError } from '../../../../src/infoblox/errors.ts';
import type { SqliteLeaseStore } from '../../../../src/infoblox/lease/store/sqlite-store.ts';
import { networkMark } from '../../../../src/infoblox/mark.ts';
import type { CallOptions } from '../../../fixture/host.ts';
import { intercept } from '../../../fixture/intercept.ts';
import { errorOf, fromContainer, held, useGridAndHost, writes } from '../grid-and-host.ts';

const real = hostClock();
let skipped = 0;
const clock = { ...real, now: () => real.now() + skipped };
/** Whether asking the state for leases of a network fails. */
let isStateBroken = false;
const wrapStore = (store: SqliteLeaseStore) =>
  intercept(store, (method, _, run) => {
    if (isStateBroken && method === 'boundIn') throw new GridError('state', 'disk I/O error');
    return run();
  });
const fixture = useGridAndHost({ attributes: ['Network Name'] }, { clock, wrapStore });
beforeEach(() => {
  skipped = 0;
  isStateBroken = false;
});

/** Lets the host see its network, release its lease there, and a minute pass. */
async function idle(call: CallOptions): Promise<void> {
  const { grid, host } = fixture;
  await host.add('c0', call);
  await host.del('c0', call);
  skipped += 60_000;
  grid.clearLog();
}

/** Replaces the only network by another one, like an administrator. */
function replace(fields: Record<string, unknown>): void {
  const { grid } = fixture;
  const [old] = grid.networks();
  grid.remove(old?._ref ?? '');
  grid.add('network', { network: old?.network ?? '', ...fields });
  grid.clearLog();
}

const requests = () => fixture.grid.requests.map(({ method, type }) => `${method} ${type}`);
const office = { comment: 'office, 2nd floor' };

describe('a remembered network by name that was replaced by another one', () => {
  test('gives no address of the other one: the reservation there is removed, and the network is found again', async () => {
    const { grid, host } = fixture;
    await idle(fromContainer());
    replace(office);
    expect(await host.add('c1', fromContainer())).toBe('172.18.1.1');
    expect(grid.networks()).toMatchObject([office, { network: '172.18.1.0/24', comment: networkMark('pods') }]);
    expect(held(grid)).toEqual(['172.18.1.1']);
    expect(writes(grid)).toContain('DELETE fixedaddress 200');
  });

  test('is found in its new place with its gateway by containers that start at once', async () => {
    const { grid, host } = fixture;
    const call = fromContainer({ gateway: '0.0.0.1' });
    await idle(call);
    replace(office);
    grid.add('network', { network: '172.18.7.0/24', comment: networkMark('pods') });
    const added = await Promise.all(['c1', 'c2', 'c3'].map((name) => host.add(name, call)));
    expect(added.sort()).toEqual(['172.18.7.2', '172.18.7.3', '172.18.7.4']);
    expect(held(grid).sort()).toEqual(['172.18.7.1', ...added]);
  });

  test('is found again even if the other one is full', async () => {
    const { grid, host } = fixture;
    const small = { 'prefix-length': 30 };
    await idle(fromContainer(small));
    replace(office);
    for (const n of [1, 2]) grid.add('fixedaddress', { ipv4addr: `172.18.0.${n}`, mac: `02:00:00:00:00:0${n}` });
    expect(await host.add('c1', fromContainer(small))).toBe('172.18.0.5');
  });

  test('is found again even if the answer to the create was lost', async () => {
    const { grid, host } = fixture;
    await idle(fromContainer());
    replace(office);
    grid.inject({ method: 'POST', type: 'fixedaddress', effect: { kind: 'reset', commit: true } });
    expect(await host.add('c1', fromContainer())).toBe('172.18.1.1');
    expect(held(grid)).toEqual(['172.18.1.1']);
  });

  test('keeps serving if the other one has its name', async () => {
    const { grid, host } = fixture;
    await idle(fromContainer());
    replace({ extattrs: { 'Network Name': { value: 'pods' } } });
    expect(await host.add('c1', fromContainer())).toBe('172.18.0.1');
    expect(grid.networks()).toHaveLength(1);
  });
});

describe('a remembered network by subnet that was replaced by another one', () => {
  test('is refused, and the reservation there is released', async () => {
    const { grid, host } = fixture;
    const call = { ipam: { gateway: undefined } };
    await idle(call);
    replace({ comment: networkMark('theirs') });
    expect(await errorOf(host.add('c1', call))).toMatchObject({
      code: 102,
      msg: 'network 10.0.0.0/24 in view default belongs to the network name theirs, not net-1',
    });
    await host.del('c1', call);
    expect(held(grid)).toEqual([]);
  });

  test('keeps serving if the other one has no name, as one of an administrator', async () => {
    const { host } = fixture;
    await idle({});
    replace(office);
    expect(await host.add('c1')).toBe('10.0.0.2');
  });
});

describe('the question whether a remembered network is in its place', () => {
  const call = { ipam: { gateway: undefined } };

  test('is asked beside the create, once a minute', async () => {
    const { grid, host } = fixture;
    await idle(call);
    grid.inject({ method: 'POST', type: 'fixedaddress', effect: { kind: 'delay', ms: 200 } });
    await host.add('c1', call);
    expect(requests().sort()).toEqual(['GET network', 'POST fixedaddress']);
    await host.del('c1', call);
    grid.clearLog();
    await host.add('c2', call);
    expect(requests()).toEqual(['POST fixedaddress']);
  });

  test('is not asked while this host has a lease in it', async () => {
    const { grid, host } = fixture;
    await idle(call);
    await host.add('c1', call);
    skipped += 60_000;
    grid.clearLog();
    await host.add('c2', call);
    expect(requests()).toEqual(['POST fixedaddress']);
  });

  test('is asked once for containers that start at once', async () => {
    const { host } = fixture;
    await idle(call);
    await Promise.all(['c1', 'c2', 'c3'].map((name) => host.add(name, call)));
    expect(requests().filter((line) => line === 'GET network')).toHaveLength(1);
  });

  test('fails no ADD if the grid refuses the answer', async () => {
    const { grid, host } = fixture;
    await idle(call);
    const refused = { kind: 'status', status: 403, body: '<html>Forbidden</html>' } as const;
    grid.inject({ method: 'GET', type: 'network', effect: refused, times: 9 });
    expect(await host.add('c1', call)).toBe('10.0.0.1');
  });

  test('does not make an ADD forget its create if the state cannot be read', async () => {
    const { host } = fixture;
    await idle(call);
    isStateBroken = true;
    expect(await host.add('c1', call)).toBe('10.0.0.1');
    expect(requests()).toEqual(['POST fixedaddress']);
  });
});

test('the next ADD sees that only one network has the name again, with or without leases', async () => {
  const { grid, host } = fixture;
  const extra = grid.add('network', { network: '172.18.9.0/24', comment: networkMark('pods') });
  grid.add('network', { network: '172.18.8.0/24', comment: networkMark('pods') });
  await host.add('c1', fromContainer());
  grid.update(extra, office);
  const ended = () => host.log.some(({ message }) => message === 'one network has the name');
  await host.add('c2', fromContainer());
  expect(ended()).toBe(false);
  skipped += 60_000;
  await host.add('c3', fromContainer());
  expect(ended()).toBe(true);
});
