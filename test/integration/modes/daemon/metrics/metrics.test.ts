import { afterEach, beforeEach, expect, test } from 'vitest';
import { GridError } from '../../../../../src/infoblox/errors.ts';
import type { SqliteLeaseStore } from '../../../../../src/infoblox/lease/store/sqlite-store.ts';
import { Host, until } from '../../../../fixture/host.ts';
import { intercept } from '../../../../fixture/intercept.ts';
import { type Grid, startGrid } from '../../../../simulator/grid.ts';
import { freePort } from '../../../../simulator/http/free-port.ts';

let grid: Grid;
let host: Host;
let port: number;
/** Whether the state cannot be read. */
let isBroken: boolean;

const wrapStore = (store: SqliteLeaseStore) =>
  intercept(store, (method, _, run) => {
    if (isBroken && method === 'count') throw new GridError('state', 'cannot use the state file');
    return run();
  });

beforeEach(async () => {
  grid = await startGrid();
  port = await freePort();
  isBroken = false;
  host = await new Host(grid, { flags: [`--metrics-listen=127.0.0.1:${port}`], wrapStore }).start();
});
afterEach(async () => {
  await host.dispose();
  await grid.stop();
});

test('calls, requests to the grid and leases can be scraped', async () => {
  await host.add('c1');
  await host.call('CHECK', 'c1').catch(() => undefined);
  const text = await (await get('/metrics')).text();
  expect(text).toContain('infoblox_cni_call_duration_seconds_count{command="ADD",code="0"} 1');
  expect(text).toContain('infoblox_cni_call_duration_seconds_count{command="CHECK",code="7"} 1');
  expect(text).toMatch(/wapi_request_duration_seconds_count\{method="POST",type="fixedaddress",result="201"\} 2/);
  expect(text).toContain('infoblox_cni_attachments_held 1');
  expect(text).toContain('infoblox_cni_grid_up 1');
});

test('during an outage the daemon is live but not ready, with the reason, whatever the query of the probe', async () => {
  await until('the grid is well', async () => (await get('/readyz?verbose')).status === 200);
  await grid.pause();
  await host.add('c1').catch(() => undefined);
  expect((await get('/livez')).status).toBe(200);
  for (const path of ['/readyz?verbose', '/health']) {
    const answer = await get(path);
    expect([answer.status, await answer.text()]).toEqual([503, expect.stringContaining('cannot connect to the grid')]);
  }
  expect((await get('/nothing')).status).toBe(404);
});

test('a state that cannot be read has an answer of its own, and the daemon stays live', async () => {
  isBroken = true;
  const answer = await get('/metrics');
  expect([answer.status, await answer.text()]).toEqual([500, 'cannot use the state file\n']);
  isBroken = false;
  expect((await get('/metrics')).status).toBe(200);
});

test('the version is a gauge, as is usual', async () => {
  expect(await (await get('/metrics')).text()).toMatch(
    /TYPE infoblox_cni_build_info gauge\ninfoblox_cni_build_info\{version="\S+",commit="\S+"\} 1/,
  );
});

test.each([
  ['in use', '127.0.0.1', 'EADDRINUSE'],
  // This address is reserved for documentation.
  ['of another host', '192.0.2.1', 'EADDRNOTAVAIL'],
])('an address that is %s is a start error with a hint', async (_, address, code) => {
  const other = new Host(grid, { node: 'host-b', flags: [`--metrics-listen=${address}:${port}`] });
  try {
    await expect(other.start()).rejects.toThrow(
      new RegExp(
        `^cannot serve metrics at --metrics-listen ${address}:${port}: .*${code}.*\\. Give --metrics-listen another port, or another`,
      ),
    );
  } finally {
    await other.dispose();
  }
});

function get(path: string): Promise<Response> {
  return fetch(`http://127.0.0.1:${port}${path}`);
}
