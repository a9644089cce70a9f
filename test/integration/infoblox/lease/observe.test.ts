import { beforeEach, describe, expect, test } from 'vitest';
import type { Lease } from '../../../../src/infoblox/lease/lease.ts';
import { aLease } from '../../../fixture/a-lease.ts';
import { inTime } from '../wapi/session-fixture.ts';
import { type LeaseFixture, markOf, useLeases } from './lease-fixture.ts';

const fixture = useLeases();
let leases: LeaseFixture;

beforeEach(() => {
  leases = fixture();
  for (const name of ['here', 'there', 'z']) {
    leases.grid.add('networkview', { name });
    leases.grid.add('network', { network: '10.0.0.0/24', network_view: name });
  }
});

const mark = markOf('c1');
const lease = aLease(mark, { view: 'here' });
const address = '10.0.0.2';

/** Adds an object at the address of the lease. */
function object(comment: string, over: Record<string, string> = {}): void {
  leases.reserve('c1', address, { network_view: 'here', comment, ...over });
}

const look = (of: Lease = lease) => leases.deps.observer.look(of, inTime());

describe('a reservation that is missing from its place', () => {
  const real = { mac: '02:00:00:00:00:01', match_client: 'MAC_ADDRESS' };
  const table: [string, () => void, 'gone' | 'altered'][] = [
    ['is gone if nothing is at its address', () => undefined, 'gone'],
    ['is gone if an object of somebody else is there', () => object('printer'), 'gone'],
    ['is gone if another attachment of ours is there', () => object(`${mark}1`), 'gone'],
    ['is gone if the comment has text before the mark', () => object(`was ${mark}`), 'gone'],
    ['is altered if the comment has text behind the mark', () => object(`${mark} (ticket 4711)`), 'altered'],
    ['is altered if that is so in another view', () => object(`${mark} x`, { network_view: 'there' }), 'altered'],
    ['is altered if it has a MAC address', () => object(mark, real), 'altered'],
    [
      'is altered whatever has the address in another view',
      () => {
        object('x', { network_view: 'z' });
        object(mark, real);
      },
      'altered',
    ],
  ];
  test.each(table)('%s', async (_, make, kind) => {
    make();
    const { found, unconfirmed, altered } = await look();
    expect([found, unconfirmed]).toEqual([[], undefined]);
    expect(altered === undefined ? 'gone' : 'altered').toBe(kind);
    expect(leases.warnings).toHaveLength(kind === 'altered' ? 1 : 0);
  });

  test('is reported as altered once, with a hint', async () => {
    object(mark, real);
    await look();
    expect((await look()).altered).toBe(
      `was changed in the grid and is no reservation any more (matched by MAC_ADDRESS, MAC ${real.mac}): "${mark}"`,
    );
    expect(leases.log).toMatchObject([
      {
        level: 'warn',
        message: 'a reservation with the mark of this host was altered on the grid: it is left alone',
        details: { address, view: 'here', hint: expect.stringContaining('restore its comment to exactly the mark') },
      },
    ]);
  });
});

describe('a look', () => {
  const requests = () => leases.grid.requests.filter(({ type }) => type === 'fixedaddress').length;

  test('at an existing reservation costs one request', async () => {
    object(mark);
    expect(await look()).toMatchObject({ found: [{ address, view: 'here' }] });
    expect(requests()).toBe(1);
  });

  test('finds a reservation that moved to another view', async () => {
    object(mark, { network_view: 'there' });
    expect((await look()).found).toMatchObject([{ address, view: 'there' }]);
  });

  test('at an attachment that a complete state does not know costs one request, too', async () => {
    leases.store.setWhole(Date.now());
    expect((await look({ ...lease, phase: 'releasing', address: null })).found).toEqual([]);
    expect(requests()).toBe(1);
  });

  test('names the attachment of this host that owns the address', async () => {
    leases.store.apply(markOf('c2'), () => aLease(markOf('c2'), { view: 'here' }));
    object(mark);
    expect((await look()).found).toMatchObject([{ address, owner: markOf('c2') }]);
  });

  test('matches the mark case-sensitively', async () => {
    object(mark.toUpperCase());
    expect((await look()).found).toEqual([]);
  });
});
