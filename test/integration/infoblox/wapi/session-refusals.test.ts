/** A refusal concerns only its request, its password or its caller. */
import { createServer } from 'node:https';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { searchRequest } from '../../../../src/infoblox/wapi/search.ts';
import { Host } from '../../../fixture/host.ts';
import { type Grid, startGrid } from '../../../simulator/grid.ts';
import { makeCertificate } from '../../../simulator/http/certificate.ts';
import { ask, failureOf, inTime, openSession, write } from './session-fixture.ts';

const page = '<html><head><title>403 Forbidden</title></head></html>';

let grid: Grid;

beforeEach(async () => {
  grid = await startGrid();
});
afterEach(async () => {
  await grid.stop();
});

test('a 403 for one request does not affect the session or other requests', async () => {
  const session = openSession({ port: grid.port });
  await ask(session);
  grid.inject({
    when: ({ query }) => query.name === 'forbidden',
    times: Number.POSITIVE_INFINITY,
    effect: { kind: 'status', status: 403, body: page, contentType: 'text/html' },
  });
  const forbidden = Array.from({ length: 10 }, () =>
    failureOf(
      session.ask(searchRequest({ type: 'networkview', query: { name: 'forbidden' }, fields: 'name' }), inTime()),
    ),
  );
  const others = Array.from({ length: 30 }, () => ask(session));
  for (const error of await Promise.all(forbidden)) expect(error).toMatchObject({ reason: 'permission' });
  await Promise.all(others);
  await session.close(inTime());
});

test('a wrong password is tried only once, even after a fault of the grid', async () => {
  grid.inject({ effect: { kind: 'status', status: 503 } });
  const session = openSession({ port: grid.port, readPassword: () => 'wrong' });
  await failureOf(write(session, 'a'));
  grid.clearLog();
  const errors = await Promise.all(Array.from({ length: 20 }, () => failureOf(ask(session))));
  for (const error of errors) expect(error).toMatchObject({ reason: 'credentials' });
  expect(grid.requests.filter(({ status }) => status === 401)).toHaveLength(1);
  await session.close(inTime());
});

test('requests that wait for a place are not sent after the first refusal of the password', async () => {
  let password = 'infoblox';
  const session = openSession({ port: grid.port, readPassword: () => password });
  await ask(session);
  password = 'wrong';
  grid.expireSessions();
  grid.clearLog();
  await Promise.all(Array.from({ length: 40 }, () => failureOf(ask(session))));
  // Eight requests were in flight with the cookie, and one of the rest tried to log in.
  expect(grid.requests.length).toBeLessThanOrEqual(9);
  await session.close(inTime());
});

test('a request that was never sent says nothing about the grid', async () => {
  const outcomes: (string | undefined)[] = [];
  const session = openSession({ port: grid.port, onOutcome: (trouble) => outcomes.push(trouble?.reason) });
  await ask(session);
  grid.inject({ times: Number.POSITIVE_INFINITY, effect: { kind: 'hang' } });
  outcomes.length = 0;
  const hanging = Array.from({ length: 8 }, () => failureOf(ask(session, inTime(500))));
  const waiting = Array.from({ length: 5 }, () => failureOf(ask(session, inTime(100))));
  for (const error of await Promise.all(waiting)) expect(error).toMatchObject({ reason: 'busy' });
  expect(outcomes).toEqual([]);
  await Promise.all(hanging);
  await session.close(inTime(100));
});

test('a small answer that decompresses to a huge one is read up to the limit', async () => {
  const { key, cert } = await makeCertificate();
  const bomb = gzipSync(Buffer.alloc(50_000_000, ' '));
  const server = createServer({ key, cert }, (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(bomb);
  });
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
  const session = openSession({ port });
  try {
    expect(await failureOf(write(session, 'a'))).toMatchObject({
      reason: 'bad-answer',
      message: expect.stringContaining('more than 262144 bytes'),
    });
  } finally {
    await session.close(inTime(100));
    server.closeAllConnections();
    server.close();
  }
});

describe('a requested address', () => {
  let host: Host;

  beforeEach(async () => {
    host = await new Host(grid).start();
  });
  afterEach(async () => {
    await host.dispose();
  });

  test('with a lost delete fails with "try again" until the doubt ends', async () => {
    expect(await host.add('c1', { args: 'IP=10.0.0.77' })).toBe('10.0.0.77');
    grid.inject({ method: 'DELETE', effect: { kind: 'reset' } });
    await host.del('c1');
    expect(await failureOf(host.add('c1', { args: 'IP=10.0.0.77' }))).toMatchObject({
      code: 11,
      message: 'an earlier release of 10.0.0.77 may still be carried out',
    });
  });

  test('whose lost create is carried out late is the answer, and not a conflict', async () => {
    await host.add('c0');
    grid.inject({ method: 'POST', type: 'fixedaddress', effect: { kind: 'commit-later', after: 100 } });
    expect(await host.add('c1', { args: 'IP=10.0.0.78' })).toBe('10.0.0.78');
  });
});
