import {
  chmodSync,
  chownSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { copyDurably, linkDurably, removeDrafts, writeDurably } from '../../../src/files/durable-file.ts';
import { rootTest } from '../../fixture/root.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-durable-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const at = (name: string) => join(directory, name);

test('a text and a copy get their mode whatever the umask, and no other file remains', () => {
  writeFileSync(at('source'), 'a program', { mode: 0o600 });
  const umask = process.umask(0o077);
  try {
    writeDurably({ directory, name: 'text', mode: 0o644 }, 'one');
    copyDurably({ directory, name: 'copy', mode: 0o755 }, at('source'));
  } finally {
    process.umask(umask);
  }
  expect([readFileSync(at('text'), 'utf8'), statSync(at('text')).mode & 0o7777]).toEqual(['one', 0o644]);
  expect([readFileSync(at('copy'), 'utf8'), statSync(at('copy')).mode & 0o7777]).toEqual(['a program', 0o755]);
  expect(readdirSync(directory).sort()).toEqual(['copy', 'source', 'text']);
});

rootTest('a file in a setgid directory gets the group of the directory', 'other groups', async () => {
  const group = 65_534;
  chownSync(directory, 0, group);
  chmodSync(directory, 0o2770);
  writeDurably({ directory, name: 'text', mode: 0o640 }, 'one');
  expect([statSync(at('text')).gid, statSync(at('text')).mode & 0o7777]).toEqual([group, 0o640]);
});

test('a link of that name is replaced, and its target is not touched', () => {
  writeFileSync(at('elsewhere'), 'of somebody else');
  writeFileSync(at('source'), 'new');
  for (const name of ['text', 'copy', 'link']) symlinkSync('elsewhere', at(name));
  writeDurably({ directory, name: 'text', mode: 0o600 }, 'new');
  copyDurably({ directory, name: 'copy', mode: 0o600 }, at('source'));
  linkDurably({ directory, name: 'link' }, 'source');
  expect(readFileSync(at('elsewhere'), 'utf8')).toBe('of somebody else');
  expect(['text', 'copy'].map((name) => readFileSync(at(name), 'utf8'))).toEqual(['new', 'new']);
  expect(readlinkSync(at('link'))).toBe('source');
});

test('a failure keeps the former file and removes the draft', () => {
  writeFileSync(at('copy'), 'former');
  expect(() => copyDurably({ directory, name: 'copy', mode: 0o755 }, at('absent'))).toThrow('ENOENT');
  expect(readFileSync(at('copy'), 'utf8')).toBe('former');
  expect(readdirSync(directory)).toEqual(['copy']);
});

test('old drafts of killed processes are removed, but neither young ones nor files that only look alike', () => {
  const hour = 3_600_000;
  const old = new Date(Date.now() - hour);
  const names = ['.plugin.0123456789abcdef', '.plugin.0123456789abcde', '.plugin.x.0123456789abcdef', 'plugin'];
  for (const name of names) {
    writeFileSync(at(name), '');
    utimesSync(at(name), old, old);
  }
  writeFileSync(at('.plugin.fedcba9876543210'), '');
  removeDrafts({ directory, name: 'plugin' }, Date.now() - 60_000);
  expect(readdirSync(directory).sort()).toEqual([...names.slice(1), '.plugin.fedcba9876543210'].sort());
});
