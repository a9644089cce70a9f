/** A network view is renamed while containers use its addresses. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { until } from '../../../fixture/host.ts';
import { promote } from '../../../fixture/world.ts';
import { errorOf, fromContainer, held, useGridAndHost, writes } from '../grid-and-host.ts';

const fixture = useGridAndHost({}, { doubtWindow: { recheck: 100, end: 400 } });

const before = { ipam: { 'network-view': 'before' } };
const after = { ipam: { 'network-view': 'after' } };
const views = () => fixture.grid.objects('networkview').map(({ name }) => name);

function rename(from = 'before', to = 'after'): void {
  const view = fixture.grid.objects('networkview').find(({ name }) => name === from);
  fixture.grid.update(view?._ref ?? '', { name: to });
  fixture.grid.clearLog();
}

const withResult = (address: string) => ({ config: { prevResult: { ips: [{ address: `${address}/24` }] } } });

/** Expects the same objects on the grid as when the view was renamed. */
function expectUntouched(...addresses: string[]): void {
  expect(views()).toEqual(['default', 'after']);
  expect(held(fixture.grid, 'after')).toEqual(addresses);
  expect(writes(fixture.grid).filter((line) => !line.includes('logout') && / 2\d\d$/.test(line))).toEqual([]);
}

const refusal = {
  code: 102,
  msg: expect.stringMatching(/^network view before has been renamed to after, it seems: 10\.0\.0\.2 is reserved there/),
  details: expect.stringContaining('set network-view to after, or rename the view back'),
};

describe('a renamed network view', () => {
  test('is not created again by the ADD of a new container, whose error has the new name', async () => {
    const { host } = fixture;
    await host.add('c1', before);
    rename();
    expect(await errorOf(host.add('c2', before))).toMatchObject(refusal);
    expectUntouched('10.0.0.1', '10.0.0.2');
  });

  test('is not created again by a repeated ADD, which reserves no second address', async () => {
    const { host } = fixture;
    await host.add('c1', before);
    rename();
    expect(await errorOf(host.add('c1', before))).toMatchObject({
      code: 102,
      msg: 'c1/eth0 holds 10.0.0.2 in network view after, not before: the view has been renamed',
      details: 'set network-view to after, or rename the view back to before',
    });
    expectUntouched('10.0.0.1', '10.0.0.2');
  });

  test('is named in the error of CHECK', async () => {
    const { host } = fixture;
    const address = await host.add('c1', before);
    rename();
    expect(await errorOf(host.call('CHECK', 'c1', { ...before, ...withResult(address) }))).toMatchObject({
      code: 102,
      msg: expect.stringContaining('in network view after, not before'),
    });
  });

  test('serves again as soon as the configuration has the new name', async () => {
    const { grid, host } = fixture;
    const address = await host.add('c1', before);
    rename();
    await host.call('CHECK', 'c1', { ...after, ...withResult(address) });
    expect(await host.add('c1', after)).toBe(address);
    expect(await host.add('c2', after)).toBe('10.0.0.3');
    await host.call('CHECK', 'c1', { ...after, ...withResult(address) });
    for (const container of ['c1', 'c2']) await host.del(container, after);
    expect(held(grid, 'after')).toEqual(['10.0.0.1']);
    expect(views()).toEqual(['default', 'after']);
  });

  test('is recognised after a restart, and by a host that has lost its state', async () => {
    const { host } = fixture;
    await host.add('c1', before);
    rename();
    await host.stop();
    await host.start();
    expect(await errorOf(host.add('c2', before))).toMatchObject(refusal);
    await host.stop();
    rmSync(join(host.directory, 'state'), { recursive: true });
    await host.start();
    expect(await errorOf(host.add('c2', before))).toMatchObject(refusal);
    await until('the state is read back', () =>
      host.log.some(({ message }) => message.startsWith('imported the reservations')),
    );
    expect(await errorOf(host.add('c2', before))).toMatchObject(refusal);
    expect(await errorOf(host.add('c1', before))).toMatchObject({
      code: 105,
      msg: expect.stringContaining('already holds 10.0.0.2'),
      details: expect.stringContaining('it is in network view after'),
    });
    expectUntouched('10.0.0.1', '10.0.0.2');
  });

  test('is recognised by a host of the cluster that used it before and has no container there', async () => {
    const other = await fixture.another({ node: 'host-b' }).start();
    await other.add('c9', before);
    await fixture.host.add('c1', before);
    await other.del('c9', before);
    rename();
    expect(await errorOf(other.add('c9', before))).toMatchObject({ code: 102, msg: expect.stringContaining('after') });
    expectUntouched('10.0.0.1', '10.0.0.3');
  });

  test('is not created again for another network', async () => {
    const { host } = fixture;
    await host.add('c1', before);
    rename();
    const other = { config: { name: 'net-2' }, ipam: { ...before.ipam, subnet: '10.2.0.0/24', gateway: undefined } };
    expect(await errorOf(host.add('c2', other))).toMatchObject(refusal);
    expect(await errorOf(host.add('c3', fromContainer(before.ipam)))).toMatchObject(refusal);
    expectUntouched('10.0.0.1', '10.0.0.2');
  });

  test('gives no address twice if another view gets its old name', async () => {
    const { grid, host } = fixture;
    const address = await host.add('c1', before);
    rename();
    grid.add('networkview', { name: 'before' });
    expect(await errorOf(host.add('c2', before))).toMatchObject(refusal);
    expect(await errorOf(host.add('c1', before))).toMatchObject({ code: 102 });
    grid.add('network', { network: '10.0.0.0/24', network_view: 'before' });
    expect(await errorOf(host.add('c2', before))).toMatchObject({
      code: 102,
      msg: `c1/eth0 holds ${address} in network view after, not before: the view has been renamed`,
    });
    await until('what c2 took has gone back', () => held(grid, 'before').join() === '10.0.0.1');
    expect(held(grid, 'after')).toEqual(['10.0.0.1', address]);
  });

  test('is searched after a fail-over, and nothing is re-created', async () => {
    const { grid, host } = fixture;
    await host.add('c1', before);
    rename();
    await promote(fixture, () => grid.clearLog());
    const isLook = ({ query, status }: (typeof grid.requests)[number]) =>
      query.comment?.includes('container=c1 ') === true && query.network_view === undefined && status === 200;
    await until('it is looked for', () => grid.requests.some(isLook));
    await host.del('c1', before);
    expectUntouchedButForDel();
  });

  function expectUntouchedButForDel(): void {
    const { grid } = fixture;
    expect(views()).toEqual(['default', 'after']);
    expect(held(grid, 'after')).toEqual(['10.0.0.1']);
    expect(writes(grid).filter((line) => line.startsWith('POST fixedaddress'))).toEqual([]);
  }
});

describe('an existing network view', () => {
  test('gets the network even if this host has addresses of the same network in another view', async () => {
    const { grid, host } = fixture;
    await host.add('c1', before);
    await host.add('c2', fromContainer(before.ipam));
    grid.add('networkview', { name: 'after' });
    expect(await host.add('c3', after)).toBe('10.0.0.2');
    expect(await host.add('c4', fromContainer(after.ipam))).toBe('172.18.0.1');
    expect(held(grid, 'before')).toEqual(['10.0.0.1', '10.0.0.2', '172.18.0.1']);
    expect(held(grid, 'after')).toEqual(['10.0.0.1', '10.0.0.2', '172.18.0.1']);
    await host.del('c1', before);
    await until('it is released', () => held(grid, 'before').length === 2);
    expect(held(grid, 'after')).toHaveLength(3);
  });
});

describe('a new network view', () => {
  test('is created, with a warning', async () => {
    const { host } = fixture;
    await host.add('c1', before);
    expect(host.log).toContainEqual({
      level: 'warn',
      message: 'created on the grid',
      details: {
        kind: 'network view',
        name: 'before',
        view: 'before',
        hint: expect.stringContaining('correct network-view'),
      },
    });
  });

  test('is not created while containers of the network have addresses in another one, unless that still has the network', async () => {
    const { grid, host } = fixture;
    await host.add('c1', before);
    expect(await errorOf(host.add('c2', after))).toMatchObject({
      code: 102,
      msg: expect.stringContaining('network view after has been renamed to before, it seems'),
      details: expect.stringContaining('if after is meant to be another view, make the network in it by hand'),
    });
    expect(views()).toEqual(['default', 'before']);
    grid.add('networkview', { name: 'after' });
    grid.add('network', { network: '10.0.0.0/24', network_view: 'after' });
    expect(await host.add('c2', after)).toBe('10.0.0.2');
  });

  test('is created for hosts of another cluster, and for other addresses', async () => {
    const { host } = fixture;
    const other = await fixture.another({ node: 'host-b', flags: ['--cluster-name=cluster-2'] }).start();
    await host.add('c1', before);
    expect(await other.add('c1', after)).toBe('10.0.0.2');
    expect(await host.add('c2', { ipam: { 'network-view': 'third', subnet: '10.3.0.0/24', gateway: undefined } })).toBe(
      '10.3.0.1',
    );
  });
});
