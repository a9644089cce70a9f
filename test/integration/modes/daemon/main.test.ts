/** The entry point as a process of its own: an internal error. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Host, until } from '../../../fixture/host.ts';
import { type Grid, startGrid } from '../../../simulator/grid.ts';

const entry = join(import.meta.dirname, '../../../../src/modes/daemon/main.ts');
/** Code that makes the program fail on a signal. */
const fault = 'process.on("SIGUSR2", () => { Promise.reject(new Error("a fault")); });';

let grid: Grid;
let host: Host;
let child: ChildProcess;
let log: string;

beforeEach(async () => {
  grid = await startGrid();
  // This host is never started: it only makes the calls.
  host = new Host(grid);
  log = '';
  const args = ['--disable-warning=ExperimentalWarning', '--import', `data:text/javascript,${fault}`, entry];
  child = spawn(process.execPath, [...args, ...host.flags], { stdio: ['ignore', 'ignore', 'pipe'] });
  child.stderr?.setEncoding('utf8').on('data', (text) => {
    log += text;
  });
  await until('it listens', () => log.includes('listening'));
});
afterEach(async () => {
  if (child.exitCode === null && child.signalCode === null) {
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }
  await host.dispose();
  await grid.stop();
});

test('an internal error is one line of the log before the exit with status 1', async () => {
  const exit = once(child, 'close');
  child.kill('SIGUSR2');
  expect(await exit).toEqual([1, null]);
  expect(JSON.parse(log.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({
    level: 'error',
    message: 'internal error, exiting',
    error: 'a fault',
    stack: expect.stringContaining('Error: a fault\n'),
  });
});
