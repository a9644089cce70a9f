/** A host with blocks as its runtimes see it: containers start and stop during an outage, and STATUS reports it. */
import { expect, test, vi } from 'vitest';
import { isWithin, sizeOf } from '../../../../src/infoblox/address.ts';
import { askDaemon } from '../../../../src/modes/operator/daemon-connection.ts';
import { reservation } from '../../../simulator/grid-fixture.ts';
import { errorOf, useGridAndHost } from '../../infoblox/grid-and-host.ts';

/** More than the 45 s for which the daemon holds back its own requests after a slow answer, as on a busy machine. */
const patienceMs = 60_000;

const fixture = useGridAndHost({}, { flags: ['--block-size=16'], doubtWindow: { recheck: 50, end: 200 } });

/** Returns the last part of an address. */
async function add(containerId: string): Promise<number> {
  return Number((await fixture.host.add(containerId)).split('.')[3]);
}

/** Waits until an ADD is served by the block. @returns its first address */
async function served(): Promise<number> {
  const { grid } = fixture;
  await add('first');
  await vi.waitFor(() => expect(grid.objects('range')).toHaveLength(1), patienceMs);
  const first = Number(String(grid.objects('range')[0]?.start_addr).split('.')[3]);
  let tries = 0;
  await vi.waitFor(async () => {
    tries += 1;
    const address = await add(`try-${tries}`);
    expect(address >= first && address < first + 16).toBe(true);
  }, patienceMs);
  return first;
}

test('an IPv6 network has blocks, too', async () => {
  const { grid, host } = fixture;
  const ipam = { subnet: 'fd00:18:1::/64', gateway: 'fd00:18:1::1' };
  await host.add('first', { ipam });
  await vi.waitFor(() => expect(grid.objects('ipv6range')).toHaveLength(1), patienceMs);
  const [range] = grid.objects('ipv6range');
  const block = { first: String(range?.start_addr), last: String(range?.end_addr) };
  expect(sizeOf(block)).toBe(16);
  let address = '';
  await vi.waitFor(async () => {
    address = await host.add(`try-${Date.now()}`, { ipam });
    expect(isWithin(address, block)).toBe(true);
  }, patienceMs);
  await vi.waitFor(() => {
    expect(grid.objects('ipv6fixedaddress').map(({ ipv6addr }) => ipv6addr)).toContain(address);
  }, patienceMs);
});

test('during an outage ADD and DEL work, CHECK fails with 11, and STATUS succeeds for a network whose block has room', async () => {
  const first = await served();
  const { grid, host } = fixture;
  await grid.pause();
  const address = await add('c1');
  expect(address >= first && address < first + 16).toBe(true);
  expect((await errorOf(host.call('CHECK', 'c1', { config: { prevResult: resultOf(address) } }))).code).toBe(11);
  const ask = { socket: host.socket };
  const { leases } = await askDaemon({ ...ask, method: 'operator/leases', params: { container: 'c1' } });
  expect(leases).toMatchObject([{ phase: 'bound', inBlock: true, isOwed: true }]);
  const status = await askDaemon({ ...ask, method: 'operator/status', params: {} });
  const place = { first: `10.0.0.${first}`, last: `10.0.0.${first + 15}` };
  expect(status.blocks).toMatchObject([{ ...place, state: 'serving', host: null, returnAt: null }]);
  expect(status.leases.owed).toBeGreaterThan(0);
  await host.call('STATUS', '');
  expect(
    (
      await errorOf(
        host.call('STATUS', '', { config: { name: 'net-2' }, ipam: { subnet: '10.0.1.0/24', gateway: undefined } }),
      )
    ).code,
  ).toBe(50);
  await host.call('DEL', 'c1');
  await add('c2');
  await grid.resume();
  await vi.waitFor(
    () => expect(grid.fixedAddresses().filter(({ comment }) => /container=c[12] /.test(comment ?? ''))).toHaveLength(1),
    patienceMs,
  );
});

test.each<[string, () => void, RegExp, RegExp]>([
  [
    'this user may not read ranges',
    () => void fixture.grid.denied.add('range'),
    /^no block of 16 addresses is available in 10\.0\.0\.0\/24 \(view default\): .*range/,
    /read, create and delete ranges/,
  ],
  [
    'ranges leave no room for one',
    () => void fixture.grid.add('range', { start_addr: '10.0.0.10', end_addr: '10.0.0.240' }),
    /^no block of 16 addresses is available in 10\.0\.0\.0\/24 \(view default\): ranges have all but a quarter of it/,
    /larger subnet/,
  ],
  [
    'every place for one is in use',
    () => {
      for (let host = 20; host < 240; host += 2) fixture.grid.add('fixedaddress', reservation(`10.0.0.${host}`));
      fixture.grid.add('range', { start_addr: '10.0.0.64', end_addr: '10.0.0.239' });
    },
    /\(view default\): each place has addresses of this host, or more than a quarter of it is in use/,
    /larger subnet/,
  ],
  [
    'the four tried places are in use',
    () => {
      for (let host = 20; host < 240; host += 2) fixture.grid.add('fixedaddress', reservation(`10.0.0.${host}`));
    },
    /\(view default\): each place that was tried has addresses of this host, or more than a quarter of it is in use/,
    /larger subnet/,
  ],
])('a host that gets no block because %s reports it, and still serves its containers', async (_, spoil, why, fix) => {
  const { grid, host } = fixture;
  grid.add('network', { network: '10.0.0.0/24' });
  spoil();
  await add('c1');
  await vi.waitFor(async () => {
    const { conditions } = await askDaemon({ socket: host.socket, method: 'operator/status', params: {} });
    expect(conditions).toMatchObject([
      { kind: 'block-unavailable', message: expect.stringMatching(why), hint: expect.stringMatching(fix) },
    ]);
  }, patienceMs);
  await add('c2');
});

function resultOf(part: number) {
  return { cniVersion: '1.1.0', ips: [{ address: `10.0.0.${part}/24` }] };
}
