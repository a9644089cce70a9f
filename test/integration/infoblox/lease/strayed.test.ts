/** Attachments whose reservation was moved or lost. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Host, until } from '../../../fixture/host.ts';
import { type Grid, startGrid } from '../../../simulator/grid.ts';
import { failureOf } from '../wapi/session-fixture.ts';

let grid: Grid;
let host: Host;

beforeEach(async () => {
  grid = await startGrid();
  host = await new Host(grid, { doubtWindow: { recheck: 100, end: 400 } }).start();
});
afterEach(async () => {
  await host.dispose();
  await grid.stop();
});

test('an address is released although its network view was renamed by hand', async () => {
  const ipam = { 'network-view': 'before' };
  await host.add('c1', { ipam });
  const [view] = grid.objects('networkview').filter(({ name }) => name === 'before');
  grid.update(view?._ref ?? '', { name: 'after' });
  await host.del('c1', { ipam });
  expect(grid.fixedAddresses('after').map(({ ipv4addr }) => ipv4addr)).toEqual(['10.0.0.1']);
});

test('CHECK of a container whose release is under way reports that it was deleted', async () => {
  const address = await host.add('c1');
  await grid.pause();
  await host.del('c1');
  await grid.resume();
  const prevResult = { cniVersion: '1.1.0', ips: [{ address: `${address}/24` }] };
  expect(await failureOf(host.call('CHECK', 'c1', { config: { prevResult } }))).toMatchObject({ code: 104 });
});

describe('an address whose reservation was deleted by hand, or lost with a grid master', () => {
  const holders = () =>
    Object.fromEntries(
      grid.fixedAddresses().map(({ ipv4addr, comment = '' }) => [ipv4addr, /container=(\S+)/.exec(comment)?.[1]]),
    );
  const lose = (address: string) =>
    grid.remove(grid.fixedAddresses().find(({ ipv4addr }) => ipv4addr === address)?._ref ?? '');

  test('is not given to a second container, but re-created for the live one', async () => {
    const first = await host.add('c1');
    lose(first);
    const second = await host.add('c2');
    expect(second).not.toBe(first);
    expect(holders()).toMatchObject({ [first]: 'c1', [second]: 'c2' });
    expect(grid.fixedAddresses().find(({ ipv4addr }) => ipv4addr === first)).toMatchObject({ name: 'c1' });
    await host.call('CHECK', 'c1', { config: { prevResult: { ips: [{ address: `${first}/24` }] } } });
    expect(host.log).toContainEqual(
      expect.objectContaining({
        message: 're-created a reservation that the grid had lost',
        details: expect.objectContaining({ address: first }),
      }),
    );
    for (const container of ['c1', 'c2']) await host.del(container);
    expect(Object.keys(holders())).toEqual(['10.0.0.1']);
  });

  test('of a container that is gone is released only by a DEL, as the hint in the log says', async () => {
    const first = await host.add('dead');
    lose(first);
    expect(await host.add('c2')).not.toBe(first);
    expect(holders()[first]).toBe('dead');
    expect(host.log).toContainEqual(
      expect.objectContaining({ details: expect.objectContaining({ hint: expect.stringContaining('send a DEL') }) }),
    );
    lose(first);
    expect(await host.add('dead')).toBe(first);
    lose(first);
    // The call of docs/operations.md: no namespace, and a configuration with only the network and the daemon.
    const entry = { cniVersion: '1.0.0', name: 'net-1', type: 'bridge', ipam: { type: 'infoblox' } };
    await host.del('dead', { netns: '', config: entry });
    await until('the log says so', () =>
      host.log.some(
        ({ message, details: { address } }) =>
          message === 'nothing to release: the reservation was removed or changed in the grid' && address === first,
      ),
    );
    expect(await host.add('c3')).toBe(first);
    expect(holders()[first]).toBe('c3');
  });

  test('is known after a restart, too', async () => {
    const first = await host.add('c1');
    await host.stop();
    lose(first);
    await host.start();
    const second = await host.add('c2');
    expect(holders()).toMatchObject({ [first]: 'c1', [second]: 'c2' });
  });

  test('is not given to a request for it, and a repeated ADD keeps it', async () => {
    const first = await host.add('c1');
    lose(first);
    expect(await failureOf(host.add('c2', { args: `IP=${first}` }))).toMatchObject({
      code: 105,
      message: expect.stringMatching(/is taken by "infoblox-cni .*container=c1 /),
    });
    expect(await host.add('c1', { args: `IP=${first}` })).toBe(first);
  });

  test('goes to the first caller when many are lost, and never to two', async () => {
    const told = new Map<string, string>();
    for (let n = 0; n < 6; n += 1) told.set(`c${n}`, await host.add(`c${n}`));
    for (const address of told.values()) lose(address);
    const later = Array.from({ length: 6 }, (_, n) => `d${n}`);
    await Promise.all(later.map(async (container) => told.set(container, await host.add(container))));
    expect(new Set(told.values()).size).toBe(12);
    const known = holders();
    for (const [container, address] of told) expect(known[address]).toBe(container);
  });

  test('is released if its container is deleted during the re-creation', async () => {
    const first = await host.add('c1');
    lose(first);
    grid.inject({ method: 'GET', type: 'fixedaddress', effect: { kind: 'delay', ms: 200 } });
    const deleted = host.del('c1');
    const second = await host.add('c2');
    await deleted;
    expect(holders()).toEqual({ '10.0.0.1': undefined, [second]: 'c2' });
  });

  test('is kept when the answer to its re-creation is lost', async () => {
    for (const commit of [true, false]) {
      const first = await host.add('c1');
      lose(first);
      grid.inject({ method: 'PUT', effect: { kind: 'reset', commit } });
      expect(await failureOf(host.add('c2'))).toMatchObject({ code: 11 });
      const second = await host.add('c2');
      expect(second).not.toBe(first);
      const third = await host.add('c3');
      expect(new Set([first, second, third]).size).toBe(3);
      for (const container of ['c1', 'c2', 'c3']) await host.del(container);
      await until('all is given back', () => Object.keys(holders()).length === 1);
    }
  });

  test('stays with its container when a late create of another one has taken it', async () => {
    const [first, second] = [await host.add('c1'), await host.add('c2')];
    const comment = grid.fixedAddresses().find(({ ipv4addr }) => ipv4addr === second)?.comment ?? '';
    lose(first);
    lose(second);
    grid.add('fixedaddress', { ipv4addr: first, match_client: 'RESERVED', mac: '00:00:00:00:00:00', comment });
    expect(await host.add('c2')).toBe(second);
    expect(holders()).toMatchObject({ [first]: 'c1', [second]: 'c2' });
  });

  test('is re-created if it is the gateway', async () => {
    const first = await host.add('c1');
    lose('10.0.0.1');
    const second = await host.add('c2');
    expect(['10.0.0.1', first]).not.toContain(second);
    expect(grid.fixedAddresses().find(({ ipv4addr }) => ipv4addr === '10.0.0.1')).toMatchObject({
      name: 'gateway',
      comment: 'infoblox-cni gateway of network=net-1',
    });
  });
});
