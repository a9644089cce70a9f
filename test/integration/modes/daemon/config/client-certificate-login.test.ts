/** A client certificate on real HTTPS: grids that accept and refuse it, and its renewal. */
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { ClientCa, type IssuedCertificate } from '../../../../fixture/client-ca.ts';
import { Host } from '../../../../fixture/host.ts';
import { type Grid, startGrid } from '../../../../simulator/grid.ts';
import { errorOf } from '../../../infoblox/grid-and-host.ts';

let ca: ClientCa;
beforeAll(async () => {
  ca = await ClientCa.create();
});
afterAll(() => ca.remove());

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function newGrid(password: 'with' | 'instead' = 'instead'): Promise<Grid> {
  const grid = await startGrid({ username: 'cni', clientCertificates: { ca: ca.cert, password } });
  ends.push(() => grid.stop());
  return grid;
}

/** Makes a host without a user name, unless the flags give one. */
async function newHost(grid: Pick<Grid, 'host' | 'port' | 'caFile'>, flags: readonly string[]): Promise<Host> {
  const host = await new Host(
    { ...grid, host: '127.0.0.1', port: grid.port, caFile: grid.caFile, username: '', password: '' },
    { flags },
  ).start();
  ends.push(() => host.dispose());
  return host;
}

const fingerprint = ({ cert }: IssuedCertificate) => new X509Certificate(cert).fingerprint256;
const shown = (grid: Grid) => [...new Set(grid.requests.map(({ certificate }) => certificate))];
const said = (host: Host) => host.log.map(({ level, message }) => `${level} ${message}`);

test('a certificate alone logs in once, without a Basic header', async () => {
  const grid = await newGrid();
  const issued = await ca.issue('cni');
  const host = await newHost(grid, ca.install(issued));
  expect(await host.add('c1')).toBe('10.0.0.2');
  expect(await host.add('c2')).toBe('10.0.0.3');
  expect(shown(grid)).toEqual([fingerprint(issued)]);
  expect(grid.requests.filter(({ basic }) => basic)).toEqual([]);
  expect(grid.logins).toBe(1);
});

test('a certificate is sent beside user and password if the grid wants both', async () => {
  const grid = await newGrid('with');
  const flags = ca.install(await ca.issue('cni'));
  const host = await newHost(grid, [...flags, '--wapi-username=cni', '--wapi-password=infoblox']);
  expect(await host.add('c1')).toBe('10.0.0.2');
  const alone = await newHost(grid, flags);
  expect(await errorOf(alone.add('c2'))).toMatchObject({
    code: 103,
    msg: expect.stringMatching(/refused the client certificate \(401\)$/),
    details: expect.stringMatching(/or set --wapi-username if it asks for a password, too/),
  });
});

test('a host without a certificate gets the hint to set one if the grid asks for it', async () => {
  const grid = await newGrid();
  const host = await newHost(grid, ['--wapi-username=cni', '--wapi-password=infoblox']);
  expect(await errorOf(host.add('c1'))).toEqual({
    code: 103,
    msg: `the grid at 127.0.0.1:${grid.port} asks for a client certificate (tlsv13 alert certificate required)`,
    details: 'set --wapi-client-cert and --wapi-client-key',
  });
  expect(grid.requests).toEqual([]);
});

test('a certificate of another user is tried once, and its successor at once', async () => {
  const grid = await newGrid();
  const host = await newHost(grid, ca.install(await ca.issue('somebody')));
  const refused = await errorOf(host.add('c1'));
  expect(refused).toMatchObject({ code: 103, msg: expect.stringMatching(/refused the client certificate \(401\)$/) });
  const again = await errorOf(host.add('c1'));
  expect(again.msg).toBe(refused.msg);
  expect(again.details).toMatch(/certificate authentication service .* as soon as the certificate changes$/);
  expect(grid.requests).toHaveLength(1);
  const issued = await ca.issue('cni');
  ca.install(issued);
  expect(await host.add('c1')).toBe('10.0.0.2');
  expect(grid.requests.at(-1)?.certificate).toBe(fingerprint(issued));
});

test('a renewed certificate is used from the next request on, without a restart', async () => {
  const grid = await newGrid();
  const [old, renewed] = await Promise.all([ca.issue('cni'), ca.issue('cni')]);
  const host = await newHost(grid, ca.install(old));
  await host.add('c1');
  grid.clearLog();
  ca.install(renewed);
  await host.add('c2');
  expect(shown(grid)).toEqual([fingerprint(renewed)]);
  expect(said(host).filter((line) => line.includes('certificate'))).toEqual([]);
});

test('a broken renewal only changes the log until it is fixed', async () => {
  const grid = await newGrid();
  const [old, renewed] = await Promise.all([ca.issue('cni'), ca.issue('cni')]);
  const host = await newHost(grid, ca.install(old));
  await host.add('c1');
  grid.clearLog();
  ca.file('client.pem', renewed.cert);
  await host.add('c2');
  await host.add('c3');
  expect(shown(grid)).toEqual([fingerprint(old)]);
  const line = host.log.find(({ message }) => message === 'client certificate not usable');
  expect(line?.details.hint).toMatch(/until then the previous certificate stays in use$/);
  ca.file('client.key', renewed.key);
  await host.add('c4');
  expect(grid.requests.at(-1)?.certificate).toBe(fingerprint(renewed));
  const lines = said(host).filter((text) => text.includes('client certificate'));
  expect(lines).toEqual(['error client certificate not usable', 'info client certificate usable']);
});

test.each([
  [42, 'bad certificate'],
  [44, 'certificate revoked'],
  [45, 'certificate expired'],
  [46, 'certificate unknown'],
  [48, 'unknown ca'],
])('TLS alert %i, %s, is a refusal of the certificate', async (alert, words) => {
  const server = createServer((socket) => {
    // A fatal alert record of TLS 1.2.
    socket.on('error', () => undefined).once('data', () => socket.end(Buffer.from([21, 3, 3, 0, 2, 2, alert])));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(async () => server.close());
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const host = await newHost({ host: '127.0.0.1', port, caFile: 'false' }, ca.install(await ca.issue('cni')));
  const { code, msg, details } = await errorOf(host.add('c1'));
  expect(code).toBe(103);
  expect(msg).toMatch(
    new RegExp(`^the grid at 127.0.0.1:${port} refused the client certificate \\(.*${words}\\)$`, 'i'),
  );
  expect(details).toBe('renew --wapi-client-cert, or let the grid trust its CA (certificate authentication service)');
});
