import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { leaveNote } from '../../../../src/modes/plugin/leave-note.ts';
import { type Call, owedDir, protocolVersion, socketFile } from '../../../../src/modes/protocol.ts';
import { isNote, maxNoteBytes, maxNotes, noteName } from '../../../../src/modes/release-note.ts';
import { rootTest } from '../../../fixture/root.ts';

let directory: string;
/** Stands for /run/cni. */
let standard: string;

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'infoblox-cni-note-'));
  standard = join(directory, 'run');
});
afterEach(() => fs.rmSync(directory, { recursive: true }));

/** Replaces a function of the file system while a test runs. */
function replace<Name extends 'existsSync' | 'renameSync'>(name: Name, replacement: (typeof fs)[Name]): void {
  const spy = vi.spyOn(fs, name).mockImplementation(replacement as never);
  syncBuiltinESMExports();
  onTestFinished(() => {
    spy.mockRestore();
    syncBuiltinESMExports();
  });
}

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
const place = (socketDir: string, driverName = 'infoblox') => {
  return { socketDir, driverName, own: { socketDir: standard, driverName: 'infoblox' } };
};
const leave = (socketDir: string, more: Partial<Call> = {}) => leaveNote(place(socketDir), 'DEL', call(more));
const notes = (socketDir: string) => fs.readdirSync(owedDir(socketDir, 'infoblox'));

test('a note is complete under its name, and has what the daemon reads', () => {
  leave(standard);
  leaveNote(place(standard), 'ADD', call());
  const name = noteName('net-1', 'c1', 'eth0');
  expect(notes(standard).sort()).toEqual(['0123456789abcdef.unanswered', name].sort());
  const text = fs.readFileSync(join(owedDir(standard, 'infoblox'), name), 'utf8');
  const config = { cniVersion: '1.1.0', name: 'net-1', ipam: { type: 'infoblox', 'network-view': 'v' } };
  expect(JSON.parse(text)).toMatchObject({ method: 'DEL', params: { ...call(), netns: '', args: '', config } });
  expect(text).not.toContain('10.0.0.0/24');
});

describe('the author of a network configuration', () => {
  test('cannot make files in a directory that no daemon has used', () => {
    const before = fs.readdirSync(directory);
    for (const socketDir of [directory, join(directory, 'absent')]) {
      expect(() => leave(socketDir)).toThrow(`no daemon called infoblox has used ${socketDir}`);
    }
    expect(fs.readdirSync(directory)).toEqual(before);
  });

  test('cannot make a directory under a name that is not the plugin’s own', () => {
    leave(standard);
    expect(() => leaveNote(place(standard, 'another'), 'DEL', call())).toThrow('no daemon called another has used');
    expect(fs.readdirSync(standard)).toEqual(['infoblox.owed']);
  });

  test.each([
    ['its notes', () => fs.mkdirSync(owedDir(directory, 'infoblox'))],
    ['its socket', () => fs.writeFileSync(socketFile(directory, 'infoblox'), '')],
  ])('gets notes where a daemon has left %s', (_, begin) => {
    begin();
    leave(directory);
    expect(notes(directory)).toHaveLength(1);
  });

  test('gets no note above the maximum length', () => {
    const config = { name: 'net-1', ipam: { type: 'infoblox', 'network-view': 'x'.repeat(maxNoteBytes) } };
    expect(() => leave(standard, { config })).toThrow(`its note is longer than ${maxNoteBytes} bytes`);
    expect(notes(standard)).toEqual([]);
  });

  test('gets no more notes than the maximum, but can write an existing one again', () => {
    leave(standard);
    for (let index = 1; index < maxNotes; index += 1) {
      fs.writeFileSync(join(owedDir(standard, 'infoblox'), `${index}.json`), '');
    }
    leave(standard);
    expect(() => leave(standard, { containerId: 'c2' })).toThrow(`has ${maxNotes} files already`);
    expect(() => leaveNote(place(standard), 'ADD', call())).toThrow(`has ${maxNotes} files already`);
    expect(notes(standard)).toHaveLength(maxNotes);
  });
});

test('plugins may make the directories at the same moment', () => {
  // This plugin looked before the other one made the directories.
  replace('existsSync', () => false);
  fs.mkdirSync(standard);
  leave(standard);
  leave(standard);
  expect(notes(standard)).toEqual([noteName('net-1', 'c1', 'eth0')]);
});

test('a note that cannot be moved to its place leaves no half of it', () => {
  replace('renameSync', () => {
    throw new Error('read-only file system');
  });
  expect(() => leave(standard)).toThrow('read-only file system');
  expect(notes(standard)).toEqual([]);
});

rootTest(
  'a note without space on the disk fails with the reason and leaves nothing',
  'a small file system',
  async () => {
    const small = fs.mkdtempSync(join(tmpdir(), 'infoblox-cni-small-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=0755', 'small', small]);
    try {
      standard = small;
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
  },
);

test('a note is distinguished from unfinished ones and from those set aside', () => {
  const name = noteName('net-1', 'c1', 'eth0');
  expect([`.${name}.17`, name, `${name}.unreadable`, '.hidden'].map(isNote)).toEqual([false, true, false, false]);
});
