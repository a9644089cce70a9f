/**
 * The daemon's place on the socket. A live daemon's is never taken, a dead one's is replaced, but only by the daemon that has the
 * state. While the daemon runs it is kept: when its directory is removed, by a clean-up of /run say, plugins cannot reach the daemon any
 * more, and the daemon would not notice, since the kernel keeps the socket open.
 */
import { chmodSync, lstatSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { errnoOf, messageOf } from '../../../errno.ts';
import { makeDirectory, UntrustedPath } from '../../../files/trusted-path.ts';
import { type Clock, repeat } from '../../../infoblox/concurrency/clock.ts';
import type { Log } from '../../../infoblox/log.ts';
import { owedDir, socketFile } from '../../protocol.ts';
import { StartError } from '../start-error.ts';
import type { CallServer } from './server.ts';

/** Files in such a directory get its group. */
const setgid = 0o2000;
/** Between two looks whether the socket is in its place. */
const lookIntervalMs = 5_000;
/** To listen again, before the daemon gives up. */
const maxAttempts = 3;

export interface SocketPlace {
  readonly socketDir: string;
  readonly driverName: string;
  /** Descriptor of the socket that systemd has made, and keeps while the daemon is restarted, so that calls wait meanwhile. */
  readonly passedSocket?: number | undefined;
}

/**
 * Makes the directory and makes sure that the socket's place in it may be taken, so that a second daemon fails at once.
 * @throws StartError if another daemon listens there, or the directory cannot be used
 */
export async function prepareSocket({ socketDir, driverName }: SocketPlace): Promise<void> {
  try {
    makeDirectory(socketDir, 0o755);
    const notes = owedDir(socketDir, driverName);
    makeDirectory(notes, 0o700, 'group');
    // They hold network configurations. One that tmpfiles.d has made for a service with a user of its own is left to its group.
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
 * Listens, for root alone: the daemon acts with the grid's credentials for its callers. Of two daemons that start at the same instant
 * only the one that has the state comes so far.
 * @throws StartError if it cannot, or another daemon listens there by now
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
    const fix = 'ListenStream= of infoblox-cni.socket has to name it, as --socket-dir and --driver-name do';
    throw new StartError(`the socket that systemd has handed over is not at ${file}`, fix);
  }
  await server.listen({ fd: descriptor }).catch((error) => {
    throw new StartError(`cannot listen on the socket that systemd has handed over: ${messageOf(error)}`);
  });
}

interface SocketKeeper {
  readonly server: Pick<CallServer, 'listen'>;
  readonly place: SocketPlace;
  /** Called once, when listening again is impossible. */
  readonly onLost: (error: StartError) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** Looks from time to time whether the socket is still the one that was made, and makes it anew if not. Ends with the signal. */
export function keepSocket({ server, place, onLost, clock, log }: SocketKeeper, signal: AbortSignal): Promise<void> {
  const file = socketFile(place.socketDir, place.driverName);
  let socket = socketId(file);
  let attempts = 0;
  return repeat(clock, { intervalMs: lookIntervalMs, signal }, async () => {
    if (attempts >= maxAttempts || socketId(file) === socket) return;
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
    throw new StartError(`systemd has to make ${file} again`, 'systemctl restart infoblox-cni.socket');
  }
  await prepareSocket(place);
  await listen(server, place);
}

/** Tells one socket from another of that name; inodes are reused. Undefined if there is none. */
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
  // Nothing there, or no listener. ECONNREFUSED also stands for a file that is no socket.
  if (code === 'ENOENT' || code === 'ECONNREFUSED') return;
  const elsewhere = 'use another --driver-name or --socket-dir';
  // EAGAIN: its queue is full.
  throw code === undefined || code === 'EAGAIN'
    ? new StartError(`another daemon listens at ${file}`, `stop it, or ${elsewhere}`)
    : new StartError(
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
