import { beforeEach, expect, test } from 'vitest';
import { until } from '../../fixture/host.ts';
import type { Effect } from '../../simulator/grid.ts';
import { reservation, useGrid } from '../../simulator/grid-fixture.ts';

const fixture = useGrid();

beforeEach(() => {
  fixture.grid.add('network', { network: '10.0.0.0/24' });
});

/** Creates a fixed address under a fault. @returns the client's view of the answer, and whether the grid has the object */
async function createUnder(effect: Effect): Promise<{ seen: string; committed: boolean }> {
  const { client, grid } = fixture;
  grid.inject({ method: 'POST', type: 'fixedaddress', effect });
  const seen = await client.create('fixedaddress', reservation('10.0.0.1')).then(
    ({ status, text }) => `${status} ${text.length > 40 ? 'long' : text}`,
    (error: Error) => `failed: ${'code' in error ? error.code : error.message}`,
  );
  return { seen, committed: grid.fixedAddresses().length === 1 };
}

test.each<[Effect, string, boolean]>([
  [{ kind: 'status', status: 503, body: 'busy' }, '503 busy', false],
  [{ kind: 'status', status: 500, body: 'oops', commit: true }, '500 oops', true],
  [{ kind: 'html' }, '200 long', false],
  [{ kind: 'html', status: 403, commit: true }, '403 long', true],
  [{ kind: 'empty' }, '200 ', false],
  [{ kind: 'empty', commit: true }, '200 ', true],
  [{ kind: 'reset' }, 'failed: ECONNRESET', false],
  [{ kind: 'reset', commit: true }, 'failed: ECONNRESET', true],
  [{ kind: 'truncate' }, 'failed: UND_ERR_SOCKET', true],
])('%j is seen as "%s", committed: %s', async (effect, seen, committed) => {
  expect(await createUnder(effect)).toEqual({ seen, committed });
});

test('a fault hits only matching requests, after its skips, and as often as configured', async () => {
  const { client, grid } = fixture;
  grid.inject({ method: 'GET', type: 'network', skip: 1, times: 2, effect: { kind: 'status', status: 502 } });
  const statuses = [(await client.get('networkview')).status];
  for (let i = 0; i < 4; i++) statuses.push((await client.get('network')).status);
  expect(statuses).toEqual([200, 200, 502, 502, 200]);
});

test('a fault can inspect the request, last for ever and be cancelled', async () => {
  const { client, grid } = fixture;
  const cancel = grid.inject({
    when: ({ query }) => query.comment === 'poison',
    times: Number.POSITIVE_INFINITY,
    effect: { kind: 'status', status: 500 },
  });
  const poison = async () => (await client.get('network', { comment: 'poison' })).status;
  expect([await poison(), await poison(), (await client.get('network')).status]).toEqual([500, 500, 200]);
  cancel();
  expect(await poison()).toBe(200);
});

test('a pause between look-up and insert lets another create come in between', async () => {
  const { client, grid } = fixture;
  grid.inject({ method: 'POST', times: 2, effect: { kind: 'look-first', ms: 500 } });
  const next = reservation('func:nextavailableip:10.0.0.0/24');
  const answers = await Promise.all([client.create('fixedaddress', next), client.create('fixedaddress', next)]);
  expect(answers.map(({ status }) => status).sort()).toEqual([201, 400]);
  expect(grid.fixedAddresses().map(({ ipv4addr }) => ipv4addr)).toEqual(['10.0.0.1']);
});

test('an altered answer differs from the content of the grid', async () => {
  const { client, grid } = fixture;
  const answer = (body: string) => body.replace('10.0.0.1/', '10.0.0.9/');
  grid.inject({ method: 'POST', effect: { kind: 'alter', answer } });
  const { status, text } = await client.create('fixedaddress', reservation('10.0.0.1'));
  expect({ status, says: /:(.*)\/default/.exec(text)?.[1] }).toEqual({ status: 201, says: '10.0.0.9' });
  expect(grid.fixedAddresses().map(({ ipv4addr }) => ipv4addr)).toEqual(['10.0.0.1']);
});

test('a late commit happens after the connection was cut', async () => {
  expect(await createUnder({ kind: 'commit-later', after: 30 })).toEqual({
    seen: 'failed: ECONNRESET',
    committed: false,
  });
  await expect.poll(() => fixture.grid.fixedAddresses()).toHaveLength(1);
});

test('a hanging request is never answered, and ends when the grid stops', async () => {
  const { client, grid } = fixture;
  grid.inject({ effect: { kind: 'hang', commit: true } });
  const pending = client.create('fixedaddress', reservation('10.0.0.1'));
  pending.catch(() => {});
  await expect.poll(() => grid.fixedAddresses()).toHaveLength(1);
  expect(grid.requests.at(-1)?.status).toBe(0);
  await grid.pause();
  await expect(pending).rejects.toThrow();
  await grid.resume();
});

test('an oversized answer has the requested size', async () => {
  const { client, grid } = fixture;
  grid.inject({ effect: { kind: 'oversize', bytes: 3_000_000 } });
  expect((await client.get('network')).text).toHaveLength(3_000_000);
});

test('a delay applies to one answer, latency to all', async () => {
  const { client, grid } = fixture;
  const timed = async () => {
    const start = performance.now();
    await client.get('network');
    return performance.now() - start;
  };
  await timed();
  grid.inject({ effect: { kind: 'delay', ms: 60 } });
  expect(await timed()).toBeGreaterThan(55);
  grid.latencyMs = 40;
  expect(await timed()).toBeGreaterThan(35);
});

test('the maximum of simultaneous requests is counted', async () => {
  const { client, grid } = fixture;
  const { promise: allAreThere, resolve: answer } = Promise.withResolvers<void>();
  grid.inject({ times: 3, effect: { kind: 'answer-late', after: allAreThere } });
  const answers = [1, 2, 3].map(() => client.get('network'));
  await until('three requests are there', () => grid.inFlightMax === 3);
  answer();
  await Promise.all(answers);
  await client.get('network');
  expect(grid.inFlightMax).toBe(3);
});

test('a paused grid refuses connections and comes back on the same port with its data', async () => {
  const { client, grid } = fixture;
  const { port } = grid;
  await grid.pause();
  await expect(client.get('network')).rejects.toThrow(/ECONNREFUSED/);
  await grid.resume();
  expect(grid.port).toBe(port);
  expect((await client.get('network')).rows).toHaveLength(1);
});

test('the log has method, type, query, body, status and agent', async () => {
  const { client, grid } = fixture;
  const body = reservation('10.0.0.1');
  const headers = { ...client.basic(), 'user-agent': 'infoblox-cni/1.0' };
  await client.call('POST', 'fixedaddress', { query: { _return_fields: 'mac' }, body, headers });
  expect(grid.requests).toEqual([
    {
      at: expect.any(Number),
      method: 'POST',
      path: '/wapi/v2.5/fixedaddress',
      type: 'fixedaddress',
      query: { _return_fields: 'mac' },
      body,
      status: 201,
      connection: 1,
      login: true,
      basic: true,
      certificate: undefined,
      agent: 'infoblox-cni/1.0',
    },
  ]);
});
