/** One directory for all that a run of the tests puts into temporary ones, so that a run that is broken off leaves nothing, either. */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';

/** Run by vitest before it starts the workers, which inherit the variable. */
export function setup(): void {
  // A short name: it becomes a part of paths of unix sockets, which hold 107 bytes.
  const directory = mkdtempSync(join(tmpdir(), 'icni-'));
  chmodSync(directory, 0o711); // some programs are run as nobody
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
 * Ends what a run that is broken off leaves running: workers, and the daemons that their tests have started. All have the
 * directory's name, which is unique, in their environment or arguments; until they are gone they would make files in it.
 */
function endUsers(directory: string): void {
  for (let tries = 0; tries < 200; tries++) {
    const users = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && uses(Number(pid), directory));
    if (users.length === 0) return;
    for (const pid of users) end(Number(pid));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10); // they take a moment to go
  }
}

function uses(pid: number, directory: string): boolean {
  if (pid === process.pid) return false;
  try {
    return ['environ', 'cmdline'].some((file) => readFileSync(`/proc/${pid}/${file}`, 'utf8').includes(directory));
  } catch {
    return false; // gone meanwhile, or somebody else's
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone meanwhile.
  }
}
