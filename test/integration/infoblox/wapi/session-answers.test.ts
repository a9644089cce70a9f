import { MockAgent } from 'undici';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { GridError, type Outcome, type Reason } from '../../../../src/infoblox/errors.ts';
import type { Transport } from '../../../../src/infoblox/wapi/connection/transport.ts';
import type { Session } from '../../../../src/infoblox/wapi/session.ts';
import { until } from '../../../fixture/host.ts';
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

/** A broken answer to a write, and the resulting error. */
const broken: readonly (readonly [string, Effect, Reason, Outcome, RegExp])[] = [
  ['an HTML page with status 200', { kind: 'html' }, 'bad-answer', 'unknown', /answered 200 with an HTML page, "/],
  [
    'half an answer',
    { kind: 'truncate' },
    'bad-answer',
    'open',
    /the connection to the grid at 127\.0\.0\.1:\d+ broke/,
  ],
  ['an empty answer', { kind: 'empty' }, 'bad-answer', 'unknown', /answered 200 with an empty body/],
  ['9 MiB', { kind: 'oversize', bytes: 9 * 1024 * 1024 }, 'bad-answer', 'open', /broke: more than 262144 bytes/],
  ['500', { kind: 'status', status: 500 }, 'grid-fault', 'unknown', /answered 500 with an HTML page/],
  [
    '503 without a body',
    { kind: 'status', status: 503, body: '' },
    'grid-fault',
    'unknown',
    /answered 503 with an empty body/,
  ],
  ['no JSON', { kind: 'status', status: 201, body: 'OK' }, 'bad-answer', 'unknown', /answered 201 with no JSON: "OK"/],
  ['a reset', { kind: 'reset' }, 'bad-answer', 'open', /the connection to the grid at 127\.0\.0\.1:\d+ broke/],
];

describe.each(broken)('%s', (_, effect, reason, outcome, text) => {
  test('to a write leaves its outcome unknown or open, and the write is not repeated', async () => {
    await ask(session);
    grid.inject({ effect, times: 99 });
    const error = await failureOf(write(session, 'view-1'));
    expect(error).toBeInstanceOf(GridError);
    expect(error).toMatchObject({ reason, outcome, message: expect.stringMatching(text) });
    expect(grid.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
  });

  test('to a read is retried', async () => {
    await ask(session);
    grid.inject({ effect });
    await expect(ask(session)).resolves.toEqual({ result: [] });
    expect(grid.requests.filter(({ method }) => method === 'GET')).toHaveLength(3);
  });
});

test('a read that keeps failing ends with the error of the grid, and no open outcome', async () => {
  await ask(session);
  grid.inject({ effect: { kind: 'status', status: 502 }, times: 99 });
  const caller = new AbortController();
  const failure = failureOf(ask(session, caller.signal));
  await until('it is tried again', () => grid.requests.filter(({ status }) => status === 502).length === 3);
  // The caller leaves within the pause that follows, which lasts at least 750 ms.
  await new Promise((resolve) => setTimeout(resolve, 50));
  caller.abort(new DOMException('the time is over', 'TimeoutError'));
  expect(await failure).toMatchObject({ reason: 'grid-fault', outcome: 'none' });
});

test('a look by a function call is retried, as it is not a write', async () => {
  grid.add('networkcontainer', { network: '10.0.0.0/16' });
  const ref = String(grid.objects('networkcontainer')[0]?._ref);
  grid.inject({ method: 'POST', effect: { kind: 'status', status: 500 } });
  const call = {
    method: 'POST',
    path: ref,
    query: { _function: 'next_available_network' },
    body: { cidr: 24, num: 1 },
  } as const;
  const answer = session.request(call, inTime());
  await expect(answer).resolves.toEqual({ networks: ['10.0.0.0/24'] });
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

test('a read-only grid has a reason of its own', async () => {
  grid.readOnly = true;
  expect(await failureOf(write(session, 'view-1'))).toMatchObject({
    reason: 'read-only',
    hint: 'name the Grid Master in --grid-host',
  });
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

test('a caller who leaves a slow grid early does not make the grid count as in trouble', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  try {
    const exchange: Transport['exchange'] = ({ signal }) =>
      new Promise((resolve, reject) => {
        setTimeout(() => resolve({ status: 200, body: '{"result": []}', setCookie: [] }), 8_000);
        signal.addEventListener('abort', () => reject(new GridError('timeout', 'late')));
      });
    const reports: (string | undefined)[] = [];
    const onOutcome = (trouble: GridError | undefined) => reports.push(trouble?.reason);
    const slow = openSession({ port: 443, transport: { exchange, close: async () => undefined }, onOutcome });
    const first = ask(slow, new AbortController().signal);
    await vi.advanceTimersByTimeAsync(8_000);
    await first;
    // After so slow an answer the grid is left alone for a while.
    await vi.advanceTimersByTimeAsync(30_000);
    const caller = new AbortController();
    const second = failureOf(ask(slow, caller.signal));
    await vi.advanceTimersByTimeAsync(5_000);
    caller.abort();
    expect(await second).toMatchObject({ reason: 'timeout' });
    expect(reports).toEqual([undefined]);
  } finally {
    vi.useRealTimers();
  }
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
