import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { leaveReleaseNote, leaveUnansweredNote } from '../../../src/modes/plugin/leave-note.ts';
import { type Call, owedDir, protocolVersion, socketFile } from '../../../src/modes/protocol.ts';
import { isDraft, maxNoteBytes, maxNotes, noteName } from '../../../src/modes/release-note.ts';
import { rootTest } from '../../reliability/root.ts';

const standard = vi.hoisted(() => ({ socketDir: '' }));
vi.mock(import('../../../src/modes/plugin/process.ts'), async (original) => ({
  ...(await original()),
  ownName: () => 'infoblox',
}));
vi.mock(import('node:fs'), async (original) => {
  const real = await original();
  return { ...real, existsSync: vi.fn(real.existsSync), renameSync: vi.fn(real.renameSync) };
});
vi.mock(import('../../../src/modes/protocol.ts'), async (original) => {
  const real = await original();
  return Object.defineProperty({ ...real }, 'defaultSocketDir', { get: () => standard.socketDir });
});

let directory: string;

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'infoblox-cni-note-'));
  standard.socketDir = join(directory, 'run');
});
afterEach(() => {
  vi.mocked(fs.existsSync).mockReset();
  vi.mocked(fs.renameSync).mockReset();
  fs.rmSync(directory, { recursive: true });
});

const call = (more: Partial<Call> = {}): Call => ({
  protocol: protocolVersion,
  release: 'test',
  callId: '0123456789abcdef',
  containerId: 'c1',
  ifName: 'eth0',
  netns: '/run/netns/c1',
  args: 'K8S_POD_NAME=p',
  config: {
    cniVersion: '1.1.0',
    name: 'net-1',
    ipam: { type: 'infoblox', 'network-view': 'v', subnet: '10.0.0.0/24', routes: [] },
  },
  ...more,
});
const place = (socketDir: string) => ({ socketDir, driverName: 'infoblox' });
const leave = (socketDir: string, more: Partial<Call> = {}) => leaveReleaseNote(place(socketDir), 'net-1', call(more));
const notes = (socketDir: string) => fs.readdirSync(owedDir(socketDir, 'infoblox'));

test('a note is there, whole and under its name, and has what the daemon reads of it', () => {
  leave(standard.socketDir);
  leaveUnansweredNote(place(standard.socketDir), call());
  const name = noteName('net-1', 'c1', 'eth0');
  expect(notes(standard.socketDir).sort()).toEqual(['0123456789abcdef.unanswered', name].sort());
  const text = fs.readFileSync(join(owedDir(standard.socketDir, 'infoblox'), name), 'utf8');
  const config = { cniVersion: '1.1.0', name: 'net-1', ipam: { type: 'infoblox', 'network-view': 'v' } };
  expect(JSON.parse(text)).toMatchObject({ method: 'DEL', params: { ...call(), netns: '', args: '', config } });
  expect(text).not.toContain('10.0.0.0/24');
});

describe('the author of a network configuration', () => {
  test('has nothing made in a directory that no daemon has used', () => {
    const before = fs.readdirSync(directory);
    for (const socketDir of [directory, join(directory, 'absent')]) {
      expect(() => leave(socketDir)).toThrow(`no daemon called infoblox has used ${socketDir}`);
    }
    expect(fs.readdirSync(directory)).toEqual(before);
  });

  test('has no directory made under a name that is not the plugin’s own', () => {
    leave(standard.socketDir);
    const other = { socketDir: standard.socketDir, driverName: 'another' };
    expect(() => leaveReleaseNote(other, 'net-1', call())).toThrow('no daemon called another has used');
    expect(fs.readdirSync(standard.socketDir)).toEqual(['infoblox.owed']);
  });

  test.each([
    ['its notes', () => fs.mkdirSync(owedDir(directory, 'infoblox'))],
    ['its socket', () => fs.writeFileSync(socketFile(directory, 'infoblox'), '')],
  ])('has notes where a daemon has left %s', (_, begin) => {
    begin();
    leave(directory);
    expect(notes(directory)).toHaveLength(1);
  });

  test('has no note that is longer than one can be', () => {
    const config = { name: 'net-1', ipam: { type: 'infoblox', 'network-view': 'x'.repeat(maxNoteBytes) } };
    expect(() => leave(standard.socketDir, { config })).toThrow(`its note is longer than ${maxNoteBytes} bytes`);
    expect(notes(standard.socketDir)).toEqual([]);
  });

  test('has no more notes than may be; one that is there is written again', () => {
    leave(standard.socketDir);
    for (let index = 1; index < maxNotes; index += 1) {
      fs.writeFileSync(join(owedDir(standard.socketDir, 'infoblox'), `${index}.json`), '');
    }
    leave(standard.socketDir);
    expect(() => leave(standard.socketDir, { containerId: 'c2' })).toThrow(`has ${maxNotes} files already`);
    expect(() => leaveUnansweredNote(place(standard.socketDir), call())).toThrow(`has ${maxNotes} files already`);
    expect(notes(standard.socketDir)).toHaveLength(maxNotes);
  });
});

test('a plugin that makes the directories at the same moment is no trouble', () => {
  // As it looks to a plugin that has looked for them before the other one made them.
  vi.mocked(fs.existsSync).mockReturnValue(false);
  fs.mkdirSync(standard.socketDir);
  leave(standard.socketDir);
  leave(standard.socketDir);
  expect(notes(standard.socketDir)).toEqual([noteName('net-1', 'c1', 'eth0')]);
});

test('what cannot be put in its place is no half a note either', () => {
  vi.mocked(fs.renameSync).mockImplementation(() => {
    throw new Error('read-only file system');
  });
  expect(() => leave(standard.socketDir)).toThrow('read-only file system');
  expect(notes(standard.socketDir)).toEqual([]);
});

rootTest('where there is no room for it, it says so and leaves nothing', 'a small file system', async () => {
  const small = fs.mkdtempSync(join(tmpdir(), 'infoblox-cni-small-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=0755', 'small', small]);
  try {
    standard.socketDir = small;
    leave(small);
    expect(() => fs.writeFileSync(join(small, 'full'), Buffer.alloc(65_536))).toThrow('ENOSPC');
    expect(() => leave(small, { containerId: 'c2' })).toThrow('ENOSPC');
    expect(notes(small)).toEqual([noteName('net-1', 'c1', 'eth0')]);
    const text = fs.readFileSync(join(owedDir(small, 'infoblox'), noteName('net-1', 'c1', 'eth0')), 'utf8');
    expect(JSON.parse(text)).toEqual(expect.objectContaining({ method: 'DEL' }));
  } finally {
    execFileSync('umount', [small]);
    fs.rmdirSync(small);
  }
});

test('a draft is told from a note', () => {
  const name = noteName('net-1', 'c1', 'eth0');
  expect([`.${name}.17`, name, `${name}.unreadable`, '.hidden'].map(isDraft)).toEqual([true, false, false, false]);
});
