/** The socket of the daemon: its owner at the start, and its repair after a removal while the daemon runs. */
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { keepSocket, listen, prepareSocket } from '../../../../../src/modes/daemon/rpc/socket.ts';
import { StartError } from '../../../../../src/modes/daemon/start-error.ts';
import { owedDir, socketFile } from '../../../../../src/modes/protocol.ts';
import { until } from '../../../../fixture/host.ts';
import { ManualClock } from '../../../../fixture/manual-clock.ts';
import { rootTest } from '../../../../fixture/root.ts';
import { errorOf, held, useGridAndHost } from '../../../infoblox/grid-and-host.ts';

let directory: string;
let socketDir: string;
let listener: Server | undefined;

const driverName = 'infoblox';
const file = () => socketFile(socketDir, driverName);
const listenAt = (path: string) =>
  new Promise<void>((resolve) => {
    listener = createServer((socket) => socket.on('error', () => undefined)).listen(path, resolve);
  });
/** Replaces the server for calls. */
const server = {
  listen: (place: { readonly path: string } | { readonly fd: number }) => {
    listener?.close();
    return 'path' in place ? listenAt(place.path) : Promise.reject(new Error('no descriptor comes here'));
  },
};

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-socket-'));
  socketDir = join(directory, 'run', 'cni');
});
afterEach(() => {
  listener?.close();
  listener = undefined;
  rmSync(directory, { recursive: true, force: true });
});

test('the directory is readable for all, socket and notes only for root', async () => {
  const mask = process.umask(0o077);
  try {
    const place = { socketDir, driverName: 'ibx' };
    await prepareSocket(place);
    await listen(server, place);
    const mode = (path: string) => statSync(path).mode & 0o777;
    expect([mode(socketDir), mode(join(socketDir, 'ibx.owed')), mode(join(socketDir, 'ibx.sock'))]).toEqual([
      0o755, 0o700, 0o600,
    ]);
  } finally {
    process.umask(mask);
  }
});

test('an existing directory keeps its mode', async () => {
  mkdirSync(socketDir, { recursive: true, mode: 0o711 });
  await prepareSocket({ socketDir, driverName });
  expect(statSync(socketDir).mode & 0o777).toBe(0o711);
});

rootTest(
  'the notes of a service with its own user keep that group, even if root runs the daemon',
  'chown',
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-notes-'));
    const notes = join(directory, 'infoblox.owed');
    mkdirSync(notes);
    chownSync(notes, 0, 65534);
    chmodSync(notes, 0o2770);
    try {
      await prepareSocket({ socketDir: directory, driverName });
      expect(statSync(notes).mode & 0o7777).toBe(0o2770);
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
);

test('the socket of a live daemon is not replaced', async () => {
  await prepareSocket({ socketDir, driverName });
  await listenAt(file());
  await expect(prepareSocket({ socketDir, driverName })).rejects.toThrow(
    new Error(`another daemon listens at ${file()}. Stop it, or use another --driver-name or --socket-dir.`),
  );
  await expect(listen(server, { socketDir, driverName })).rejects.toThrow(/another daemon listens/);
  expect(existsSync(file())).toBe(true);
  await prepareSocket({ socketDir, driverName: 'other' });
});

test('the error names the kind of a file in the way, which stays', async () => {
  mkdirSync(socketDir, { recursive: true });
  symlinkSync('infoblox.sock', file());
  const attempt = prepareSocket({ socketDir, driverName });
  await expect(attempt).rejects.toThrow(StartError);
  await expect(attempt).rejects.toThrow(
    /^cannot tell whether another daemon listens at \S+\/infoblox\.sock \(ELOOP\)\. .*--socket-dir\.$/,
  );
  expect(lstatSync(file()).isSymbolicLink()).toBe(true);
});

test.each([
  [
    'the socket of a dead daemon',
    async (file: string) => {
      // The rename keeps the socket after closing, like that of a killed daemon.
      await listenAt(`${file}.first`);
      renameSync(`${file}.first`, file);
      await new Promise((resolve) => listener?.close(resolve));
      listener = undefined;
      expect(statSync(file).isSocket()).toBe(true);
    },
  ],
  ['a regular file', async (file: string) => writeFileSync(file, '')],
])('%s is replaced', async (_, leave) => {
  mkdirSync(socketDir, { recursive: true });
  await leave(file());
  await prepareSocket({ socketDir, driverName });
  // The old socket stays until the daemon has the state, as another daemon that starts now may own it.
  expect(existsSync(file())).toBe(true);
  await listen(server, { socketDir, driverName });
  expect(statSync(file()).isSocket()).toBe(true);
});

test.each([
  ['under a file', () => join(directory, 'file', 'cni')],
  ['in a read-only place', () => '/sys/infoblox-cni'],
])('a directory %s is a start error that names the flag', async (_, place) => {
  writeFileSync(join(directory, 'file'), '');
  const attempt = prepareSocket({ socketDir: place(), driverName });
  await expect(attempt).rejects.toThrow(StartError);
  await expect(attempt).rejects.toThrow(/^cannot use --socket-dir \S+: E/);
});

const again = 'the socket was removed or replaced; listening again';

describe('in the daemon', () => {
  const clock = new ManualClock();
  const fixture = useGridAndHost({}, { clock });
  const heard = () => fixture.host.log.some((line) => line.message === again);

  test('a removed directory is made again with socket and notes, and a call in flight is answered', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    const create = grid.hold({ type: 'fixedaddress', method: 'POST' });
    const inFlight = host.add('c2');
    await create.arrived;
    rmSync(host.socketDir, { recursive: true });
    expect(await errorOf(host.call('STATUS', '', { limit: 500 }))).toMatchObject({ code: 11 });
    await clock.advance(5_000);
    await until('it listens again', heard);
    const mode = (path: string) => statSync(path).mode & 0o777;
    expect(mode(host.socketDir)).toBe(0o755);
    expect([owedDir(host.socketDir, 'infoblox'), host.socket].map(mode)).toEqual([0o700, 0o600]);
    await host.add('c3');
    create.release();
    const address = await inFlight;
    expect(held(grid)).toContain(address);
    expect(held(grid)).toHaveLength(4);
  });
});

describe('the watch over the socket', () => {
  let lost: StartError[];
  let lines: string[];
  let looks: number;
  let clock: ManualClock;
  let listens: typeof server.listen;
  let stopping: AbortController;
  let watch: Promise<void>;

  const look = async () => {
    const before = looks;
    await clock.advance(5_000);
    await until('it has looked', () => looks > before);
  };

  beforeEach(async () => {
    const place = { socketDir, driverName };
    await prepareSocket(place);
    await listen(server, place);
    [lost, lines, looks, clock, listens] = [[], [], 0, new ManualClock(), server.listen];
    keep();
  });

  const keep = () => {
    stopping = new AbortController();
    const say = (message: string) => lines.push(message);
    const sleep: ManualClock['sleep'] = (...asked) => {
      looks += 1;
      return clock.sleep(...asked);
    };
    watch = keepSocket(
      {
        server: { listen: (at) => listens(at) },
        place: { socketDir, driverName },
        onLost: (error) => lost.push(error),
        clock: { ...clock, sleep },
        log: { error: say, warn: say, info: say, debug: say },
      },
      stopping.signal,
    );
  };
  afterEach(async () => {
    stopping.abort();
    await watch;
  });

  test('keeps a socket that is in its place', async () => {
    listens = () => Promise.reject(new Error('it has listened again'));
    await look();
    await look();
    expect(lines).toEqual([]);
  });

  test('creates a socket again that was removed before the first look', async () => {
    stopping.abort();
    await watch;
    rmSync(file());
    keep();
    await look();
    expect(lines).toEqual([again]);
    expect(statSync(file()).isSocket()).toBe(true);
  });

  test('recognises another socket of the same name', async () => {
    rmSync(file());
    writeFileSync(file(), '');
    await look();
    expect(lines).toEqual([again]);
    expect(statSync(file()).isSocket()).toBe(true);
  });

  test('logs once that it cannot listen, recovers if it can again, and gives up at the end', async () => {
    const fail = () => Promise.reject(new Error('the place is taken'));
    listens = fail;
    rmSync(file());
    for (let attempt = 0; attempt < 2; attempt += 1) await look();
    listens = server.listen;
    await look();
    expect(lines).toEqual(['the socket was removed or replaced, and the daemon cannot listen again', again]);
    expect(lost).toEqual([]);
    listens = fail;
    rmSync(file());
    for (let attempt = 0; attempt < 9; attempt += 1) await look();
    expect(lost).toEqual([new StartError(`cannot listen at ${file()}: the place is taken`)]);
    expect(lines).toHaveLength(3);
  });
});
