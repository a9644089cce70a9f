/**
 * The socket's place in the file system: a live daemon's is never taken, a dead one's is replaced. It is looked at first, so
 * that a second daemon fails at once, and replaced only by the daemon that has the state.
 */
import { chmodSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { errnoOf, messageOf } from '../../../errno.ts';
import { makeDirectory, UntrustedPath } from '../../../files/trusted-path.ts';
import { owedDir, socketFile } from '../../protocol.ts';
import { StartError } from '../start-error.ts';

/** Files in such a directory get its group. */
const setgid = 0o2000;

/**
 * Makes the directory and makes sure that the socket's place in it may be taken.
 * @returns the socket's path
 * @throws StartError if another daemon listens there, or the directory cannot be used
 */
export async function prepareSocket(socketDir: string, driverName: string): Promise<string> {
  const file = socketFile(socketDir, driverName);
  try {
    makeDirectory(socketDir, 0o755);
    const notes = owedDir(socketDir, driverName);
    makeDirectory(notes, 0o700, 'group');
    // They hold network configurations. One that tmpfiles.d has made for a service with a user of its own is left to its group.
    if ((statSync(notes).mode & setgid) === 0) chmodSync(notes, 0o700);
    await refuseLive(file);
    return file;
  } catch (error) {
    if (error instanceof StartError) throw error;
    if (error instanceof UntrustedPath) {
      const fix = `run ${error.hint}, or use a directory that only root can change`;
      throw new StartError(`cannot use --socket-dir ${socketDir}: ${error.message}`, fix);
    }
    throw new StartError(`cannot use --socket-dir ${socketDir}: ${messageOf(error)}`);
  }
}

/**
 * Removes what a dead daemon left in the socket's place. To be called right before listening, by the daemon that has the
 * state: of two that start at the same instant the other one has removed nothing by then.
 * @throws StartError if another daemon listens there by now
 */
export async function makeRoom(file: string): Promise<void> {
  await refuseLive(file);
  rmSync(file, { force: true });
}

/** Lets only root call: the daemon acts with the grid's credentials for its callers. */
export function protectSocket(file: string): void {
  chmodSync(file, 0o600);
}

const elsewhere = 'use another --driver-name or --socket-dir';

async function refuseLive(file: string): Promise<void> {
  const code = await connectErrorAt(file);
  // Nothing there, or no listener. ECONNREFUSED also stands for a file that is no socket.
  if (code === 'ENOENT' || code === 'ECONNREFUSED') return;
  // EAGAIN: its queue is full.
  if (code === undefined || code === 'EAGAIN') {
    throw new StartError(`another daemon listens at ${file}`, `stop it, or ${elsewhere}`);
  }
  throw new StartError(
    `cannot tell whether another daemon listens at ${file} (${code})`,
    `look what is there, or ${elsewhere}`,
  );
}

/** Returns the code of the error that a connection there ends with; undefined if it is accepted. */
function connectErrorAt(file: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(file);
    const end = (code?: string) => {
      socket.destroy();
      resolve(code);
    };
    socket.on('connect', () => end());
    socket.on('error', (error) => end(errnoOf(error) ?? error.message));
  });
}
