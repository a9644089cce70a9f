import { describe, expect, test, vi } from 'vitest';
import { until } from '../../../fixture/host.ts';
import { errorOf, held, useGridAndHost } from '../grid-and-host.ts';

const fixture = useGridAndHost();

/** The configuration of a GC with the attachments that the runtime knows. */
const knowing = (...containers: string[]) => ({
  config: { 'cni.dev/valid-attachments': containers.map((containerID) => ({ containerID, ifname: 'eth0' })) },
});

describe('GC', () => {
  test('releases attachments that the runtime does not know any more', async () => {
    const { grid, host } = fixture;
    for (const name of ['c1', 'c2', 'c3']) await host.add(name);
    await host.call('GC', '', knowing('c2'));
    expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.3']);
    await host.call('GC', '', knowing());
    expect(held(grid)).toEqual(['10.0.0.1']);
  });

  test('releases nothing without a list, and refuses a malformed entry', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    await host.call('GC', '');
    const list = [{ containerID: 'c1' }];
    expect(await errorOf(host.call('GC', '', { config: { 'cni.dev/valid-attachments': list } }))).toMatchObject({
      code: 7,
    });
    expect(held(grid)).toHaveLength(2);
  });

  test('spares other networks, other hosts and objects of people', async () => {
    const { grid, host } = fixture;
    const other = await fixture.another({ node: 'host-ab' }).start();
    await host.add('c1');
    await other.add('c2');
    await host.add('c3', { config: { name: 'net-10' }, ipam: { subnet: '10.1.0.0/24', gateway: undefined } });
    grid.add('fixedaddress', { ipv4addr: '10.0.0.9', mac: 'aa:bb:cc:00:00:01', comment: 'printer' });
    await host.call('GC', '', knowing());
    expect(held(grid).sort()).toEqual(['10.0.0.1', '10.0.0.3', '10.0.0.9', '10.1.0.1']);
  });

  test('finds reservations on the grid that the state of the host does not know', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    await host.add('c2');
    const twin = await fixture.another({ node: 'host-a' }).start();
    await twin.call('GC', '', knowing('c2'));
    await until('the unknown one is released', () => held(grid).length === 2);
    expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.3']);
  });

  test('releases addresses of a network whose name is too long for a mark', async () => {
    const { grid, host } = fixture;
    const config = { name: 'n'.repeat(60) };
    await host.add('c1', { config });
    await host.call('GC', '', { config: { ...config, ...knowing().config } });
    expect(held(grid)).toEqual(['10.0.0.1']);
  });

  test('spares the address of an ADD under way', async () => {
    const { grid, host } = fixture;
    await host.add('c0');
    const create = grid.hold({ method: 'POST' });
    const added = host.add('c1');
    await create.arrived;
    await host.call('GC', '', knowing('c0'));
    create.release();
    const address = await added;
    expect(held(grid)).toContain(address);
  });

  test('spares the address that an ADD is about to answer again', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    const look = grid.hold({ method: 'GET', type: 'fixedaddress' });
    const added = host.add('c1');
    await look.arrived;
    await host.call('GC', '', knowing());
    look.release();
    const address = await added;
    expect(held(grid)).toContain(address);
  });

  test('spares reservations that a too wide search returns', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    grid.add('fixedaddress', { ipv4addr: '10.0.0.9', mac: 'aa:bb:cc:00:00:01', comment: 'printer' });
    const result = grid.fixedAddresses();
    grid.inject({
      method: 'GET',
      when: ({ query }) => 'comment~' in query,
      effect: { kind: 'status', status: 200, contentType: 'application/json', body: JSON.stringify({ result }) },
    });
    await host.call('GC', '', knowing());
    expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.9']);
  });

  test('releases addresses that were given while the clock of the host was ahead', async () => {
    const { grid, host } = fixture;
    const tomorrow = Date.now() + 86_400_000;
    const clock = vi.spyOn(Date, 'now').mockReturnValue(tomorrow);
    await host.add('c1').finally(() => clock.mockRestore());
    await host.add('c2');
    await host.call('GC', '', knowing('c2'));
    expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.3']);
  });

  test('spares an address that an ADD under way got after the call', async () => {
    const { grid, host } = fixture;
    await host.add('c0');
    const create = grid.hold({ method: 'POST' });
    const search = grid.hold({ method: 'GET', when: ({ query }) => 'comment~' in query });
    const added = host.add('c1');
    await create.arrived;
    const collected = host.call('GC', '', knowing('c0'));
    await search.arrived;
    create.release();
    const address = await added;
    search.release();
    await collected;
    expect(held(grid)).toContain(address);
  });

  test('spares an address that an ADD was answered again after the call', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    await host.add('c2');
    const firstDelete = grid.hold({ method: 'DELETE' });
    const collected = host.call('GC', '', knowing());
    await firstDelete.arrived;
    const address = await host.add('c2');
    firstDelete.release();
    await collected;
    expect(held(grid)).toEqual(['10.0.0.1', address]);
  });

  test('continues after a failure and reports it', async () => {
    const { grid, host } = fixture;
    for (const name of ['c1', 'c2', 'c3']) await host.add(name);
    grid.inject({ method: 'GET', when: ({ query }) => 'comment~' in query, effect: { kind: 'status', status: 400 } });
    await host.call('GC', '', knowing()).catch(() => undefined);
    expect(held(grid)).toEqual(['10.0.0.1']);
  });
});

describe('STATUS', () => {
  test('succeeds once the grid has answered', async () => {
    const { host } = fixture;
    await until('the first contact', async () => {
      try {
        await host.call('STATUS', '');
        return true;
      } catch {
        return false;
      }
    });
    await expect(host.call('STATUS', '')).resolves.toBeNull();
  });

  test('reports a refused login, and succeeds with the right password', async () => {
    const { grid } = fixture;
    const host = fixture.another({ node: 'host-b', flags: ['--wapi-password=wrong'] });
    await host.start();
    await until('the refusal', () => grid.requests.some(({ status }) => status === 401));
    await until('the daemon knows', () => host.log.some(({ message }) => message.includes('grid unavailable')));
    expect(await errorOf(host.call('STATUS', ''))).toMatchObject({
      code: 50,
      msg: expect.stringContaining('refused the user name or password'),
    });
    expect(await errorOf(host.add('c1'))).toMatchObject({ code: 103 });
    expect(JSON.stringify(host.log)).not.toContain('wrong');
  });

  test('succeeds although a web server refuses the requests of one network configuration', async () => {
    const { grid, host } = fixture;
    grid.inject({
      method: 'GET',
      times: 99,
      when: ({ query }) => query.name === 'odd',
      effect: { kind: 'html', status: 414 },
    });
    expect(await errorOf(host.add('c1', { ipam: { 'network-view': 'odd' } }))).toMatchObject({ code: 11 });
    await expect(host.call('STATUS', '')).resolves.toBeNull();
    expect(host.log.filter(({ message }) => message === 'grid unavailable')).toEqual([]);
  });

  test('reports a full network, and succeeds when it is not full any more', async () => {
    const { host } = fixture;
    const ipam = { subnet: '10.0.0.0/30', gateway: '10.0.0.1' };
    await host.add('c1', { ipam });
    await errorOf(host.add('c2', { ipam }));
    expect(await errorOf(host.call('STATUS', '', { ipam }))).toMatchObject({
      code: 50,
      msg: 'no free address in 10.0.0.0/30 (view default)',
    });
    await host.del('c1', { ipam });
    await expect(host.call('STATUS', '', { ipam })).resolves.toBeNull();
  });

  test('refuses a configuration that ADD would refuse', async () => {
    expect(await errorOf(fixture.host.call('STATUS', '', { ipam: { subnet: 'x' } }))).toMatchObject({ code: 7 });
  });
});
