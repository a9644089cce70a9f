import { describe, expect, test } from 'vitest';
import { until } from '../../../fixture/host.ts';
import { errorOf, held, useGridAndHost, writes } from '../grid-and-host.ts';

const fixture = useGridAndHost();
const stranger = 'infoblox-cni cluster=cluster-1 node=host-z network=net-1 container=c1 interface=eth0';

/** The configuration of CHECK, with the result of ADD. */
const withResult = (...addresses: string[]) => ({
  config: { prevResult: { cniVersion: '1.1.0', ips: addresses.map((address) => ({ address: `${address}/24` })) } },
});

describe('DEL', () => {
  test('releases the address and keeps the gateway', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    await host.del('c1');
    expect(held(grid)).toEqual(['10.0.0.1']);
  });

  test('succeeds without a write if repeated, or for an unknown attachment', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    await host.add('c2');
    await host.del('c1');
    await host.del('c1');
    await host.del('never');
    expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.3']);
    const told = host.log.filter(({ message }) => message === 'DEL').map(({ details }) => details.address);
    expect(told).toEqual(['10.0.0.2', 'none', 'none']);
  });

  test('spares an object of another owner at the address, and names it', async () => {
    const { grid, host } = fixture;
    const address = await host.add('c1');
    grid.update(grid.fixedAddresses()[1]?._ref ?? '', { comment: 'mine now' });
    await host.del('c1');
    expect(held(grid)).toContain(address);
    expect(host.log.at(-1)).toMatchObject({
      message: 'nothing to release: the reservation was removed or changed in the grid',
      details: { address },
    });
  });

  test('of another interface or network changes nothing', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    await host.del('c1', { ifName: 'eth1' });
    await host.del('c1', { config: { name: 'net-2' } });
    expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.2']);
  });

  test('needs neither the namespace nor a valid configuration', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    await host.del('c1', { netns: '', ipam: { subnet: 'nonsense', gateway: 7, routes: 'none', subnett: 'x' } });
    expect(held(grid)).toEqual(['10.0.0.1']);
  });

  test('finds the address even if the configuration names another view by now', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    await host.del('c1', { ipam: { 'network-view': 'elsewhere' } });
    expect(held(grid)).toEqual(['10.0.0.1']);
  });

  test('finds by its mark a reservation that the state does not know', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    await host.stop();
    const twin = await fixture.another({ node: 'host-a' }).start();
    await twin.del('c1');
    expect(held(grid)).toEqual(['10.0.0.1']);
  });

  test.each([
    ['another host', { comment: stranger }],
    ['an administrator', { comment: 'printer', mac: 'aa:bb:cc:00:00:01', match_client: 'MAC_ADDRESS' }],
    ['nobody', { comment: '' }],
  ])('never touches the object of %s at the former address of the container', async (_, fields) => {
    const { grid, host } = fixture;
    await host.add('c1');
    const own = grid.fixedAddresses()[1]?._ref ?? '';
    grid.remove(own);
    // The same address has the same reference.
    const reservation = { match_client: 'RESERVED', mac: '00:00:00:00:00:00' };
    expect(grid.add('fixedaddress', { ipv4addr: '10.0.0.2', ...reservation, ...fields })).toBe(own);
    await host.del('c1');
    expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.2']);
    expect(writes(grid).filter((line) => line.startsWith('DELETE'))).toEqual([]);
  });

  test('spares an object that only looks similar', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    const comment = grid.fixedAddresses()[1]?.comment ?? '';
    const alike = { match_client: 'RESERVED', mac: '00:00:00:00:00:00' };
    grid.add('fixedaddress', { ipv4addr: '10.0.0.8', ...alike, comment: comment.toUpperCase() });
    grid.add('fixedaddress', { ipv4addr: '10.0.0.9', ...alike, comment: `${comment}0` });
    await host.del('c1');
    expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.8', '10.0.0.9']);
  });

  test('spares objects that a too wide search returns', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    grid.add('fixedaddress', { ipv4addr: '10.0.0.9', mac: 'aa:bb:cc:00:00:01', comment: 'printer' });
    const result = grid.fixedAddresses();
    grid.inject({
      method: 'GET',
      type: 'fixedaddress',
      effect: { kind: 'status', status: 200, contentType: 'application/json', body: JSON.stringify({ result }) },
    });
    await host.del('c1');
    expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.9']);
  });

  test('ends an ADD under way and leaves nothing', async () => {
    const { grid, host } = fixture;
    await host.add('c0');
    const [create, look] = [grid.hold({ method: 'POST' }), grid.hold({ method: 'GET', type: 'fixedaddress' })];
    const added = errorOf(host.add('c1'));
    await create.arrived;
    const deleted = host.del('c1');
    await look.arrived;
    for (const request of [create, look]) request.release();
    await deleted;
    expect(await added).toMatchObject({ code: 11, msg: 'the attachment was deleted while its ADD was under way' });
    await until('nothing is left', () => held(grid).length === 2);
  });
});

describe('CHECK', () => {
  test('succeeds while the reservation exists', async () => {
    const { host } = fixture;
    const address = await host.add('c1');
    await expect(host.call('CHECK', 'c1', withResult(address))).resolves.toBeNull();
    await expect(host.call('CHECK', 'c1', withResult('192.168.7.7', address))).resolves.toBeNull();
  });

  test('fails if the reservation was removed', async () => {
    const { grid, host } = fixture;
    const address = await host.add('c1');
    grid.remove(grid.fixedAddresses()[1]?._ref ?? '');
    expect(await errorOf(host.call('CHECK', 'c1', withResult(address)))).toMatchObject({
      code: 104,
      msg: 'c1/eth0 has lost its reservation of 10.0.0.2 in network net-1: the grid has no reservation of 10.0.0.2 any more',
      details: expect.stringContaining('restart the container'),
    });
  });

  test('fails if somebody else has the address', async () => {
    const { grid, host } = fixture;
    const address = await host.add('c1');
    grid.update(grid.fixedAddresses()[1]?._ref ?? '', { comment: 'printer' });
    expect(await errorOf(host.call('CHECK', 'c1', withResult(address)))).toMatchObject({
      code: 104,
      msg: expect.stringMatching(/10\.0\.0\.2 was changed in the grid and is now "printer"$/),
    });
  });

  test('fails if the container holds another address', async () => {
    const { grid, host } = fixture;
    const address = await host.add('c1');
    grid.update(grid.fixedAddresses()[1]?._ref ?? '', { ipv4addr: '10.0.0.50' });
    expect(await errorOf(host.call('CHECK', 'c1', withResult(address)))).toMatchObject({
      code: 104,
      msg: expect.stringMatching(/it holds 10\.0\.0\.50$/),
    });
  });

  test('names who has been given its address by hand', async () => {
    const { grid, host } = fixture;
    const address = await host.add('c1');
    const printer = { comment: 'printer', mac: 'aa:bb:cc:00:00:01', match_client: 'MAC_ADDRESS' };
    grid.update(grid.fixedAddresses()[1]?._ref ?? '', printer);
    expect(await errorOf(host.call('CHECK', 'c1', withResult(address)))).toMatchObject({
      code: 104,
      msg: expect.stringMatching(
        /: 10\.0\.0\.2 is kept for "printer" \(matched by MAC_ADDRESS, MAC aa:bb:cc:00:00:01\)$/,
      ),
    });
  });

  test('fails for an unknown attachment', async () => {
    expect(await errorOf(fixture.host.call('CHECK', 'c9', withResult('10.0.0.9')))).toMatchObject({ code: 104 });
    const address = await fixture.host.add('c1');
    expect(await errorOf(fixture.host.call('CHECK', 'c9', withResult(address)))).toMatchObject({
      code: 104,
      msg: expect.stringMatching(/: 10\.0\.0\.2 is reserved for "infoblox-cni .* container=c1 /),
    });
  });

  test('needs the result of ADD', async () => {
    await fixture.host.add('c1');
    expect(await errorOf(fixture.host.call('CHECK', 'c1'))).toMatchObject({
      code: 7,
      msg: expect.stringContaining('prevResult is missing'),
    });
  });

  test('during an outage reports the outage, and no lost reservation', async () => {
    const { grid, host } = fixture;
    const address = await host.add('c1');
    grid.inject({ times: 99, effect: { kind: 'status', status: 401 } });
    expect(await errorOf(host.call('CHECK', 'c1', withResult(address)))).toMatchObject({ code: 103 });
  });
});
