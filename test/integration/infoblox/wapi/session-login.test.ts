import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Headers, MockAgent } from 'undici';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Credentials } from '../../../../src/infoblox/wapi/credentials.ts';
import { Logins } from '../../../../src/infoblox/wapi/login.ts';
import type { Session } from '../../../../src/infoblox/wapi/session.ts';
import { parseFlags } from '../../../../src/modes/daemon/config/command-line.ts';
import { readOptions } from '../../../../src/modes/daemon/config/options.ts';
import { type Grid, startGrid } from '../../../simulator/grid.ts';
import { ask, failureOf, inTime, openSession, write } from './session-fixture.ts';

let grid: Grid;
const open: Session[] = [];

function session(setup: Partial<Parameters<typeof openSession>[0]> = {}): Session {
  const made = openSession({ port: grid.port, ...setup });
  open.push(made);
  return made;
}

beforeEach(async () => {
  grid = await startGrid();
});
afterEach(async () => {
  for (const made of open.splice(0)) await made.close(inTime(1000));
  await grid.stop();
});

test('requests one after another share one TLS connection and one login', async () => {
  const wapi = session();
  for (let n = 0; n < 10; n += 1) await ask(wapi);
  await write(wapi, 'view-1');
  expect({ connections: grid.connections, logins: grid.logins }).toEqual({ connections: 1, logins: 1 });
});

test('32 first requests at once make one login', async () => {
  grid.latencyMs = 5;
  const wapi = session();
  await Promise.all(Array.from({ length: 32 }, () => ask(wapi)));
  expect(grid.requests).toHaveLength(32);
  expect(grid.logins).toBe(1);
});

test('at most 8 requests are in flight, however many callers there are', async () => {
  grid.latencyMs = 50;
  const wapi = session();
  await Promise.all(Array.from({ length: 100 }, () => ask(wapi)));
  expect(grid.requests).toHaveLength(100);
  expect(grid.inFlightMax).toBe(8);
  expect(grid.connections).toBeLessThanOrEqual(8);
});

test('the first request carries Basic, and later ones the unchanged cookie of the grid', async () => {
  const agent = new MockAgent();
  agent.disableNetConnect();
  const sent: Headers[] = [];
  const cookie = 'ibapauth="client=API,group=admin-group,ctime=1,user=admin,5d41402a"';
  agent
    .get('https://grid.example')
    .intercept({ path: /.*/ })
    .reply(
      200,
      (request) => {
        sent.push(new Headers(request.headers as Record<string, string>));
        return '{"result": []}';
      },
      { headers: { 'set-cookie': `${cookie}; httponly; Path=/` } },
    )
    .persist();
  const wapi = openSession({ dispatcher: agent, hosts: ['grid.example'], port: 443 });
  await ask(wapi);
  await ask(wapi);
  const basic = `Basic ${Buffer.from('admin:infoblox').toString('base64')}`;
  expect(sent.map((headers) => headers.get('authorization'))).toEqual([basic, null]);
  expect(sent.map((headers) => headers.get('cookie'))).toEqual([null, cookie]);
  await agent.close();
});

test('requests name the driver as their user agent', async () => {
  await ask(session());
  expect(grid.requests[0]?.agent).toBe('infoblox-cni/test');
});

test('after the session has expired one more login serves the request', async () => {
  const wapi = session();
  await ask(wapi);
  grid.expireSessions();
  await ask(wapi);
  expect(grid.logins).toBe(2);
});

test('eight requests whose cookie is refused one after another make one more login', async () => {
  const agent = new MockAgent();
  agent.disableNetConnect();
  let valid = 'ibapauth="one"';
  let logins = 0;
  let refused = 0;
  const pool = agent.get('https://grid.example');
  const answer = (milliseconds: number, times: number) =>
    pool
      .intercept({ path: /.*/ })
      .reply((request) => {
        const cookie = new Headers(request.headers as Record<string, string>).get('cookie');
        if (cookie !== null && cookie !== valid) {
          refused += 1;
          return { statusCode: 401, data: '<html></html>' };
        }
        if (cookie === null) logins += 1;
        return { statusCode: 200, data: '{"result": []}', responseOptions: { headers: { 'set-cookie': valid } } };
      })
      .delay(milliseconds + 1)
      .times(times);
  answer(0, 1);
  for (let n = 0; n < 8; n += 1) answer(n * 15, 1);
  answer(0, 100);
  const wapi = openSession({ dispatcher: agent, hosts: ['grid.example'], port: 443 });
  await ask(wapi);
  valid = 'ibapauth="two"';
  await Promise.all(Array.from({ length: 8 }, () => ask(wapi)));
  expect({ logins, refused }).toEqual({ logins: 2, refused: 8 });
  await agent.close();
});

test('a cookie that the grid refuses is dropped, and the write is carried out once', async () => {
  const wapi = session();
  await ask(wapi);
  grid.clearLog();
  grid.inject({ method: 'POST', effect: { kind: 'html', status: 401 } });
  await write(wapi, 'view-1');
  expect(grid.requests.map(({ method, status }) => `${method} ${status}`)).toEqual(['POST 401', 'POST 201']);
  expect(grid.objects('networkview').map(({ name }) => name)).toEqual(['default', 'view-1']);
});

test('a wrong password is tried once, however many callers there are, and then refused without a request', async () => {
  const wapi = session({ readPassword: () => 'wrong' });
  const together = await Promise.all(Array.from({ length: 32 }, () => failureOf(ask(wapi))));
  for (const error of together) expect(error).toMatchObject({ reason: 'credentials', outcome: 'none' });
  expect(grid.requests.map(({ status }) => status)).toEqual([401]);
  expect(await failureOf(write(wapi, 'view-1'))).toMatchObject({
    reason: 'credentials',
    message: expect.stringContaining('refused the user name or password of "admin" (401)'),
    hint: expect.stringMatching(/--wapi-username.*next attempt in \d+ s, or as soon as the password changes/),
  });
  expect(grid.requests).toHaveLength(1);
});

test('a wrong password is tried again when its pause is over', async () => {
  let now = 0;
  const wapi = session({ readPassword: () => 'wrong', now: () => now });
  await failureOf(ask(wapi));
  now = 59_999;
  await failureOf(ask(wapi));
  expect(grid.requests).toHaveLength(1);
  now = 60_000;
  await failureOf(ask(wapi));
  expect(grid.requests).toHaveLength(2);
});

test('a corrected password file is used at once', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-password-'));
  try {
    const file = join(directory, 'password');
    writeFileSync(file, 'wrong\n');
    const { readPassword } = readOptions(parseFlags([`--wapi-password-file=${file}`]), {});
    const wapi = session({ readPassword });
    await failureOf(ask(wapi));
    writeFileSync(file, 'infoblox\n');
    await ask(wapi);
    expect(grid.requests.map(({ status }) => status)).toEqual([401, 200]);
    rmSync(file);
    expect(await failureOf(ask(wapi))).toMatchObject({
      reason: 'credentials',
      message: expect.stringContaining('cannot read the WAPI password'),
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('a password that changes during a session is checked when the session has ended', async () => {
  let password = 'infoblox';
  const wapi = session({ readPassword: () => password });
  await ask(wapi);
  password = 'wrong';
  await ask(wapi);
  expect(grid.logins).toBe(1);
  grid.expireSessions();
  expect(await failureOf(ask(wapi))).toMatchObject({ reason: 'credentials' });
  password = 'infoblox';
  await ask(wapi);
  expect(grid.logins).toBe(2);
});

test('after a pause one request carries Basic and the cookie, so that an expired session costs only a login', async () => {
  let now = 0;
  const clock = { now: () => now };
  const who = { username: 'admin', readPassword: () => 'infoblox' };
  const logins = new Logins(new Credentials({ ...who, clock, random: Math.random }), clock);
  const answers = new Map([['first', 'ibapauth="one"']]);
  const sent: string[] = [];
  const send = (name: string) => async (headers: Record<string, string>) => {
    sent.push(`${name}: ${Object.keys(headers).join(' and ')}`);
    return { status: 200, body: '{}', setCookie: [answers.get(name) ?? []].flat() };
  };
  const ask = (name: string) => logins.exchange('grid.example', send(name), inTime());
  await ask('first');
  now += 59_999;
  await ask('second');
  now += 60_000;
  await Promise.all([ask('third'), ask('fourth')]);
  expect(sent).toEqual(['first: authorization', 'second: cookie', 'third: authorization and cookie', 'fourth: cookie']);
});

test('a slow request after a pause does not delay the others', async () => {
  let now = 0;
  const clock = { now: () => now };
  const who = { username: 'admin', readPassword: () => 'infoblox' };
  const logins = new Logins(new Credentials({ ...who, clock, random: Math.random }), clock);
  const answer = { status: 200, body: '{}', setCookie: ['ibapauth="one"'] };
  await logins.exchange('grid.example', async () => answer, inTime());
  now += 60_000;
  const slow = Promise.withResolvers<typeof answer>();
  const first = logins.exchange('grid.example', () => slow.promise, inTime());
  await logins.exchange('grid.example', async () => answer, inTime());
  slow.resolve(answer);
  await first;
});

test('a password changed on the grid is refused once, and works after the file follows', async () => {
  let password = 'infoblox';
  const wapi = session({ readPassword: () => password });
  await ask(wapi);
  grid.password = 'rotated';
  grid.expireSessions();
  grid.clearLog();
  await Promise.all(Array.from({ length: 8 }, () => failureOf(ask(wapi))));
  expect(await failureOf(ask(wapi))).toMatchObject({ reason: 'credentials' });
  // Each request may have seen the end of the session, but only one has sent the old password.
  expect(grid.wrongPasswords).toBe(1);
  const refused = grid.requests.length;
  expect(refused).toBeLessThanOrEqual(9);
  password = 'rotated';
  await ask(wapi);
  expect(grid.requests).toHaveLength(refused + 1);
});

test('after a login that fails with the connection, each waiting caller tries itself', async () => {
  grid.inject({ effect: { kind: 'reset' } });
  const wapi = session();
  await Promise.all(Array.from({ length: 4 }, () => ask(wapi)));
  expect(grid.logins).toBe(1);
});

test('a caller whose time ends during another login has sent nothing', async () => {
  grid.inject({ effect: { kind: 'hang' } });
  const wapi = session();
  const pioneer = failureOf(ask(wapi, inTime(300)));
  expect(await failureOf(write(wapi, 'view-1', inTime(50)))).toMatchObject({ reason: 'busy', outcome: 'none' });
  await pioneer;
  expect(grid.requests.map(({ method }) => method)).toEqual(['GET']);
});

test('closing ends the session on the grid', async () => {
  const wapi = openSession({ port: grid.port });
  await ask(wapi);
  await wapi.close(inTime());
  expect(grid.requests.map(({ type }) => type)).toEqual(['networkview', 'logout']);
});
