import { X509Certificate } from 'node:crypto';
import dns from 'node:dns';
import { readFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { createServer, connect as dial, type Server } from 'node:net';
import { MockAgent } from 'undici';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { hostClock } from '../../../../../src/infoblox/concurrency/clock.ts';
import { createAgent, type TlsOptions } from '../../../../../src/infoblox/wapi/connection/agent.ts';
import { NotConnected } from '../../../../../src/infoblox/wapi/connection/connection-error.ts';
import { createTransport } from '../../../../../src/infoblox/wapi/connection/transport.ts';
import { parseFlags } from '../../../../../src/modes/daemon/config/command-line.ts';
import { readOptions } from '../../../../../src/modes/daemon/config/options.ts';
import { type Grid, startGrid } from '../../../../simulator/grid.ts';
import { failureOf, inTime } from '../session-fixture.ts';

let grid: Grid;
const servers: Server[] = [];

beforeEach(async () => {
  grid = await startGrid();
});
afterEach(async () => {
  for (const server of servers.splice(0)) server.close();
  await grid.stop();
});

function tlsOf(flag: string): TlsOptions {
  return readOptions(parseFlags([`--ssl-verify=${flag}`]), {}).tls;
}

/** A read without its URL. */
const read = () => ({ method: 'GET', about: 'network', writes: false, headers: {}, signal: inTime() }) as const;

async function get(tls: TlsOptions, authority: string): Promise<number> {
  const transport = createTransport(createAgent(tls, 1), hostClock());
  try {
    const url = `https://${authority}/wapi/v2.3/networkview`;
    const answer = await transport.exchange({ ...read(), url });
    return answer.status;
  } finally {
    await transport.close();
  }
}

async function listen(address: string, server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(address === '127.0.0.2' ? grid.port : 0, address, resolve));
  const bound = server.address();
  return typeof bound === 'object' && bound !== null ? bound.port : 0;
}

test('the certificate of a grid host is reported, whether it is checked or not', async () => {
  const own = new X509Certificate(readFileSync(grid.caFile));
  for (const flag of ['false', grid.caFile]) {
    const shown: [string, string][] = [];
    const onCertificate = (host: string, { fingerprint256 }: X509Certificate) => shown.push([host, fingerprint256]);
    const transport = createTransport(createAgent(tlsOf(flag), 1, { onCertificate }), hostClock());
    const url = `https://127.0.0.1:${grid.port}/wapi/v2.3/networkview`;
    await transport.exchange({ ...read(), url });
    await transport.close();
    expect(shown).toEqual([['127.0.0.1', own.fingerprint256]]);
  }
});

test('a resolver that does not answer is named as the reason, not the path to the grid', async () => {
  const silent = vi.spyOn(dns, 'lookup').mockImplementation((() => {}) as never);
  syncBuiltinESMExports();
  try {
    expect(await failureOf(get(tlsOf('false'), 'grid.example:8443'))).toMatchObject({
      reason: 'unreachable',
      message: 'cannot connect to the grid at grid.example:8443: the resolver does not answer',
    });
  } finally {
    silent.mockRestore();
    syncBuiltinESMExports();
  }
});

test('--ssl-verify=false accepts any certificate', async () => {
  expect(await get(tlsOf('false'), `127.0.0.1:${grid.port}`)).toBe(401);
});

test('--ssl-verify=true refuses a certificate of an unknown authority, with a hint', async () => {
  expect(await failureOf(get(tlsOf('true'), `127.0.0.1:${grid.port}`))).toMatchObject({
    reason: 'untrusted',
    outcome: 'none',
    message: expect.stringMatching(/its certificate is not accepted \(self-signed certificate\)/),
    hint: "give --ssl-verify a file with the grid's certificate or its CA, or set it to pin",
  });
});

test('--ssl-verify with the certificate of the grid accepts it', async () => {
  expect(await get(tlsOf(grid.caFile), `127.0.0.1:${grid.port}`)).toBe(401);
});

test('--ssl-verify with the certificate of another grid refuses', async () => {
  const other = await startGrid();
  try {
    const failure = await failureOf(get(tlsOf(other.caFile), `127.0.0.1:${grid.port}`));
    expect(failure).toMatchObject({ reason: 'untrusted', message: expect.stringContaining('not accepted') });
  } finally {
    await other.stop();
  }
});

test('a certificate for another name is refused, and the error has the requested name', async () => {
  await listen(
    '127.0.0.2',
    createServer((socket) => {
      const onward = dial(grid.port, '127.0.0.1');
      socket.on('error', () => onward.destroy());
      onward.on('error', () => socket.destroy());
      socket.pipe(onward).pipe(socket);
    }),
  );
  expect(await failureOf(get(tlsOf(grid.caFile), `127.0.0.2:${grid.port}`))).toMatchObject({
    reason: 'untrusted',
    outcome: 'none',
    message: expect.stringMatching(/127\.0\.0\.2 is not in the cert's list/),
    hint: 'set --grid-host to a name that the certificate carries, or --ssl-verify to pin',
  });
});

test('the error names a port that does not speak TLS', async () => {
  const port = await listen(
    '127.0.0.1',
    createServer((socket) => socket.on('error', () => undefined).end('HTTP/1.1 400 Bad Request\r\n\r\n')),
  );
  expect(await failureOf(get(tlsOf('false'), `127.0.0.1:${port}`))).toMatchObject({
    reason: 'unreachable',
    message: expect.stringContaining('no TLS connection'),
    hint: 'check that --wapi-port is the HTTPS port of the grid',
  });
});

test('nothing was sent to a peer that hangs up during the handshake', async () => {
  const port = await listen(
    '127.0.0.1',
    createServer((socket) => socket.on('error', () => undefined).destroy()),
  );
  const failure = await failureOf(get(tlsOf('false'), `127.0.0.1:${port}`));
  expect(failure).toMatchObject({ reason: 'unreachable', outcome: 'none' });
});

test('a redirect is not followed, so that credentials stay with the grid', async () => {
  const agent = new MockAgent();
  agent.disableNetConnect();
  let followed = false;
  const elsewhere = { headers: { location: 'https://elsewhere.example/' } };
  agent.get('https://grid.example').intercept({ path: /.*/ }).reply(302, '', elsewhere);
  agent
    .get('https://elsewhere.example')
    .intercept({ path: /.*/ })
    .reply(200, () => {
      followed = true;
      return '[]';
    });
  const headers = { authorization: 'Basic eDp5' };
  const exchange = { ...read(), url: 'https://grid.example/wapi/v2.3/network', headers };
  expect((await createTransport(agent, hostClock()).exchange(exchange)).status).toBe(302);
  expect(followed).toBe(false);
  await agent.close();
});

test.each([
  ['connect EHOSTUNREACH 192.0.2.1:443', 'unreachable', 'none'],
  ['read EHOSTUNREACH', 'bad-answer', 'open'],
  ['write EHOSTUNREACH', 'bad-answer', 'open'],
])('a write that ends with "%s" is %s, outcome %s', async (message, reason, outcome) => {
  const agent = new MockAgent();
  agent.disableNetConnect();
  const broken = Object.assign(new Error(message), { code: 'EHOSTUNREACH', syscall: message.split(' ')[0] });
  // The agent of the product wraps errors while connecting like this.
  const error = broken.syscall === 'connect' ? new NotConnected(broken) : broken;
  agent.get('https://grid.example').intercept({ path: '/', method: 'POST' }).replyWithError(error);
  const transport = createTransport(agent, hostClock());
  const exchange = { ...read(), url: 'https://grid.example/', method: 'POST', writes: true, body: {} } as const;
  expect(await failureOf(transport.exchange(exchange))).toMatchObject({ reason, outcome });
  await agent.close();
});

test('an error with an endless text is shortened', async () => {
  const agent = new MockAgent();
  agent.disableNetConnect();
  agent
    .get('https://grid.example')
    .intercept({ path: '/' })
    .replyWithError(new Error('DNS:x, '.repeat(100_000)));
  const exchange = { ...read(), url: 'https://grid.example/' };
  const failure = (await failureOf(createTransport(agent, hostClock()).exchange(exchange))) as Error;
  expect(failure.message).toMatch(/broke: DNS:x/);
  expect(failure.message.length).toBeLessThan(500);
  await agent.close();
});
