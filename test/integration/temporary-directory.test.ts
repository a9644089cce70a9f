/** An interrupted test run, for example by Ctrl-C, leaves neither files nor daemons. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { until } from '../fixture/host.ts';

const root = join(import.meta.dirname, '../..');
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'cut-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

function processesThatUseIt(): string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      return command.includes(directory) ? [command] : [];
    } catch {
      return []; // The process has ended in between.
    }
  });
}

test.each(['SIGINT', 'SIGTERM'] as const)('%s leaves nothing behind', async (signal) => {
  const args = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', 'test/e2e/daemon-life.test.ts'];
  const run = spawn(process.execPath, args, {
    cwd: root,
    env: { PATH: process.env.PATH, TMPDIR: directory },
    stdio: 'ignore',
  });
  try {
    await until('a daemon runs', () => processesThatUseIt().some((line) => line.includes('cni-daemon ')));
    run.kill(signal);
    await once(run, 'exit');
    expect(readdirSync(directory)).toEqual([]);
    expect(processesThatUseIt()).toEqual([]);
  } finally {
    run.kill('SIGKILL');
  }
});
