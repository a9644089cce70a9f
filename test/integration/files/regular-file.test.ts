/** Another user may plant links, FIFOs and devices under a file's name. None of them is read or written. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { IrregularFile, readRegularFile, writeRegularFile } from '../../../src/files/regular-file.ts';

const service = 991;
let directory: string;
let file: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-regular-file-'));
  file = join(directory, 'file');
  writeFileSync(file, 'text', { mode: 0o600 });
});
afterEach(() => rmSync(directory, { recursive: true }));

const read = (maxBytes = 100) => readRegularFile(file, { maxBytes, user: service })?.bytes.toString();

test('a file of the reader is read up to the limit, and a missing one is undefined', () => {
  expect(read(4)).toBe('text');
  expect(() => read(3)).toThrow(new IrregularFile('it has 4 bytes, more than 3'));
  rmSync(file);
  expect(read()).toBeUndefined();
});

test.each<[string, RegExp, () => void]>([
  ['a file that others can write to', /is writable by users other than root/, () => chmodSync(file, 0o622)],
  ['a file of a terabyte', /has 1099511627776 bytes/, () => truncateSync(file, 2 ** 40)],
  ['a hard link to a file', /has 2 names/, () => linkSync(file, join(directory, 'other'))],
  ['a link to a file', /is a symbolic link/, () => replaceBy(() => symlinkSync('/etc/passwd', file))],
  ['a link to a device without end', /is a symbolic link/, () => replaceBy(() => symlinkSync('/dev/zero', file))],
  ['a pipe that nobody writes to', /not a regular file/, () => replaceBy(() => execFileSync('mkfifo', [file]))],
  ['a directory', /not a regular file/, () => replaceBy(() => mkdirSync(file))],
])('%s is refused without waiting', (_, reason, plant) => {
  plant();
  expect(() => read()).toThrow(IrregularFile);
  expect(() => read()).toThrow(reason);
});

test('a written file is readable by its owner alone, or keeps its former mode', () => {
  writeRegularFile(file, 'newer');
  expect([read(), modeOf(file)]).toEqual(['newer', 0o600]);
  chmodSync(file, 0o640);
  writeRegularFile(file, 'new');
  expect([read(), modeOf(file)]).toEqual(['new', 0o640]);
  rmSync(file);
  const umask = process.umask(0);
  writeRegularFile(file, 'first');
  process.umask(umask);
  expect([read(), modeOf(file)]).toEqual(['first', 0o600]);
});

test.each<[string, () => void]>([
  ['a link to a file', () => replaceBy(() => symlinkSync(join(directory, 'secret'), file))],
  ['a link to nothing', () => replaceBy(() => symlinkSync(join(directory, 'absent'), file))],
  ['a hard link to a file', () => replaceBy(() => linkSync(join(directory, 'secret'), file))],
  ['a pipe that nobody reads', () => replaceBy(() => execFileSync('mkfifo', [file]))],
  ['a directory', () => replaceBy(() => mkdirSync(file))],
])('%s is not written to', (_, plant) => {
  writeFileSync(join(directory, 'secret'), 'secret');
  plant();
  expect(() => writeRegularFile(file, 'new')).toThrow();
  expect(readFileSync(join(directory, 'secret'), 'utf8')).toBe('secret');
  expect(existsSync(join(directory, 'absent'))).toBe(false);
});

test('a socket is refused', async () => {
  rmSync(file);
  const server = createServer().listen(file);
  await new Promise((resolve) => server.once('listening', resolve));
  expect(() => read()).toThrow(IrregularFile);
  expect(() => writeRegularFile(file, 'new')).toThrow(IrregularFile);
  server.close();
});

const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stderr.write('NOT TESTED: owners of files - needs root for files of another user\n');

test.runIf(isRoot)(
  'a file of the service is read if the service may own it, and a file of another user is refused',
  () => {
    chownSync(file, service, service);
    expect(read()).toBe('text');
    chownSync(file, service + 1, service);
    const refusal = new IrregularFile(`it belongs to uid ${service + 1}, not to root`);
    expect(() => read()).toThrow(refusal);
    expect(() => writeRegularFile(file, 'new')).toThrow(refusal);
  },
);

test.runIf(isRoot)('if an owner is given, files of all other users are refused, even those of the reader', () => {
  chownSync(file, service, service);
  expect(readRegularFile(file, { maxBytes: 100, owner: service })?.bytes.toString()).toBe('text');
  expect(() => readRegularFile(file, { maxBytes: 100, owner: 0 })).toThrow(/belongs to uid/);
});

function modeOf(path: string): number {
  return statSync(path).mode & 0o777;
}

function replaceBy(make: () => void): void {
  rmSync(file);
  make();
}
