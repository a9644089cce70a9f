/** The state in a support bundle. The service's user may plant any file in its directory. */
import { execFileSync } from 'node:child_process';
import { lchownSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { stateFiles } from '../../../../../src/modes/operator/bundle/sources.ts';
import { CommandError } from '../../../../../src/modes/operator/command-error.ts';
import { rootTest } from '../../../../fixture/root.ts';

let directory: string;
let state: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-state-items-'));
  state = join(directory, 'state.db');
});
afterEach(() => rmSync(directory, { recursive: true }));

test.each<[string, RegExp, () => void]>([
  ['a link to another file', /is a symbolic link/, () => symlinkSync(join(directory, 'secret'), state)],
  ['a pipe that nobody writes to', /not a regular file/, () => execFileSync('mkfifo', [state])],
  [
    'a link beside it',
    /state\.db-wal: it is a symbolic link/,
    () => {
      writeFileSync(state, 'the state');
      symlinkSync(join(directory, 'secret'), `${state}-wal`);
    },
  ],
])('%s is not read, and does not block', (_, reason, plant) => {
  writeFileSync(join(directory, 'secret'), 'root:secret');
  plant();
  expect(() => stateFiles(directory)).toThrow(reason);
  expect(() => stateFiles(directory)).toThrow(CommandError);
});

rootTest('a directory behind a link of the service’s user is not entered', 'root', async () => {
  writeFileSync(state, 'the state');
  const link = join(directory, 'link');
  symlinkSync(directory, link);
  lchownSync(link, 4242, 4242);
  expect(() => stateFiles(link)).toThrow('belongs to uid 4242');
  expect(() => stateFiles(link)).toThrow(CommandError);
});
