/**
 * Creates and keeps the socket. The socket of a live daemon is never taken; that of a dead one is replaced by the daemon that has the state
 * open. A running daemon checks that its file still exists: if a clean-up of /run removes it, the kernel keeps the socket open, but plugins
 * can no longer connect.
 */
import { once } from 'node:events';
import { chmodSync, lstatSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { errnoOf, messageOf } from '../../../errno.ts';
import { makeDirectory, UntrustedPath } from '../../../files/trusted-path.ts';
import { type Clock, repeat } from '../../../infoblox/concurrency/clock.ts';
import type { Log } from '../../../infoblox/log.ts';
import { type DaemonPlace, owedDir, socketFile } from '../../protocol.ts';
import { StartError } from '../start-error.ts';
import type { CallServer } from './server.ts';

/** Files in a directory with this bit get its group. */
const setgid = 0o2000;
/** Interval of the check that the socket file exists. */
const lookIntervalMs = 5_000;
/** Attempts to listen again before the daemon exits. */
const maxAttempts = 3;

export interface SocketPlace extends DaemonPlace {
  /** Descriptor of a socket that systemd created and keeps during a restart of the daemon, so that calls wait. */
  readonly passedSocket?: number | undefined;
}

/**
 * Creates the directory and checks that no other daemon listens in it, so that a second daemon fails at once.
 * @throws StartError if another daemon listens there, or the directory cannot be used
 */
export async function prepareSocket({ socketDir, driverName }: SocketPlace): Promise<void> {
  try {
    makeDirectory(socketDir, 0o755);
    const notes = owedDir(socketDir, driverName);
    makeDirectory(notes, 0o700, 'group');
    // Notes contain network configurations. A directory that tmpfiles.d made for the service's own user keeps its group's access.
    if ((statSync(notes).mode & setgid) === 0) chmodSync(notes, 0o700);
    await refuseLive(socketFile(socketDir, driverName));
  } catch (error) {
    if (error instanceof StartError) throw error;
    const fix =
      error instanceof UntrustedPath ? `run ${error.hint}, or use a directory that only root can change` : undefined;
    throw new StartError(`cannot use --socket-dir ${socketDir}: ${messageOf(error)}`, fix);
  }
}

/**
 * Listens, for root alone: callers act with the grid's credentials. Of two daemons that start at the same time, only the one that has
 * locked the state gets here.
 * @throws StartError if it cannot listen, or another daemon does
 */
export async function listen(server: Pick<CallServer, 'listen'>, place: SocketPlace): Promise<void> {
  const file = socketFile(place.socketDir, place.driverName);
  if (place.passedSocket !== undefined) return listenOnPassed(server, file, place.passedSocket);
  try {
    await refuseLive(file);
    rmSync(file, { force: true });
    await server.listen({ path: file });
    chmodSync(file, 0o600);
  } catch (error) {
    throw error instanceof StartError ? error : new StartError(`cannot listen at ${file}: ${messageOf(error)}`);
  }
}

async function listenOnPassed(server: Pick<CallServer, 'listen'>, file: string, descriptor: number): Promise<void> {
  if (socketId(file) === undefined) {
    const fix = 'set ListenStream= of infoblox-cni.socket to that path, or correct --socket-dir and --driver-name';
    throw new StartError(`the socket that systemd has handed over is not at ${file}`, fix);
  }
  await server.listen({ fd: descriptor }).catch((error) => {
    throw new StartError(`cannot listen on the socket that systemd has handed over: ${messageOf(error)}`);
  });
}

interface SocketKeeper {
  readonly server: Pick<CallServer, 'listen'>;
  readonly place: SocketPlace;
  /** Called once, after the last failed attempt to listen again. */
  readonly onLost: (error: StartError) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** Checks periodically that the socket file is the one created, and recreates it if not. Ends with the signal. */
export function keepSocket({ server, place, onLost, clock, log }: SocketKeeper, signal: AbortSignal): Promise<void> {
  const file = socketFile(place.socketDir, place.driverName);
  let socket = socketId(file);
  let attempts = 0;
  return repeat(clock, { intervalMs: lookIntervalMs, signal }, async () => {
    const present = socketId(file);
    // It may have been removed before its first look.
    if (attempts >= maxAttempts || (present !== undefined && present === socket)) return;
    try {
      await listenAgain(server, place);
      socket = socketId(file);
      attempts = 0;
      const hint = 'find out what removes it; release notes beside it are lost, and GC releases their addresses';
      log.warn('the socket was removed or replaced; listening again', { file, hint });
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      attempts += 1;
      const reason = error.message;
      if (attempts === 1) {
        log.error('the socket was removed or replaced, and the daemon cannot listen again', { file, reason });
      }
      if (attempts === maxAttempts) onLost(error);
    }
  });
}

async function listenAgain(server: Pick<CallServer, 'listen'>, place: SocketPlace): Promise<void> {
  if (place.passedSocket !== undefined) {
    const file = socketFile(place.socketDir, place.driverName);
    throw new StartError(`systemd has to make ${file} again`, 'run systemctl restart infoblox-cni.socket');
  }
  await prepareSocket(place);
  await listen(server, place);
}

/** Identifies a socket file, with its time of birth because inodes are reused; undefined if there is none. */
function socketId(file: string): string | undefined {
  try {
    const entry = lstatSync(file, { bigint: true });
    return entry.isSocket() ? `${entry.dev} ${entry.ino} ${entry.birthtimeNs}` : undefined;
  } catch {
    return undefined;
  }
}

async function refuseLive(file: string): Promise<void> {
  const code = await connectErrorAt(file);
  // No file, or no listener. ECONNREFUSED also means that the file is not a socket.
  if (code === 'ENOENT' || code === 'ECONNREFUSED') return;
  const elsewhere = 'use another --driver-name or --socket-dir';
  // EAGAIN: its queue is full.
  throw code === undefined || code === 'EAGAIN'
    ? new StartError(`another daemon listens at ${file}`, `stop it, or ${elsewhere}`)
    : new StartError(
        `cannot tell whether another daemon listens at ${file} (${code})`,
        `check that file, or ${elsewhere}`,
      );
}

/** Tries to connect. @returns the error's code; undefined if the connection is accepted */
async function connectErrorAt(file: string): Promise<string | undefined> {
  const socket = connect(file);
  try {
    await once(socket, 'connect');
    return undefined;
  } catch (error) {
    return errnoOf(error) ?? messageOf(error);
  } finally {
    socket.destroy();
  }
}
