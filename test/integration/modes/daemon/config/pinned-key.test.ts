/** `--ssl-verify=pin` against real HTTPS servers with keys of their own: trust on first use, and only that key later. */
import { execSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseFlags } from '../../../../../src/modes/daemon/config/command-line.ts';
import { readSettings } from '../../../../../src/modes/operator/grid.ts';
import { Host, until } from '../../../../fixture/host.ts';
import { type Grid, startGrid } from '../../../../simulator/grid.ts';
import { makeCertificate } from '../../../../simulator/http/certificate.ts';
import { errorOf } from '../../../infoblox/grid-and-host.ts';

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

/** Returns the SHA-256 of the certificate's public key, like openssl for an administrator. */
async function keyOf({ caFile }: Pick<Grid, 'caFile'>): Promise<string> {
  const spki = new X509Certificate(readFileSync(caFile)).publicKey.export({ type: 'spki', format: 'der' });
  const hash = await crypto.subtle.digest('SHA-256', spki);
  return `sha256//${Buffer.from(hash).toString('base64')}`;
}

test('the first key of the grid is stored for root alone, and logged once', async () => {
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

test('another key is refused with both keys and the way to accept it, which works without a restart', async () => {
  await host.add('c1');
  const was = await keyOf(grid);
  await grid.stop();
  const other = await newGrid(grid.port);
  const now = await keyOf(other);
  const refused = {
    code: 11,
    msg: `the grid at 127.0.0.1:${grid.port} has another public key than it had: ${now}; known: ${was}`,
    details: expect.stringContaining(`accept it with echo ${now} | install -T -m 644 /dev/stdin ${keyFile()};`),
  };
  expect(await errorOf(host.add('c2'))).toEqual(refused);
  await host.stop();
  await host.start();
  expect(await errorOf(host.add('c2'))).toEqual(refused);
  expect(other.requests).toEqual([]);
  execSync(commandIn(await errorOf(host.add('c2'))));
  expect(await host.add('c2')).toBe('10.0.0.3');
  expect(readFileSync(keyFile(), 'utf8')).toBe(`${now}\n`);
});

test('the command that accepts a key replaces a link in its place, and leaves the target alone', async () => {
  await host.add('c1');
  await grid.stop();
  const now = await keyOf(await newGrid(grid.port));
  const command = commandIn(await errorOf(host.add('c2')));
  const target = join(host.directory, 'target');
  writeFileSync(target, 'of root\n');
  rmSync(keyFile());
  symlinkSync(target, keyFile());
  execSync(command);
  expect([readFileSync(target, 'utf8'), readFileSync(keyFile(), 'utf8')]).toEqual(['of root\n', `${now}\n`]);
  expect(await host.add('c2')).toBe('10.0.0.3');
});

test.each(['TLSv1.2', 'TLSv1.3'] as const)(
  'a grid with another key gets nothing over %s: no password, not one byte of a request',
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

describe('of two hosts of a grid', () => {
  let pair: Host;
  let member: Member | undefined;

  beforeEach(() => {
    pair = new Host(grid, { node: 'pair', flags: ['--grid-host=127.0.0.1,127.0.0.2', '--ssl-verify=pin'] });
  });
  afterEach(async () => {
    await pair.dispose();
    await member?.stop();
    member = undefined;
  });

  const file = (address: string) => join(pair.directory, 'state', 'grid-keys', `${address}:${grid.port}`);
  const pinned = (address: string) => (existsSync(file(address)) ? readFileSync(file(address), 'utf8') : undefined);
  const warned = () => pair.log.filter(({ message }) => message.includes('not seen at the start'));

  test('both are pinned at the start, and a fail-over needs no operator', async () => {
    member = await startMember();
    await pair.start();
    await until('both are known', () => pinned('127.0.0.1') !== undefined && pinned('127.0.0.2') !== undefined);
    expect([pinned('127.0.0.1'), pinned('127.0.0.2')]).toEqual([`${await keyOf(grid)}\n`, `${await keyOf(member)}\n`]);
    expect(member.received).toBe('');
    await grid.pause();
    await pair.add('c1', { limit: 500 }).catch(() => undefined);
    await until('the other host was asked', () => member?.received !== '');
    expect(warned()).toEqual([]);
  });

  test('the one that was away at the start gets nothing until its key is accepted', async () => {
    await pair.start();
    await until('one is known and the other is not', () => pinned('127.0.0.1') !== undefined && warned().length > 0);
    // An attacker in between would make the first host fail.
    member = await startMember();
    await grid.pause();
    const what = `the grid at 127.0.0.2:${grid.port} was not seen when the daemon started, and shows the public key`;
    const refusal = await errorOf(pair.add('c1'));
    expect(refusal).toMatchObject({ code: 11, msg: `${what} ${await keyOf(member)}` });
    expect([member.received, pinned('127.0.0.2')]).toEqual(['', undefined]);
    execSync(commandIn(refusal));
    await pair.add('c1', { limit: 500 }).catch(() => undefined);
    await until('it is asked', () => member?.received !== '');
  });

  test('the second is pinned as soon as the first answers, if both were away at the start', async () => {
    await grid.pause();
    await pair.start();
    await until('both were tried', () => pair.log.some(({ message }) => message === 'grid unavailable'));
    member = await startMember();
    await grid.resume();
    await until('both are known', () => pinned('127.0.0.1') !== undefined && pinned('127.0.0.2') !== undefined);
    expect(warned()).toEqual([]);
  });

  test('a command sends nothing to a host without a known key once there is one', async () => {
    await pair.start();
    await until('one is known and the other is not', () => warned().length > 0);
    const { tls } = readSettings({ daemonFlags: parseFlags(pair.flags), env: {} });
    expect(tls.keys?.check(`127.0.0.1:${grid.port}`, await keyOf(grid))).toBe('known');
    expect(() => tls.keys?.check(`127.0.0.2:${grid.port}`, 'sha256//any')).toThrow(
      /was not seen when the daemon started/,
    );
    rmSync(file('127.0.0.1'));
    expect(tls.keys?.check(`127.0.0.2:${grid.port}`, 'sha256//any')).toBe('first seen');
    expect(pinned('127.0.0.2')).toBeUndefined();
  });
});

test('keys may be written by hand, several for one name, such as for both nodes of a pair', async () => {
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
])('a file %s makes every call fail, as it would be a way around the check', async (_what, spoil, msg) => {
  await host.add('c1');
  await grid.pause();
  await grid.resume();
  spoil(keyFile());
  const error = await errorOf(host.add('c2'));
  expect(error).toMatchObject({ code: 11, msg: expect.stringContaining(msg) });
  expect(JSON.stringify(error)).not.toContain('secret');
});

/** Returns the command that accepts a refused key. */
function commandIn(refusal: { readonly details?: string | undefined }): string {
  return /accept it with (echo .*?);/.exec(refusal.details ?? '')?.[1] ?? 'false';
}

type Member = Awaited<ReturnType<typeof startMember>>;

/** Starts a TLS server that fails every request: enough for a member of the grid with a key of its own. */
async function startMember() {
  const certificate = await makeCertificate();
  const member = { caFile: certificate.caFile, received: '' };
  const server = createServer(certificate, (socket) => {
    socket
      .on('error', () => undefined)
      .on('data', (data) => {
        member.received += data;
        socket.end('HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n');
      });
  });
  server.listen(grid.port, '127.0.0.2');
  await once(server, 'listening');
  return Object.assign(member, {
    stop: async () => {
      server.close();
      await certificate.remove();
    },
  });
}
