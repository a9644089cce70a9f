/** One directory for all temporary files of a test run, so that an interrupted run leaves nothing, either. */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';

/** Sets the variable. vitest calls this before it starts the workers, which inherit it. */
export function setup(): void {
  // The name is short, as it becomes a part of paths of unix sockets, which have at most 107 bytes.
  const directory = mkdtempSync(join(tmpdir(), 'icni-'));
  chmodSync(directory, 0o711); // Some programs run as the user `nobody`.
  process.env.TMPDIR = directory;
  process.once('exit', () => {
    endUsers(directory);
    rmSync(directory, { recursive: true, force: true });
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => process.exit(128 + constants.signals[signal]));
  }
}

/**
 * Ends the processes that an interrupted run leaves: workers, and the daemons of their tests. All have the directory's unique
 * name in their environment or arguments, and would make files in it until their end.
 */
function endUsers(directory: string): void {
  for (let tries = 0; tries < 200; tries++) {
    const users = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && uses(Number(pid), directory));
    if (users.length === 0) return;
    for (const pid of users) end(Number(pid));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10); // They need a moment to end.
  }
}

function uses(pid: number, directory: string): boolean {
  if (pid === process.pid) return false;
  try {
    return ['environ', 'cmdline'].some((file) => readFileSync(`/proc/${pid}/${file}`, 'utf8').includes(directory));
  } catch {
    return false; // The process has ended, or belongs to another user.
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // The process has ended.
  }
}
