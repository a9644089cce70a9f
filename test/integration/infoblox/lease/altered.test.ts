/** Reservations that were altered on the grid. A comment with anything behind the mark is not ours any more. */
import { describe, expect, test } from 'vitest';
import { askDaemon } from '../../../../src/modes/operator/daemon-connection.ts';
import { type Host, until } from '../../../fixture/host.ts';
import { promote } from '../../../fixture/world.ts';
import { errorOf, held, useGridAndHost, writes } from '../grid-and-host.ts';

const fixture = useGridAndHost({}, { doubtWindow: { recheck: 100, end: 400 } });

const note = ' (ticket 4711, do not touch)';
const mark = 'infoblox-cni cluster=cluster-1 node=host-a network=net-1 container=c1 interface=eth0';
const reservation = { match_client: 'RESERVED', mac: '00:00:00:00:00:00' };

const at = (address: string) => fixture.grid.fixedAddresses().find(({ ipv4addr }) => ipv4addr === address);
const alter = (address: string, fields: Record<string, string>) => fixture.grid.update(at(address)?._ref ?? '', fields);
const knowing = (...containers: string[]) => ({
  config: { 'cni.dev/valid-attachments': containers.map((containerID) => ({ containerID, ifname: 'eth0' })) },
});
const withResult = (address: string) => ({ config: { prevResult: { ips: [{ address: `${address}/24` }] } } });
const deletes = () => writes(fixture.grid).filter((line) => line.startsWith('DELETE'));
const everything = { isWhole: true, evenIfAlive: true };
const conditions = async ({ socket }: Host) =>
  (await askDaemon({ socket, method: 'operator/status', params: {} })).conditions;
const last = async ({ socket }: Host, address: string) =>
  (await askDaemon({ socket, method: 'operator/history', params: { address } })).holdings[0];
const reports = (host: Host) => host.log.filter(({ message }) => message.includes('was altered on the grid'));
/** Waits a few milliseconds, as GC spares reservations of the millisecond in which it was called. */
const later = () => new Promise((resolve) => setTimeout(resolve, 5));

/** Starts a host of the same name without its state, and waits until it has read the grid. */
async function reinstalled(): Promise<Host> {
  await fixture.host.stop();
  fixture.grid.clearLog();
  const host = await fixture.another({ node: 'host-a' }).start();
  const imported = () => fixture.grid.requests.some(({ query, status }) => 'comment~' in query && status === 200);
  await until('the grid has been read', imported);
  return host;
}

describe.each([
  ['with an extended comment', { comment: `${mark}${note}` }],
  ['that was turned into a fixed address of a MAC', { match_client: 'MAC_ADDRESS', mac: '02:00:00:00:00:77' }],
])('a reservation %s', (_, change) => {
  test('of a valid container is left alone by GC, which reports it once', async () => {
    const { grid, host } = fixture;
    const address = await host.add('c1');
    alter(address, change);
    await later();
    for (let n = 0; n < 2; n += 1) await host.call('GC', '', knowing('c1'));
    expect(held(grid)).toEqual(['10.0.0.1', address]);
    expect(reports(host)).toMatchObject([
      { level: 'warn', details: { address, view: 'default', comment: at(address)?.comment } },
    ]);
  });

  test('is left alone by the DEL of its container, which reports it', async () => {
    const { grid, host } = fixture;
    const address = await host.add('c1');
    alter(address, change);
    await host.del('c1');
    expect(held(grid)).toEqual(['10.0.0.1', address]);
    expect(deletes()).toEqual([]);
    expect(host.log.at(-1)).toMatchObject({
      level: 'error',
      message: 'the reservation of an ended attachment is not released: it was changed on the grid',
      details: { address, now: expect.stringContaining('was changed in the grid and is n') },
    });
    expect(reports(host)).toHaveLength(1);
    expect(await host.add('c2')).not.toBe(address);
  });

  test.each([
    ['restored', (address: string) => alter(address, { ...reservation, comment: mark })],
    ['deleted', (address: string) => fixture.grid.remove(at(address)?._ref ?? '')],
  ])('is a condition after a DEL, and not returned in the history until a person has %s it', async (_, putRight) => {
    const { grid, host } = fixture;
    const address = await host.add('c1');
    alter(address, change);
    await host.del('c1');
    const altered = {
      kind: 'reservation-altered',
      subject: 'c1/eth0 in network net-1',
      message: expect.stringMatching(`^${address} of c1/eth0 .* was changed in the grid .*: it is not released$`),
      hint: expect.stringContaining(`restore its comment to exactly "${mark}", with the match RESERVED, or delete it`),
    };
    expect(await conditions(host)).toMatchObject([altered]);
    expect(await last(host, address)).toMatchObject({ releasedBy: 'DEL', returned: null });
    await host.stop();
    await host.start();
    await expect.poll(() => conditions(host)).toMatchObject([altered]);
    putRight(address);
    await askDaemon({ socket: host.socket, method: 'operator/release', params: { ...everything, who: 'c1' } });
    await expect.poll(() => conditions(host)).toEqual([]);
    expect(held(grid)).toEqual(['10.0.0.1']);
    expect((await last(host, address))?.returned).not.toBeNull();
  });

  test('of a live container is a condition until a person restores it', async () => {
    const { host } = fixture;
    const address = await host.add('c1');
    alter(address, change);
    await host.stop();
    await host.start();
    expect(await errorOf(host.call('CHECK', 'c1', withResult(address)))).toMatchObject({ code: 104 });
    const isHeld = { kind: 'reservation-altered', message: expect.not.stringContaining('not released') };
    await expect.poll(() => conditions(host)).toMatchObject([isHeld]);
    alter(address, { ...reservation, comment: mark });
    await host.call('CHECK', 'c1', withResult(address));
    expect(await conditions(host)).toEqual([]);
  });

  test('is left alone by GC, DEL and import of a host that has lost its state', async () => {
    const { grid, host } = fixture;
    const address = await host.add('c1');
    alter(address, change);
    const twin = await reinstalled();
    await twin.del('c1');
    await twin.call('GC', '', knowing());
    expect(held(grid)).toEqual(['10.0.0.1', address]);
    expect(reports(twin).map(({ details }) => details.address)).toEqual([address]);
    expect(twin.log.map(({ message }) => message)).not.toContainEqual(expect.stringContaining('imported'));
  });

  test('fails CHECK, which quotes it', async () => {
    const { host } = fixture;
    const address = await host.add('c1');
    alter(address, change);
    expect(await errorOf(host.call('CHECK', 'c1', withResult(address)))).toMatchObject({
      code: 104,
      msg: expect.stringMatching(new RegExp(`${address} was changed in the grid and is .*"infoblox-cni .*"$`)),
    });
  });

  test('fails a repeated ADD, which takes no second address', async () => {
    const { grid, host } = fixture;
    const address = await host.add('c1');
    alter(address, change);
    expect(await errorOf(host.add('c1'))).toMatchObject({
      code: 105,
      msg: expect.stringContaining(
        `c1/eth0 holds ${address} in network net-1, and its reservation was changed in the grid`,
      ),
      details: expect.stringContaining(`with the comment "${mark}" again`),
    });
    expect(held(grid)).toEqual(['10.0.0.1', address]);
    alter(address, { ...reservation, comment: mark });
    expect(await host.add('c1')).toBe(address);
  });

  test('is neither re-created after a fail-over nor reported as lost', async () => {
    const { grid, host } = fixture;
    const address = await host.add('c1');
    alter(address, change);
    await promote(fixture, () => grid.clearLog());
    await until('it is reported', () => reports(host).length > 0);
    expect(grid.requests.filter(({ method }) => method === 'POST')).toEqual([]);
    expect(host.log.filter(({ message }) => message.includes('lost the reservation'))).toEqual([]);
  });
});

test('GC spares a valid container whose mark was extended even without a space', async () => {
  const { grid, host } = fixture;
  const address = await host.add('c1');
  alter(address, { comment: `${mark},Paris` });
  await later();
  await host.call('GC', '', knowing('c1'));
  expect(held(grid)).toEqual(['10.0.0.1', address]);
  expect(reports(host)).toHaveLength(1);
});

test('a copy of a reservation for another device is left to its owner', async () => {
  const { grid, host } = fixture;
  const address = await host.add('c1');
  grid.add('fixedaddress', { ipv4addr: '10.0.0.9', mac: '02:00:00:00:00:77', comment: mark });
  await later();
  await host.call('GC', '', knowing());
  expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.9']);
  const twin = await reinstalled();
  await twin.del('c1');
  expect(await twin.add('c1')).toBe(address);
  expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.9', address]);
});
