import { MockAgent } from 'undici';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { GridError } from '../../../../src/infoblox/errors.ts';
import type { Session } from '../../../../src/infoblox/wapi/session.ts';
import { type Effect, type Grid, startGrid } from '../../../simulator/grid.ts';
import { ask, create, failureOf, inTime, openSession, write } from './session-fixture.ts';

let grid: Grid;
let session: Session;
const username = 'ipam-user';
const password = 'pässwörd "1"';

beforeEach(async () => {
  grid = await startGrid({ username, password });
  session = openSession({ port: grid.port, username, readPassword: () => password });
});
afterEach(async () => {
  await session.close(inTime(1000));
  await grid.stop();
});

/** A broken answer to a write, and the resulting error. For complete answers see test/unit/infoblox/wapi/answer.test.ts. */
const broken: readonly (readonly [string, Effect, RegExp])[] = [
  ['half an answer', { kind: 'truncate' }, /the connection to the grid at 127\.0\.0\.1:\d+ broke/],
  ['9 MiB', { kind: 'oversize', bytes: 9 * 1024 * 1024 }, /broke: more than 262144 bytes/],
  ['a reset', { kind: 'reset' }, /the connection to the grid at 127\.0\.0\.1:\d+ broke/],
];

test.each(broken)('%s to a write leaves its outcome open, and the write is not repeated', async (_, effect, text) => {
  await ask(session);
  grid.inject({ effect, times: 99 });
  const error = await failureOf(write(session, 'view-1'));
  expect(error).toMatchObject({ reason: 'bad-answer', outcome: 'open', message: expect.stringMatching(text) });
  expect(grid.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
});

test('a read without a whole answer is retried', async () => {
  await ask(session);
  grid.inject({ effect: { kind: 'truncate' } });
  await expect(ask(session)).resolves.toEqual({ result: [] });
  expect(grid.requests.filter(({ method }) => method === 'GET')).toHaveLength(3);
});

test('a grid that does not answer is a time-out, and only a write has an open outcome', async () => {
  await ask(session);
  grid.inject({ effect: { kind: 'hang' }, times: 2 });
  expect(await failureOf(ask(session, inTime(100)))).toMatchObject({ reason: 'timeout', outcome: 'none' });
  const error = await failureOf(write(session, 'view-1', inTime(500)));
  expect(error).toMatchObject({ reason: 'timeout', outcome: 'open', message: expect.stringMatching(/in time$/) });
});

test('a request that was never sent has no open outcome', async () => {
  await ask(session);
  grid.inject({ effect: { kind: 'hang' }, times: 8 });
  const hanging = Array.from({ length: 8 }, () => failureOf(ask(session, inTime(200))));
  const error = await failureOf(write(session, 'view-1', inTime(100)));
  expect(error).toMatchObject({ reason: 'busy', outcome: 'none', message: expect.stringContaining('are waiting') });
  expect(grid.requests.filter(({ method }) => method === 'POST')).toHaveLength(0);
  await Promise.all(hanging);
});

test('a refusal by the grid is not retried', async () => {
  const error = await failureOf(create(session, 'networkview', { comment: 'no name' }));
  expect(error).toMatchObject({ reason: 'rejected', outcome: 'none' });
  expect(grid.requests).toHaveLength(1);
});

test('the error for a WAPI version that the grid does not serve names the flag', async () => {
  const late = openSession({ port: grid.port, username, readPassword: () => password, version: '9.9' });
  expect(await failureOf(ask(late))).toMatchObject({
    reason: 'wapi-version',
    outcome: 'none',
    message: 'GET networkview: Version 9.9 not supported',
    hint: 'set --wapi-version to one that the grid serves: 2.3, the default, or a later one; doctor names the newest',
  });
  await late.close(inTime());
});

test('no error contains the credentials, whatever the grid answers', async () => {
  const agent = new MockAgent();
  agent.disableNetConnect();
  const secret = [password, Buffer.from(`${username}:${password}`).toString('base64'), encodeURIComponent(password)];
  const pool = agent.get('https://grid.example:443');
  for (const status of [200, 302, 400, 401, 403, 404, 500]) {
    pool.intercept({ path: /.*/, method: 'POST' }).reply(status, '<html><title>Sorry</title></html>');
    const made = openSession({
      ...{ dispatcher: agent, hosts: ['grid.example'], port: 443, username },
      readPassword: () => password,
    });
    const error = await failureOf(write(made, 'view-1'));
    expect(error).toBeInstanceOf(GridError);
    const { message, hint, cause } = error as GridError;
    const told = [message, hint, cause instanceof Error ? cause.message : ''].join();
    for (const text of secret) expect(told).not.toContain(text);
  }
  await agent.close();
});

test('the end of each request is reported: trouble, and its end', async () => {
  const reports: (string | undefined)[] = [];
  const made = openSession({
    ...{ port: grid.port, username, readPassword: () => password },
    onOutcome: (trouble) => reports.push(trouble?.reason),
  });
  grid.inject({ effect: { kind: 'status', status: 500 } });
  await ask(made);
  await failureOf(create(made, 'network', { network: 'nonsense' }));
  expect(reports).toEqual(['grid-fault', undefined, undefined]);
  await made.close(inTime());
});
