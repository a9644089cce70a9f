import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { leaveReleaseNote } from '../../../src/modes/plugin/leave-note.ts';
import { type Call, owedDir, protocolVersion } from '../../../src/modes/protocol.ts';
import { isDraft, noteName } from '../../../src/modes/release-note.ts';
import { rootTest } from '../../reliability/root.ts';

vi.mock(import('node:fs'), async (original) => {
  const real = await original();
  return { ...real, existsSync: vi.fn(real.existsSync), renameSync: vi.fn(real.renameSync) };
});

let directory: string;

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'infoblox-cni-note-'));
});
afterEach(() => {
  vi.mocked(fs.existsSync).mockReset();
  vi.mocked(fs.renameSync).mockReset();
  fs.rmSync(directory, { recursive: true });
});

const call = (padding = ''): Call => ({
  ...{
    protocol: protocolVersion,
    release: 'test',
    callId: 'a1b2c3d4',
    containerId: 'c1',
    ifName: 'eth0',
    netns: '',
    args: '',
  },
  config: { name: 'net-1', padding },
});
const leave = (socketDir: string, padding = '') =>
  leaveReleaseNote({ socketDir, driverName: 'infoblox' }, 'net-1', call(padding));
const notes = (socketDir: string) => fs.readdirSync(owedDir(socketDir, 'infoblox'));

test('a note is there, whole and under its name', () => {
  const socketDir = join(directory, 'run');
  leave(socketDir);
  const name = noteName('net-1', 'c1', 'eth0');
  expect(notes(socketDir)).toEqual([name]);
  const text = fs.readFileSync(join(owedDir(socketDir, 'infoblox'), name), 'utf8');
  expect(JSON.parse(text)).toMatchObject({ method: 'DEL', params: call() });
});

test('a plugin that makes the directories at the same moment is no trouble', () => {
  // As it looks to a plugin that has looked for them before the other one made them.
  vi.mocked(fs.existsSync).mockReturnValue(false);
  leave(directory);
  leave(directory);
  expect(notes(directory)).toEqual([noteName('net-1', 'c1', 'eth0')]);
});

test('what cannot be put in its place is no half a note either', () => {
  vi.mocked(fs.renameSync).mockImplementation(() => {
    throw new Error('read-only file system');
  });
  expect(() => leave(directory)).toThrow('read-only file system');
  expect(notes(directory)).toEqual([]);
});

rootTest(
  'where there is room for a part of it only, it says so and leaves nothing',
  'a small file system',
  async () => {
    const small = fs.mkdtempSync(join(tmpdir(), 'infoblox-cni-small-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=0755', 'small', small]);
    try {
      leave(small);
      expect(() => leave(small, 'x'.repeat(100_000))).toThrow('ENOSPC');
      expect(notes(small)).toEqual([noteName('net-1', 'c1', 'eth0')]);
      expect(
        JSON.parse(fs.readFileSync(join(owedDir(small, 'infoblox'), noteName('net-1', 'c1', 'eth0')), 'utf8')),
      ).toEqual(expect.objectContaining({ method: 'DEL' }));
    } finally {
      execFileSync('umount', [small]);
      fs.rmdirSync(small);
    }
  },
);

test('a draft is told from a note', () => {
  const name = noteName('net-1', 'c1', 'eth0');
  expect([`.${name}.17`, name, `${name}.unreadable`, '.hidden'].map(isDraft)).toEqual([true, false, false, false]);
});
