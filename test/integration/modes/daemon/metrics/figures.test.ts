/** The values of the metrics while a host lives through the events that they count. */
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ClientCa } from '../../../../fixture/client-ca.ts';
import { Host, until } from '../../../../fixture/host.ts';
import { rootTest } from '../../../../fixture/root.ts';
import { type Sample, scrape } from '../../../../fixture/scrape.ts';
import { type Grid, startGrid } from '../../../../simulator/grid.ts';
import { freePort } from '../../../../simulator/http/free-port.ts';
import { errorOf } from '../../../infoblox/grid-and-host.ts';

let grid: Grid;
let host: Host;
let url: string;

beforeEach(async () => {
  grid = await startGrid();
  const port = await freePort();
  url = `http://127.0.0.1:${port}/metrics`;
  host = await new Host(grid, { flags: [`--metrics-listen=127.0.0.1:${port}`, '--reap-after=500ms'] }).start();
  await until('the grid is well', () => host.log.some(({ message }) => message === 'grid available'));
});
afterEach(async () => {
  await host.dispose();
  await grid.stop();
});

/** Returns the values of a metric by its label values. */
async function figure(name: string): Promise<Record<string, number>> {
  const samples = (await scrape(url)).get(`infoblox_cni_${name}`)?.samples ?? [];
  return Object.fromEntries(samples.map(({ labels, value }: Sample) => [Object.values(labels).join(' '), value]));
}

test('the utilisation of a network is there from the second scrape on, and no ADD asks for it', async () => {
  grid.clearLog();
  await host.add('c1');
  await host.add('c2');
  const asked = () => grid.requests.filter(({ query }) => query._return_fields === 'network,utilization').length;
  expect(asked()).toBe(0);
  expect(await figure('network_addresses_used')).toEqual({});
  await until('it is known', async () => (await figure('network_addresses'))['10.0.0.0/24 default'] === 254);
  // The gateway counts, too.
  expect(await figure('network_addresses_used')).toEqual({ '10.0.0.0/24 default': 3 });
  expect(await figure('network_addresses_free')).toEqual({ '10.0.0.0/24 default': 251 });
  expect(await figure('network_full')).toEqual({ '10.0.0.0/24 default': 0 });
  expect(asked()).toBe(1);
});

test('after a restart the utilisation covers the networks with containers of this host', async () => {
  await host.add('c1');
  await host.stop();
  await host.start();
  await until('it is known', async () => (await figure('network_addresses_used'))['10.0.0.0/24 default'] === 2);
});

test('a scrape does not wait for a slow grid', async () => {
  await host.add('c1');
  grid.latencyMs = 3_000;
  const begin = performance.now();
  expect(await figure('grid_up')).toEqual({ '': 1 });
  expect(performance.now() - begin).toBeLessThan(2_500);
  await until('the request is there', async () => (await figure('wapi_requests_in_flight'))[''] === 1);
});

test('a network without a free address is full until one comes back', async () => {
  const ipam = { subnet: '10.9.0.0/30', gateway: '10.9.0.1' };
  await host.add('c1', { ipam });
  expect(await errorOf(host.add('c2', { ipam }))).toMatchObject({ code: 101 });
  expect((await figure('network_full'))['10.9.0.0/30 default']).toBe(1);
  expect((await figure('conditions'))['network-full']).toBe(1);
  await host.del('c1', { ipam });
  await until('it is not', async () => (await figure('conditions'))['network-full'] === 0);
});

test('leases are counted by phase, and a waiting release shows its age', async () => {
  await host.add('c1');
  await host.add('c2');
  expect(await figure('leases')).toEqual({ pending: 0, bound: 2, resting: 0, releasing: 0 });
  expect(await figure('oldest_release_age_seconds')).toEqual({ '': 0 });
  await grid.pause();
  await host.call('DEL', 'c1');
  expect(await figure('leases')).toEqual({ pending: 0, bound: 1, resting: 0, releasing: 1 });
  await until('a second has passed', async () => ((await figure('oldest_release_age_seconds'))[''] ?? 0) > 1);
  expect(await figure('conditions')).toMatchObject({ 'grid-unavailable': 1, 'grid-not-seen': 0 });
  await grid.resume();
});

test('logins are counted by outcome', async () => {
  await host.add('c1');
  expect(await figure('wapi_logins_total')).toEqual({ accepted: 1, refused: 0, failed: 0 });
  grid.password = 'another';
  grid.expireSessions();
  await host.add('c2').catch(() => undefined);
  expect(await figure('wapi_logins_total')).toEqual({ accepted: 1, refused: 1, failed: 0 });
});

test('the trust in the grid and the end of its certificate are metrics', async () => {
  await host.add('c1');
  expect(await figure('grid_trust_info')).toEqual({ verified: 1, pinned: 0, unverified: 0 });
  const { validTo } = new X509Certificate(readFileSync(grid.caFile));
  const expiry = await figure('grid_certificate_expiry_timestamp_seconds');
  expect(expiry).toEqual({ '127.0.0.1': Date.parse(validTo) / 1000 });
});

test('the end of the certificate is a metric for a pinned grid, too', async () => {
  await host.stop();
  host.flags.push('--ssl-verify=pin');
  await host.start();
  await host.add('c1');
  expect(await figure('grid_trust_info')).toMatchObject({ pinned: 1 });
  const { validTo } = new X509Certificate(readFileSync(grid.caFile));
  const expiry = await figure('grid_certificate_expiry_timestamp_seconds');
  expect(expiry).toEqual({ '127.0.0.1': Date.parse(validTo) / 1000 });
});

test('the end of the client certificate is a metric, which follows a renewal and is absent without a certificate', async () => {
  expect(await figure('client_certificate_expiry_timestamp_seconds')).toEqual({});
  await host.stop();
  const ca = await ClientCa.create();
  try {
    host.flags.push(...ca.install(await ca.issue('admin', { until: 10 })));
    await host.start();
    const ends = async () => Object.values(await figure('client_certificate_expiry_timestamp_seconds'));
    const inDays = (days: number) => Math.round(Date.now() / 1000) + days * 86_400;
    expect((await ends())[0]).toBeCloseTo(inDays(10), -3);
    ca.install(await ca.issue('admin', { until: 90 }));
    expect((await ends())[0]).toBeCloseTo(inDays(90), -3);
  } finally {
    ca.remove();
  }
});

test('addresses of host blocks are counted by use, and ADDs by whether a block served them', async () => {
  await host.stop();
  host.flags.push('--block-size=16');
  await host.start();
  expect(await figure('block_addresses')).toEqual({ free: 0, held: 0, resting: 0 });
  await host.add('c1');
  await until('a block is taken', async () => (await figure('blocks')).taking === 1);
  expect(await figure('blocks')).toMatchObject({ serving: 0, waiting: 0, stopped: 0, draining: 0 });
  expect(await figure('block_hand_outs_total')).toEqual({ '': 0 });
  expect(await figure('block_misses_total')).toEqual({ '': 1 });
});

test('a lost reservation is counted when it is re-created', async () => {
  await host.add('c1');
  expect(await figure('reservations_recreated_total')).toEqual({ '': 0 });
  const lost = grid.fixedAddresses().find(({ ipv4addr }) => ipv4addr === '10.0.0.2');
  grid.remove(lost?._ref ?? '');
  expect(await host.add('c1')).toBe('10.0.0.2');
  expect(await figure('reservations_recreated_total')).toEqual({ '': 1 });
});

test('calls and requests in flight are counted', async () => {
  await host.add('c1');
  expect(await figure('calls_in_flight')).toEqual({ '': 0 });
  const creates = grid.hold({ method: 'POST', times: 10 });
  const adds = Array.from({ length: 10 }, (_, index) => host.add(`d${index}`));
  await until('ten calls', async () => (await figure('calls_in_flight'))[''] === 10);
  // The scrape itself may add one waiting request.
  await until('eight requests, and two that wait', async () => {
    const waiting = (await figure('wapi_requests_waiting'))[''] ?? 0;
    return (await figure('wapi_requests_in_flight'))[''] === 8 && waiting >= 2;
  });
  creates.release();
  await Promise.all(adds);
  expect(await figure('wapi_requests_in_flight')).toEqual({ '': 0 });
});

rootTest(
  'a container that ended without a DEL is counted when its lease is released',
  'network namespaces',
  async () => {
    const name = `infoblox-cni-figures-${process.pid}`;
    execFileSync('ip', ['netns', 'add', name]);
    await host.add('c1', { netns: `/run/netns/${name}` }).finally(() => execFileSync('ip', ['netns', 'del', name]));
    expect(await figure('leases_reaped_total')).toEqual({ '': 0 });
    await until('it is found', async () => (await figure('leases_reaped_total'))[''] === 1);
  },
);

test('metrics of the process and of Node have the usual names', async () => {
  const names = [...(await scrape(url)).keys()];
  expect(names).toEqual(expect.arrayContaining(['process_resident_memory_bytes', 'nodejs_eventloop_lag_seconds']));
});
