/** The grid looks up the next free address and reserves it in two steps, between which others may reserve it (WAPI section 10). */
import { expect, test } from 'vitest';
import { until } from '../../fixture/host.ts';
import { errorOf, held, useGridAndHost } from '../infoblox/grid-and-host.ts';

const fixture = useGridAndHost();

/**
 * @param ms milliseconds between the look-up and the insert
 * @param meanwhile runs in between
 */
function openWindow(ms: number, meanwhile: () => void = () => {}): void {
  const when = () => {
    setTimeout(meanwhile, ms / 2);
    return true;
  };
  const effect = { kind: 'look-first', ms } as const;
  fixture.grid.inject({ method: 'POST', type: 'fixedaddress', times: Number.POSITIVE_INFINITY, when, effect });
}

test('the first 32 containers of four hosts all get an address of a new subnet, in whatever order', async () => {
  const { grid, host } = fixture;
  openWindow(5);
  const others = ['host-b', 'host-c', 'host-d'].map((node) => fixture.another({ node }).start());
  const hosts = [host, ...(await Promise.all(others))];
  const adds = hosts.flatMap((each, n) => Array.from({ length: 8 }, (_, m) => each.add(`c${n}-${m}`)));
  const addresses = await Promise.all(adds);
  expect(new Set(addresses).size).toBe(32);
  expect(held(grid)).toHaveLength(33);
  const refused = grid.requests.filter(({ type, status }) => type === 'fixedaddress' && status === 400);
  expect(refused.length).toBeGreaterThan(4);
});

test('an ADD that loses every race fails with that reason when its time is over, and leaves nothing', async () => {
  const { grid } = fixture;
  const host = await fixture.another({ node: 'host-b', flags: ['--add-timeout=3s'] }).start();
  await host.add('c0');
  const next = { ipv4addr: 'func:nextavailableip:10.0.0.0/24', match_client: 'RESERVED', mac: '00:00:00:00:00:00' };
  openWindow(20, () => grid.add('fixedaddress', { ...next, comment: 'somebody faster' }));
  expect(await errorOf(host.add('c1'))).toEqual({
    code: 11,
    msg: 'no address of network 10.0.0.0/24 (view default) could be reserved in time: other hosts are taking addresses of it at the same moment',
    details: expect.stringContaining('--add-timeout'),
  });
  const mine = () => grid.fixedAddresses().filter(({ comment }) => comment?.includes('container=c1'));
  await until('nothing of it is left', () => mine().length === 0);
});
