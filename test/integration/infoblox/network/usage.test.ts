import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Cidr, parseCidr } from '../../../../src/infoblox/address.ts';
import { hostClock } from '../../../../src/infoblox/concurrency/clock.ts';
import { Conditions } from '../../../../src/infoblox/conditions.ts';
import { GridError } from '../../../../src/infoblox/errors.ts';
import { NetworkUsage } from '../../../../src/infoblox/network/usage.ts';
import type { Session } from '../../../../src/infoblox/wapi/session.ts';
import { until } from '../../../fixture/host.ts';
import { type Grid, startGrid } from '../../../simulator/grid.ts';
import { reservation } from '../../../simulator/grid-fixture.ts';
import { gridOver, inTime, openSession } from '../wapi/session-fixture.ts';

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`${text} is no network`);
  return parsed;
}

const network = (text: string, view = 'default') => ({ cidr: cidr(text), view });
const lease = (address: string, view = 'default') => ({ address, view });

describe('the grid is asked', () => {
  let grid: Grid;
  let session: Session;
  let conditions: Conditions;
  let usage: NetworkUsage;
  let now: number;
  let known: ReturnType<typeof network>[];
  let leased: ReturnType<typeof lease>[];

  beforeEach(async () => {
    now = 0;
    known = [];
    leased = [];
    grid = await startGrid();
    session = openSession({ port: grid.port });
    conditions = new Conditions();
    const clock = { ...hostClock(), now: () => now };
    usage = new NetworkUsage({ grid: gridOver(session), conditions, known: () => known, leased: () => leased, clock });
    grid.add('network', { network: '10.0.0.0/24' });
    grid.add('network', { network: '10.0.1.0/28' });
    for (const address of ['10.0.0.1', '10.0.0.2', '10.0.1.1']) grid.add('fixedaddress', reservation(address));
  });
  afterEach(async () => {
    await session.close(inTime());
    await grid.stop();
  });

  const seen = () => usage.all.map(({ cidr: { text }, view, total, used }) => `${text} ${view} ${used}/${total}`);
  /** Refreshes, and waits for the expected number of requests. */
  async function refresh(requests: number): Promise<void> {
    grid.clearLog();
    usage.refresh();
    await until(`${requests} requests`, () => grid.requests.filter(({ status }) => status !== 0).length >= requests);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(grid.requests).toHaveLength(requests);
  }

  test('once for each network that is known or has a lease, and again after five minutes', async () => {
    known = [network('10.0.0.0/24'), network('10.0.0.0/24')];
    leased = [lease('10.0.0.2'), lease('10.0.1.1'), lease('10.0.1.2')];
    await refresh(2);
    expect(seen()).toEqual(['10.0.0.0/24 default 2/254', '10.0.1.0/28 default 1/14']);
    now = 299_000;
    await refresh(0);
    now = 300_000;
    grid.add('fixedaddress', reservation('10.0.0.3'));
    await refresh(2);
    expect(seen()).toEqual(['10.0.0.0/24 default 3/254', '10.0.1.0/28 default 1/14']);
  });

  test('for the place of an IPv6 network, where it counts nothing, and once for each part of a network', async () => {
    grid.add('ipv6network', { network: 'fd00:18:1::/64' });
    leased = [lease('fd00:18:1::2'), lease('10.0.0.2'), lease('10.0.0.9'), lease('fd00:18:1:0:aaaa::7')];
    await refresh(2);
    expect(seen()).toEqual([`fd00:18:1::/64 default undefined/${2 ** 64}`, '10.0.0.0/24 default 2/254']);
    now = 300_000;
    known = [network('fd00:18:1::/64')];
    await refresh(2);
    expect(seen()).toEqual([`fd00:18:1::/64 default undefined/${2 ** 64}`, '10.0.0.0/24 default 2/254']);
  });

  test('at once for a new network, and only for that', async () => {
    known = [network('10.0.0.0/24')];
    await refresh(1);
    known = [...known, network('10.0.1.0/28')];
    await refresh(1);
    expect(seen()).toEqual(['10.0.0.0/24 default 2/254', '10.0.1.0/28 default 1/14']);
  });

  test('for fifty networks at most', async () => {
    known = Array.from({ length: 60 }, (_, index) => network(`10.1.${index}.0/24`));
    await refresh(50);
    expect(seen()).toEqual([]);
    await refresh(0);
  });

  test('only while it answers, and without networks that it does not have', async () => {
    known = [network('10.0.0.0/24'), network('10.9.0.0/24'), network('10.0.0.0/24', 'nowhere')];
    conditions.raise('grid-unavailable', new GridError('unreachable', 'cannot connect to the grid'));
    await refresh(0);
    conditions.clear('grid-unavailable');
    await refresh(3);
    expect(seen()).toEqual(['10.0.0.0/24 default 2/254']);
    await refresh(0);
  });
});
