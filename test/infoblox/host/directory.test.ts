import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeDirectory } from '../../../src/infoblox/host/directory.ts';

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'infoblox-cni-directory-'));
});
afterEach(() => rmSync(base, { recursive: true }));

test('is made with all that is missing above it, whatever the umask', () => {
  const umask = process.umask(0o777);
  try {
    makeDirectory(join(base, 'a/b'), 0o700);
  } finally {
    process.umask(umask);
  }
  expect(statSync(join(base, 'a/b')).mode & 0o777).toBe(0o700);
  expect(statSync(join(base, 'a')).mode & 0o777).toBe(0o755);
});

test('a file in its place is named', () => {
  const file = join(base, 'state');
  writeFileSync(file, '');
  expect(() => makeDirectory(file, 0o700)).toThrow(`${file} is not a directory`);
});
