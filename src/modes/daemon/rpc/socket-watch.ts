/**
 * The daemon's place on the socket: taken at the start, kept while it runs. When its directory is removed, by a clean-up of /run
 * say, plugins cannot reach the daemon any more, and the daemon would not notice: the kernel keeps the socket open.
 */
import { lstatSync } from 'node:fs';
import { messageOf } from '../../../errno.ts';
import type { Log } from '../../../infoblox/log.ts';
import type { Options } from '../config/options.ts';
import { StartError } from '../start-error.ts';
import type { CallServer } from './server.ts';
import { makeRoom, prepareSocket, protectSocket } from './socket-file.ts';

/** Milliseconds between two looks. */
const pause = 5_000;
/** Attempts to listen again before the daemon gives up. */
const maxAttempts = 3;

interface SocketWatchOptions {
  /** The socket's path, as `prepareSocket` said. */
  readonly file: string;
  /** Makes what is missing and listens again; throws StartError. */
  readonly listenAgain: () => Promise<void>;
  /** Called once, when listening again is impossible. */
  readonly onLost: (error: StartError) => void;
  readonly log: Log;
}

/**
 * Listens, and again whenever the socket was removed.
 * @param server takes the calls
 * @returns the watch, to be stopped
 * @throws StartError if it cannot listen
 */
export async function listen(
  server: CallServer,
  { socketDir, driverName }: Pick<Options, 'socketDir' | 'driverName'>,
  watch: Omit<SocketWatchOptions, 'listenAgain'>,
): Promise<SocketWatch> {
  const { file } = watch;
  await listenAt(server, file);
  const listenAgain = async () => {
    await prepareSocket(socketDir, driverName);
    await listenAt(server, file);
  };
  return new SocketWatch({ ...watch, listenAgain });
}

/**
 * Listens on the socket that systemd made and keeps while the daemon is restarted, so that calls wait meanwhile. Only systemd can
 * make it again.
 * @param descriptor of the socket
 * @returns the watch, to be stopped
 * @throws StartError if it is not the one that plugins connect to, or cannot be used
 */
export async function listenOnPassed(
  server: CallServer,
  descriptor: number,
  watch: Omit<SocketWatchOptions, 'listenAgain'>,
): Promise<SocketWatch> {
  const { file } = watch;
  if (socketId(file) === undefined) {
    const fix = 'ListenStream= of infoblox-cni.socket has to name it, as --socket-dir and --driver-name do';
    throw new StartError(`the socket that systemd has handed over is not at ${file}`, fix);
  }
  await server.listen({ fd: descriptor }).catch((error) => {
    throw new StartError(`cannot listen on the socket that systemd has handed over: ${messageOf(error)}`);
  });
  const listenAgain = () =>
    Promise.reject(new StartError(`systemd has to make ${file} again`, 'systemctl restart infoblox-cni.socket'));
  return new SocketWatch({ ...watch, listenAgain });
}

async function listenAt(server: CallServer, file: string): Promise<void> {
  try {
    await makeRoom(file);
    await server.listen({ path: file });
    protectSocket(file);
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(`cannot listen at ${file}: ${messageOf(error)}`);
  }
}

export class SocketWatch {
  readonly #options: SocketWatchOptions;
  readonly #timer: NodeJS.Timeout;
  #socket: string | undefined;
  #attempts = 0;
  #looking: Promise<void> | undefined;

  /** To be made when the daemon listens. */
  constructor(options: SocketWatchOptions) {
    this.#options = options;
    this.#socket = socketId(options.file);
    this.#timer = setInterval(() => this.look(), pause);
  }

  /** Looks whether the socket is still the one that was made, and makes it anew if not. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** When this returns, nothing is made any more. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { file, listenAgain, onLost, log } = this.#options;
    if (this.#attempts >= maxAttempts || socketId(file) === this.#socket) return;
    try {
      await listenAgain();
      this.#socket = socketId(file);
      this.#attempts = 0;
      log.warn('the socket was removed or replaced; listening again', {
        file,
        hint: 'find out what removes it; release notes beside it are lost, and GC releases their addresses',
      });
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      this.#attempts += 1;
      if (this.#attempts === 1)
        log.error('the socket was removed or replaced, and the daemon cannot listen again', {
          file,
          reason: error.message,
        });
      if (this.#attempts === maxAttempts) onLost(error);
    }
  }
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
