/** The state in a support bundle, in a directory where the service's user can plant what he likes. */
import { execFileSync } from 'node:child_process';
import { lchownSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { stateFacts, stateFiles } from '../../../../../src/modes/operator/bundle/state.ts';
import { CommandError } from '../../../../../src/modes/operator/command-error.ts';
import { rootTest } from '../../../../fixture/root.ts';

let directory: string;
let state: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-state-items-'));
  state = join(directory, 'state.db');
});
afterEach(() => rmSync(directory, { recursive: true }));

function makeState(sql: string): void {
  const database = new DatabaseSync(state);
  database.exec(sql);
  database.close();
}

test('its leases are counted by phase, and what else is in it stays out', () => {
  makeState("CREATE TABLE lease (mark, phase); INSERT INTO lease VALUES ('m', 'bound'), ('n', 'secret')");
  expect(stateFacts(directory)).toEqual({
    schemaVersion: 0,
    integrity: 'ok',
    rows: { lease: 2 },
    leases: { pending: 0, bound: 1, releasing: 0 },
  });
});

test('a view without end in the place of a table is not asked', () => {
  makeState('CREATE VIEW lease AS WITH RECURSIVE r(phase) AS (SELECT 1 UNION ALL SELECT 1 FROM r) SELECT phase FROM r');
  expect(stateFacts(directory)).toMatchObject({ rows: {}, leases: null });
});

test.each<[string, RegExp, () => void]>([
  ['a link to another file', /is a symbolic link/, () => symlinkSync(join(directory, 'secret'), state)],
  ['a pipe that nobody writes to', /not a regular file/, () => execFileSync('mkfifo', [state])],
  [
    'a link beside it',
    /state\.db-wal: it is a symbolic link/,
    () => {
      makeState('CREATE TABLE lease (phase)');
      symlinkSync(join(directory, 'secret'), `${state}-wal`);
    },
  ],
])('%s is neither read nor waited for', (_, reason, plant) => {
  writeFileSync(join(directory, 'secret'), 'root:secret');
  plant();
  expect(() => stateFacts(directory)).toThrow(reason);
  expect(() => stateFiles(directory)).toThrow(CommandError);
});

rootTest('a directory behind a link of the service’s user is not entered', 'root', async () => {
  makeState('CREATE TABLE lease (phase)');
  const link = join(directory, 'link');
  symlinkSync(directory, link);
  lchownSync(link, 4242, 4242);
  expect(() => stateFacts(link)).toThrow('belongs to uid 4242');
  expect(() => stateFiles(link)).toThrow(CommandError);
});
