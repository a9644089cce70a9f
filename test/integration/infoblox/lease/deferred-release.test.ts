/** A DEL is answered when the release is durable. The grid is asked afterwards, and an ADD that needs the address waits. */
import { describe, expect, test } from 'vitest';
import { until } from '../../../fixture/host.ts';
import { errorOf, held, useGridAndHost, writes } from '../grid-and-host.ts';

const fixture = useGridAndHost();
const markOf = (container: string) => (object: { readonly comment?: string | undefined }) =>
  object.comment?.includes(` container=${container} `) ?? false;

/** Measures a DEL as its caller sees it, in milliseconds. */
async function del(container: string, ipam: Record<string, unknown> = {}): Promise<number> {
  const began = performance.now();
  await fixture.host.call('DEL', container, { ipam });
  return performance.now() - began;
}

describe('a DEL', () => {
  test('is answered without a request, however slow the grid, and carried out right afterwards', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    grid.latencyMs = 1_000;
    expect(await del('c1')).toBeLessThan(1_000);
    await until('it is given back', () => held(grid).join() === '10.0.0.1');
  });

  test('is answered while the grid is away, survives a restart, and is carried out when the grid is back', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    await grid.pause();
    expect(await del('c1')).toBeLessThan(1_000);
    await host.stop();
    await host.start();
    await grid.resume();
    await until('it is given back', () => held(grid).join() === '10.0.0.1');
  });
});

describe('while a release is under way', () => {
  test('an ADD of the same attachment waits for it and takes an address of its own', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    grid.latencyMs = 100;
    await del('c1');
    const address = await host.add('c1');
    grid.latencyMs = 0;
    expect(grid.fixedAddresses().filter(markOf('c1'))).toMatchObject([{ ipv4addr: address }]);
    await host.call('CHECK', 'c1', { config: { prevResult: { ips: [{ address: `${address}/24` }] } } });
  });

  test('an ADD that requests its address waits for it', async () => {
    const { grid, host } = fixture;
    const address = await host.add('c1');
    grid.latencyMs = 100;
    await del('c1');
    expect(await host.add('c2', { args: `IP=${address}` })).toBe(address);
    expect(grid.fixedAddresses().filter(markOf('c1'))).toEqual([]);
  });

  test('an ADD on a full network waits for it', async () => {
    const { grid, host } = fixture;
    const ipam = { subnet: '10.0.7.0/30', gateway: '10.0.7.1' };
    const address = await host.add('c1', { ipam });
    grid.latencyMs = 100;
    await del('c1', ipam);
    expect(await host.add('c2', { ipam })).toBe(address);
    // No release is under way now.
    expect(await errorOf(host.add('c3', { ipam }))).toMatchObject({ code: 101 });
  });

  test('an ADD on a full network does not hasten a release that waits for a lost delete', async () => {
    const { grid, host } = fixture;
    const ipam = { subnet: '10.0.7.0/29', gateway: '10.0.7.1' };
    const containers = ['c1', 'c2', 'c3', 'c4', 'c5'];
    for (const container of containers) await host.add(container, { ipam });
    grid.inject({ method: 'DELETE', times: containers.length, effect: { kind: 'reset' } });
    for (const container of containers) await del(container, ipam);
    const waiting = () => host.log.filter(({ message }) => message === 'look again').length;
    await until('the reconciler, too, waits for each of them', () => waiting() === containers.length);
    grid.clearLog();
    expect(await errorOf(host.add('c6', { ipam }))).toMatchObject({ code: 101 });
    expect(grid.requests.filter(({ type, method }) => type === 'fixedaddress' && method === 'GET')).toEqual([]);
  });

  test('a second DEL changes nothing: one delete is sent', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    grid.clearLog();
    grid.latencyMs = 50;
    await Promise.all([del('c1'), del('c1'), del('c1')]);
    await until('it is given back', () => held(grid).join() === '10.0.0.1');
    await del('c1');
    expect(writes(grid)).toEqual(['DELETE fixedaddress 200']);
  });
});
