/** `--ssl-verify=pin` against real HTTPS servers with keys of their own: trust on first use, and nobody else after it. */
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Host, until } from '../../../fixture/host.ts';
import { errorOf } from '../../../infoblox/grid-and-host.ts';
import { type Grid, startGrid } from '../../../simulator/grid.ts';
import { makeCertificate } from '../../../simulator/http/certificate.ts';

const grids: Grid[] = [];
let grid: Grid;
let host: Host;

async function newGrid(port = 0): Promise<Grid> {
  const started = await startGrid({ port });
  grids.push(started);
  return started;
}

beforeEach(async () => {
  grid = await newGrid();
  host = await new Host(grid, { flags: ['--ssl-verify=pin'] }).start();
});
afterEach(async () => {
  await host.dispose();
  await Promise.all(grids.splice(0).map((one) => one.stop()));
});

const keyFile = (of = grid) => join(host.directory, 'state', 'grid-keys', `127.0.0.1:${of.port}`);

/** What an administrator finds out with openssl: SHA-256 of the certificate's public key. */
async function keyOf({ caFile }: Pick<Grid, 'caFile'>): Promise<string> {
  const spki = new X509Certificate(readFileSync(caFile)).publicKey.export({ type: 'spki', format: 'der' });
  const hash = await crypto.subtle.digest('SHA-256', spki);
  return `sha256//${Buffer.from(hash).toString('base64')}`;
}

test('the key that the grid shows first is remembered for root alone, and said once', async () => {
  await host.add('c1');
  const key = await keyOf(grid);
  expect(readFileSync(keyFile(), 'utf8')).toBe(`${key}\n`);
  expect(statSync(keyFile()).mode & 0o777).toBe(0o600);
  expect(statSync(join(keyFile(), '..')).mode & 0o777).toBe(0o700);
  await host.stop();
  await host.start();
  await host.add('c2');
  expect(host.log.filter(({ message }) => message.includes('seen for the first time'))).toEqual([
    expect.objectContaining({ level: 'info', details: { host: `127.0.0.1:${grid.port}`, key } }),
  ]);
  expect(host.log.filter(({ message }) => message.includes('not checked'))).toEqual([]);
});

test('another key is refused with both and the way to accept it, which counts without a restart', async () => {
  await host.add('c1');
  const was = await keyOf(grid);
  await grid.stop();
  const other = await newGrid(grid.port);
  const now = await keyOf(other);
  const refused = {
    code: 11,
    msg: `the grid at 127.0.0.1:${grid.port} has another public key than it had: ${now}; known: ${was}`,
    details: expect.stringContaining(`remove ${keyFile()}, and the next key that it shows is trusted`),
  };
  expect(await errorOf(host.add('c2'))).toEqual(refused);
  await host.stop();
  await host.start();
  expect(await errorOf(host.add('c2'))).toEqual(refused);
  expect(other.requests).toEqual([]);
  rmSync(keyFile());
  expect(await host.add('c2')).toBe('10.0.0.3');
  expect(readFileSync(keyFile(), 'utf8')).toBe(`${now}\n`);
});

test.each(['TLSv1.2', 'TLSv1.3'] as const)(
  'a grid with another key is sent nothing over %s: no password, not one byte of a request',
  async (version) => {
    await host.add('c1');
    await grid.stop();
    const certificate = await makeCertificate();
    let connections = 0;
    let received = 0;
    const impostor = createServer({ ...certificate, minVersion: version, maxVersion: version }, (socket) => {
      socket
        .on('error', () => undefined)
        .on('data', (data) => {
          received += data.length;
        });
    });
    impostor.on('connection', () => {
      connections += 1;
    });
    impostor.listen(grid.port, '127.0.0.1');
    await once(impostor, 'listening');
    try {
      const msg = expect.stringContaining('another public key');
      expect(await errorOf(host.add('c2'))).toMatchObject({ code: 11, msg });
      expect(connections).toBeGreaterThan(0);
      expect(received).toBe(0);
    } finally {
      await new Promise((resolve) => impostor.close(resolve));
      await certificate.remove();
    }
  },
);

test('a member of the grid with a key of its own is remembered beside the first, and a fail-over needs nobody', async () => {
  const member = await startGridAt('127.0.0.2', grid.port);
  const pair = new Host(grid, { node: 'pair', flags: ['--grid-host=127.0.0.1,127.0.0.2', '--ssl-verify=pin'] });
  try {
    await pair.start();
    await pair.add('c1');
    await grid.pause();
    await until('the other member was asked', async () => {
      await pair.add('c2', { limit: 500 }).catch(() => undefined);
      return member.handshakes > 0;
    });
    const keys = join(pair.directory, 'state', 'grid-keys');
    const [one, two] = ['127.0.0.1', '127.0.0.2'].map((name) =>
      readFileSync(join(keys, `${name}:${grid.port}`), 'utf8'),
    );
    expect(one).toBe(`${await keyOf(grid)}\n`);
    expect(two).toBe(`${await keyOf(member)}\n`);
  } finally {
    await pair.dispose();
    await member.stop();
  }
});

test('keys may be written by hand, several for one name, as where both nodes of a pair answer at it', async () => {
  const another = new Host(grid, { node: 'b', flags: ['--grid-host=localhost', '--ssl-verify=pin'] });
  const keys = join(another.directory, 'state', 'grid-keys');
  mkdirSync(keys, { recursive: true });
  writeFileSync(join(keys, `localhost:${grid.port}`), `sha256//of-the-other-node=\n${await keyOf(grid)}\n`);
  try {
    await another.start();
    expect(await another.add('c1')).toBe('10.0.0.2');
  } finally {
    await another.dispose();
  }
});

test.each([
  ['that names no key', (file: string) => writeFileSync(file, 'root:$y$secret\n'), 'names no key'],
  [
    'that is a link to another one',
    (file: string) => {
      renameSync(file, `${file}.moved`);
      symlinkSync(`${file}.moved`, file);
    },
    'it is a symbolic link',
  ],
  [
    'that cannot be read',
    (file: string) => {
      rmSync(file);
      mkdirSync(file);
    },
    'cannot read the known public key',
  ],
  ['in a directory that others can write to', (file: string) => chmodSync(join(file, '..'), 0o777), 'grid-keys'],
])('a file %s lets nobody in: it would be a way around the check', async (_what, spoil, msg) => {
  await host.add('c1');
  await grid.pause();
  await grid.resume();
  spoil(keyFile());
  const error = await errorOf(host.add('c2'));
  expect(error).toMatchObject({ code: 11, msg: expect.stringContaining(msg) });
  expect(JSON.stringify(error)).not.toContain('secret');
});

/** A TLS server that answers nothing: enough to be a member with a key. */
async function startGridAt(address: string, port: number) {
  const certificate = await makeCertificate();
  const counted = { handshakes: 0 };
  const server = createServer(certificate, (socket) => {
    counted.handshakes += 1;
    socket.on('error', () => undefined).resume();
    socket.end('HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n');
  });
  server.listen(port, address);
  await once(server, 'listening');
  return {
    caFile: certificate.caFile,
    get handshakes() {
      return counted.handshakes;
    },
    stop: async () => {
      server.close();
      await certificate.remove();
    },
  };
}
