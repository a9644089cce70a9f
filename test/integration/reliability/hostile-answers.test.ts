/**
 * Malicious answers over HTTPS to a daemon in a process of its own. An attacker between host and grid can send them, as
 * certificates are not checked by default. The daemon keeps answering, stays small, and changes nothing.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../../fixture/host.ts';
import type { ProcessHost } from '../../fixture/process-host.ts';
import { startKillableWorld, type World } from '../../fixture/world.ts';
import type { Effect } from '../../simulator/grid.ts';

const mib = 1024 * 1024;
/** Maximum memory of the daemon in bytes. The unit's MemoryMax is 512 MiB. */
const maxMemory = 400 * mib;
/** Milliseconds for STATUS, which sends no request, on a busy machine. */
const soon = 8_000;

let world: World<ProcessHost>;

beforeEach(async () => {
  world = await startKillableWorld({ flags: ['--add-timeout=5s'] });
  expect(await world.caller.add('c1')).toBe('ok');
});
afterEach(() => world.end());

const json = (status: number, body: string): Effect => ({
  ...{ kind: 'status', status, body, contentType: 'application/json' },
});
const refused = (text: string) =>
  json(400, JSON.stringify({ Error: 'AdmConProtoError', code: 'Client.Ibap.Proto', text }));
const listed = (objects: readonly unknown[], more = {}) => json(200, JSON.stringify({ result: objects, ...more }));

/** Measures a STATUS during `work`, in milliseconds. */
async function statusTakes(): Promise<number> {
  const began = performance.now();
  await world.host.call('STATUS', '').catch(() => undefined);
  return performance.now() - began;
}

const long = 200_000;
const slow: readonly (readonly [string, 'add' | 'del', string, () => Effect])[] = [
  ['a refusal full of spaces', 'add', 'POST', () => refused(`Unknown extensible attribute${' '.repeat(long)}x"x`)],
  ['a page of countless titles', 'add', 'POST', () => json(500, `<html>${'<title>'.repeat(long / 7)}`)],
  ['endless brackets', 'del', 'GET', () => json(200, '['.repeat(2 * mib - 1))],
];

describe.each(slow)('%s', (_, call, method, effect) => {
  test('delays no other call', async () => {
    let sent = false;
    const when = () => {
      sent = true;
      return true;
    };
    world.grid.inject({ method, type: 'fixedaddress', when, times: 99, effect: effect() });
    const under = call === 'add' ? world.caller.add('c2') : world.caller.del('c1');
    await until('the answer is sent', () => sent);
    expect(await statusTakes()).toBeLessThan(soon);
    await under;
  });
});

describe('the daemon stays small', () => {
  const fill = (unit: string, bytes: number) => unit.repeat(Math.floor((bytes - 100) / unit.length));
  const contents: readonly (readonly [string, (bytes: number) => string])[] = [
    ['zeros in the place of objects', (bytes) => `[${fill('0,', bytes)}0]`],
    ['empty objects', (bytes) => `[${fill('{},', bytes)}{}]`],
    ['empty lists', (bytes) => `[${fill('[],', bytes)}[]]`],
  ];
  // One that is read to the end, and one that is too large.
  const sizes = [2, 8];
  const large = contents.flatMap(([what, list]) => sizes.map((size) => [size, what, list(size * mib)] as const));

  test.each(large)('an answer of %i MiB: %s', async (_size, _what, list) => {
    const body = `{"result":${list}}`;
    world.grid.inject({ method: 'GET', times: 999, effect: json(200, body) });
    await Promise.all(['c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7', 'c8'].map((container) => world.caller.del(container)));
    expect(world.host.alive).toBe(true);
    expect(world.host.usage().peak).toBeLessThan(maxMemory);
  });

  test('pages without an end', async () => {
    const objects = Array.from({ length: 1000 }, (_, i) => ({
      _ref: `fixedaddress/ZG5zLmZpeGVkX2FkZHJlc3M${i}:10.9.0.1/default`,
      ...{ ipv4addr: '10.9.0.1', network_view: 'default', comment: `x${i}`.padEnd(256, '-') },
    }));
    world.grid.inject({ method: 'GET', times: 99_999, effect: listed(objects, { next_page_id: 'abc' }) });
    const began = performance.now();
    world.grid.clearLog();
    expect(await world.caller.check('c1')).toBe(11);
    expect(await world.caller.gc(['c1'])).toBe(11);
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(world.grid.requests.length).toBeLessThan(100);
    expect(world.host.usage().peak).toBeLessThan(maxMemory);
  });

  test('an endless list of reservations of this host does not get into the state', async () => {
    const { host, grid, ledger } = world;
    const markOf = (containerId: string) =>
      ledger.identity('host-a', { network: 'net-1', containerId, ifName: 'eth0' });
    const objects = Array.from({ length: 1000 }, (_, i) => ({
      _ref: `fixedaddress/ZG5zLmZpeGVkX2FkZHJlc3M${i}:10.9.0.1/default`,
      ...{ ipv4addr: '10.9.0.1', network_view: 'default', comment: markOf(`x${i}`) },
      ...{ mac: '00:00:00:00:00:00', match_client: 'RESERVED' },
    }));
    await host.kill();
    rmSync(join(host.directory, 'state'), { recursive: true });
    const endless = listed(objects, { next_page_id: 'abc' });
    const disarm = grid.inject({ method: 'GET', type: 'fixedaddress', times: 99_999, effect: endless });
    await host.start();
    await until('the import gives up', () => host.output.includes('more than 50 pages of results'));
    expect(host.writes.filter((what) => what === 'apply')).toEqual([]);
    expect(host.usage().peak).toBeLessThan(maxMemory);
    disarm();
    await until('the import succeeds', () => host.writes.includes('setWhole'));
    expect(host.writes.filter((what) => what === 'apply')).toHaveLength(1);
  });
});
