import { existsSync } from 'node:fs';
import { request } from 'undici';
import { expect, test, vi } from 'vitest';
import { startGrid } from '../../simulator/grid.ts';
import { useGrid } from '../../simulator/grid-fixture.ts';
import { WapiClient } from '../../simulator/wapi-client.ts';

const fixture = useGrid();

/** Returns the cookie of an answer as a client sends it back. */
function cookieOf(headers: Record<string, string | string[] | undefined>): { cookie: string } {
  return { cookie: String(headers['set-cookie']).split(';')[0] ?? '' };
}

test('a wrong password is answered by an HTML page, never JSON', async () => {
  const { client } = fixture;
  const answer = await client.call('GET', 'grid', { headers: client.basic('wrong') });
  expect(answer.status).toBe(401);
  expect(answer.headers['content-type']).toMatch(/^text\/html/);
  expect(answer.text).toContain('401 Authorization Required');
  expect(fixture.grid.logins).toBe(0);
});

test('a request without credentials is refused', async () => {
  expect((await fixture.client.call('GET', 'grid', { headers: {} })).status).toBe(401);
});

test('a success gives a quoted cookie with commas, which replaces Basic and does not count as a login', async () => {
  const { client, grid } = fixture;
  const first = await client.get('grid');
  expect(first.headers['set-cookie']).toMatch(
    /^ibapauth="client=API,.*timeout=600,.*user=admin,.*"; httponly; Path=\/$/,
  );
  const second = await client.call('GET', 'grid', { headers: cookieOf(first.headers) });
  expect(second.status).toBe(200);
  expect(grid.requests.map(({ login }) => login)).toEqual([true, false]);
  expect(grid.logins).toBe(1);
});

test('an error gives no cookie', async () => {
  const answer = await fixture.client.get('nonsense');
  expect(answer.status).toBe(400);
  expect(answer.headers['set-cookie']).toBeUndefined();
});

test('an expired cookie alone is refused, and logs in again together with Basic', async () => {
  const { client, grid } = fixture;
  const cookie = cookieOf((await client.get('grid')).headers);
  grid.expireSessions();
  expect((await client.call('GET', 'grid', { headers: cookie })).status).toBe(401);
  expect((await client.call('GET', 'grid', { headers: { ...cookie, ...client.basic() } })).status).toBe(200);
  expect(grid.logins).toBe(2);
});

test('a session lasts while it is used and ends when it is idle for too long', async () => {
  const { client } = fixture;
  vi.useFakeTimers({ toFake: ['Date'] });
  try {
    const headers = cookieOf((await client.get('grid')).headers);
    const statusAfter = async (seconds: number) => {
      vi.setSystemTime(Date.now() + seconds * 1000);
      return (await client.call('GET', 'grid', { headers })).status;
    };
    expect([await statusAfter(400), await statusAfter(400), await statusAfter(600)]).toEqual([200, 200, 401]);
  } finally {
    vi.useRealTimers();
  }
});

test('a logout ends the session', async () => {
  const { client } = fixture;
  const headers = cookieOf((await client.get('grid')).headers);
  expect((await client.call('POST', 'logout', { headers })).status).toBe(200);
  expect((await client.call('GET', 'grid', { headers })).status).toBe(401);
});

test('a changed password applies to the next login', async () => {
  const { client, grid } = fixture;
  const before = client.basic();
  grid.password = 'rotated';
  expect((await client.call('GET', 'grid', { headers: before })).status).toBe(401);
  expect((await client.get('grid')).status).toBe(200);
});

test('a version that the grid does not have is refused in plain text', async () => {
  const answer = await fixture.client.call('GET', 'grid', { version: '3.14' });
  expect(answer.status).toBe(400);
  expect(answer.headers['content-type']).toBe('text/plain');
  expect(answer.text).toBe('Version 3.14 not supported');
});

test('the certificate covers both loopback names and is removed after the stop', async () => {
  const grid = await startGrid();
  expect(existsSync(grid.caFile)).toBe(true);
  await grid.stop();
  expect(existsSync(grid.caFile)).toBe(false);
  await expect(request(`${fixture.grid.url}/wapi/v2.5/grid`)).rejects.toThrow(/self-signed/);
});

test('one keep-alive connection serves many requests, which the log shows', async () => {
  const { grid } = fixture;
  const client = new WapiClient(grid, 1);
  for (let i = 0; i < 3; i++) await client.get('grid');
  await client.close();
  expect(grid.connections).toBe(1);
  expect(grid.requests.map(({ connection }) => connection)).toEqual([1, 1, 1]);
  grid.clearLog();
  expect([grid.requests.length, grid.connections, grid.logins]).toEqual([0, 0, 0]);
});
