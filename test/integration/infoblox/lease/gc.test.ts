import { describe, expect, test, vi } from 'vitest';
import { until } from '../../../fixture/host.ts';
import { errorOf, held, useGridAndHost } from '../grid-and-host.ts';

const fixture = useGridAndHost();

/** Configuration of GC, with the attachments that the runtime knows. */
const knowing = (...containers: string[]) => ({
  config: { 'cni.dev/valid-attachments': containers.map((containerID) => ({ containerID, ifname: 'eth0' })) },
});

describe('GC', () => {
  test('releases what the runtime does not know any more', async () => {
    const { grid, host } = fixture;
    for (const name of ['c1', 'c2', 'c3']) await host.add(name);
    await host.call('GC', '', knowing('c2'));
    expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.3']);
    await host.call('GC', '', knowing());
    expect(held(grid)).toEqual(['10.0.0.1']);
  });

  test('without a list releases nothing; an entry that cannot be read is an error', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    await host.call('GC', '');
    const list = [{ containerID: 'c1' }];
    expect(await errorOf(host.call('GC', '', { config: { 'cni.dev/valid-attachments': list } }))).toMatchObject({
      code: 7,
    });
    expect(held(grid)).toHaveLength(2);
  });

  test('leaves other networks, other hosts and other people alone', async () => {
    const { grid, host } = fixture;
    const other = await fixture.another({ node: 'host-ab' }).start();
    await host.add('c1');
    await other.add('c2');
    await host.add('c3', { config: { name: 'net-10' }, ipam: { subnet: '10.1.0.0/24', gateway: undefined } });
    grid.add('fixedaddress', { ipv4addr: '10.0.0.9', mac: 'aa:bb:cc:00:00:01', comment: 'printer' });
    await host.call('GC', '', knowing());
    expect(held(grid).sort()).toEqual(['10.0.0.1', '10.0.0.3', '10.0.0.9', '10.1.0.1']);
  });

  test('finds on the grid what the state of the host does not know', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    await host.add('c2');
    const twin = await fixture.another({ node: 'host-a' }).start();
    await twin.call('GC', '', knowing('c2'));
    await until('the unknown one is released', () => held(grid).length === 2);
    expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.3']);
  });

  test('releases what was given in a network whose name is too long for a mark', async () => {
    const { grid, host } = fixture;
    const config = { name: 'n'.repeat(60) };
    await host.add('c1', { config });
    await host.call('GC', '', { config: { ...config, ...knowing().config } });
    expect(held(grid)).toEqual(['10.0.0.1']);
  });

  test('does not take the address of an ADD under way', async () => {
    const { grid, host } = fixture;
    await host.add('c0');
    grid.inject({ method: 'POST', effect: { kind: 'delay', ms: 150 } });
    const added = host.add('c1');
    await until('the ADD is at the grid', () =>
      grid.requests.some(({ status, method }) => !status && method === 'POST'),
    );
    await host.call('GC', '', knowing('c0'));
    const address = await added;
    expect(held(grid)).toContain(address);
  });

  test('does not take an address from an ADD that is about to repeat it', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    grid.inject({ method: 'GET', type: 'fixedaddress', effect: { kind: 'delay', ms: 150 } });
    grid.clearLog();
    const added = host.add('c1');
    await until('the ADD is at the grid', () => grid.requests.length > 0);
    await host.call('GC', '', knowing());
    const address = await added;
    expect(held(grid)).toContain(address);
  });

  test('does not trust a search that finds too much', async () => {
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

  test('releases what was given while the clock of the host was ahead', async () => {
    const { grid, host } = fixture;
    const tomorrow = Date.now() + 86_400_000;
    const clock = vi.spyOn(Date, 'now').mockReturnValue(tomorrow);
    await host.add('c1').finally(() => clock.mockRestore());
    await host.add('c2');
    await host.call('GC', '', knowing('c2'));
    expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.3']);
  });

  test('leaves alone what an ADD that was under way when it came has been given since', async () => {
    const { grid, host } = fixture;
    await host.add('c0');
    grid.inject({ method: 'POST', effect: { kind: 'delay', ms: 100 } });
    grid.inject({ method: 'GET', when: ({ query }) => 'comment~' in query, effect: { kind: 'delay', ms: 500 } });
    const isCreate = ({ status, method }: { status?: number; method: string }) => !status && method === 'POST';
    const added = host.add('c1');
    await until('the ADD is at the grid', () => grid.requests.some(isCreate));
    const collected = host.call('GC', '', knowing('c0'));
    const address = await added;
    await collected;
    expect(held(grid)).toContain(address);
  });

  test('leaves alone what an ADD has been told once more since it came', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    await host.add('c2');
    grid.inject({ method: 'DELETE', effect: { kind: 'delay', ms: 300 } });
    const collected = host.call('GC', '', knowing());
    await until('it is at the first lease', () => grid.requests.some(({ method }) => method === 'DELETE'));
    const address = await host.add('c2');
    await collected;
    expect(held(grid)).toEqual(['10.0.0.1', address]);
  });

  test('goes on after a failure and reports it', async () => {
    const { grid, host } = fixture;
    for (const name of ['c1', 'c2', 'c3']) await host.add(name);
    grid.inject({ method: 'GET', when: ({ query }) => 'comment~' in query, effect: { kind: 'status', status: 400 } });
    await host.call('GC', '', knowing()).catch(() => undefined);
    expect(held(grid)).toEqual(['10.0.0.1']);
  });
});

describe('STATUS', () => {
  test('is well once the grid has answered', async () => {
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

  test('says that the grid does not let us in, and recovers with the password', async () => {
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

  test('is well though a web server refuses what one network configuration asks for', async () => {
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

  test('says that a network is full, and that it no longer is', async () => {
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
