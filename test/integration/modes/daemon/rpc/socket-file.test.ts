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
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeRoom, prepareSocket, protectSocket } from '../../../../../src/modes/daemon/rpc/socket-file.ts';
import { StartError } from '../../../../../src/modes/daemon/start-error.ts';
import { rootTest } from '../../../../fixture/root.ts';

let directory: string;
let socketDir: string;
let listener: Server | undefined;

const listen = (file: string) =>
  new Promise<void>((resolve) => {
    listener = createServer((socket) => socket.on('error', () => undefined)).listen(file, resolve);
  });

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-socket-'));
  socketDir = join(directory, 'run', 'cni');
});
afterEach(() => {
  listener?.close();
  listener = undefined;
  rmSync(directory, { recursive: true, force: true });
});

test('the directory is made readable for all, the socket and the notes are for root alone', async () => {
  const mask = process.umask(0o077);
  try {
    const file = await prepareSocket(socketDir, 'ibx');
    expect(file).toBe(join(socketDir, 'ibx.sock'));
    await listen(file);
    protectSocket(file);
    const mode = (path: string) => statSync(path).mode & 0o777;
    expect([mode(socketDir), mode(join(socketDir, 'ibx.owed')), mode(file)]).toEqual([0o755, 0o700, 0o600]);
  } finally {
    process.umask(mask);
  }
});

test('a directory that is there keeps its mode', async () => {
  mkdirSync(socketDir, { recursive: true, mode: 0o711 });
  await prepareSocket(socketDir, 'infoblox');
  expect(statSync(socketDir).mode & 0o777).toBe(0o711);
});

rootTest(
  'the notes of a service with a user of its own stay its group’s, though root runs the daemon',
  'chown',
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-notes-'));
    const notes = join(directory, 'infoblox.owed');
    mkdirSync(notes);
    chownSync(notes, 0, 65534);
    chmodSync(notes, 0o2770);
    try {
      await prepareSocket(directory, 'infoblox');
      expect(statSync(notes).mode & 0o7777).toBe(0o2770);
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
);

test('the socket of a live daemon is not taken', async () => {
  const file = await prepareSocket(socketDir, 'infoblox');
  await listen(file);
  await expect(prepareSocket(socketDir, 'infoblox')).rejects.toThrow(
    new Error(`another daemon listens at ${file}. Stop it, or use another --driver-name or --socket-dir.`),
  );
  await expect(makeRoom(file)).rejects.toThrow(/another daemon listens/);
  expect(existsSync(file)).toBe(true);
  await expect(prepareSocket(socketDir, 'other')).resolves.toBe(join(socketDir, 'other.sock'));
});

test('what is in the way and cannot be asked is told as what it is, and stays', async () => {
  mkdirSync(socketDir, { recursive: true });
  const file = join(socketDir, 'infoblox.sock');
  symlinkSync('infoblox.sock', file);
  const attempt = prepareSocket(socketDir, 'infoblox');
  await expect(attempt).rejects.toThrow(StartError);
  await expect(attempt).rejects.toThrow(
    /^cannot tell whether another daemon listens at \S+\/infoblox\.sock \(ELOOP\)\. .*--socket-dir\.$/,
  );
  expect(lstatSync(file).isSymbolicLink()).toBe(true);
});

test.each([
  [
    'the socket of a dead daemon',
    async (file: string) => {
      // Renamed, so that closing does not remove it: what a daemon leaves that was killed.
      await listen(`${file}.first`);
      renameSync(`${file}.first`, file);
      await new Promise((resolve) => listener?.close(resolve));
      listener = undefined;
      expect(statSync(file).isSocket()).toBe(true);
    },
  ],
  ['a file that is no socket', async (file: string) => writeFileSync(file, '')],
])('%s is replaced', async (_, leave) => {
  mkdirSync(socketDir, { recursive: true });
  await leave(join(socketDir, 'infoblox.sock'));
  const file = await prepareSocket(socketDir, 'infoblox');
  // Not before the daemon has the state: another one that starts now may be the one that listens.
  expect(existsSync(file)).toBe(true);
  await makeRoom(file);
  expect(existsSync(file)).toBe(false);
});

test.each([
  ['under a file', () => join(directory, 'file', 'cni')],
  ['where nothing can be made', () => '/sys/infoblox-cni'],
])('a directory %s is a start error that names the flag', async (_, place) => {
  writeFileSync(join(directory, 'file'), '');
  const attempt = prepareSocket(place(), 'infoblox');
  await expect(attempt).rejects.toThrow(StartError);
  await expect(attempt).rejects.toThrow(/^cannot use --socket-dir \S+: E/);
});
