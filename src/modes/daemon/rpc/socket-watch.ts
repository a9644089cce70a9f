/**
 * Keeps the socket in its place while the daemon runs. Who removes its directory, a clean-up of /run say, leaves a daemon
 * that nobody can reach, and that nothing tells of it: the kernel keeps the socket open.
 */
import { lstatSync } from 'node:fs';
import type { Log } from '../../../infoblox/log.ts';
import { StartError } from '../start-error.ts';

/** Milliseconds between two looks. */
const pause = 5_000;
/** Attempts to listen again before the daemon is of no use any more. */
const mostAttempts = 3;

export interface SocketWatchOptions {
  /** The socket's path. */
  readonly file: string;
  /** Makes what is missing and listens again; throws StartError. */
  readonly listenAgain: () => Promise<void>;
  /** Told once that listening again is impossible. */
  readonly onLost: (error: StartError) => void;
  readonly log: Log;
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
    this.#socket = identity(options.file);
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
    if (this.#attempts >= mostAttempts || identity(file) === this.#socket) return;
    try {
      await listenAgain();
      this.#socket = identity(file);
      this.#attempts = 0;
      log.warn('the socket was removed or replaced; listening again', {
        file,
        hint: 'find out who removes it; release notes that lay beside it are lost, GC makes up for them',
      });
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      this.#attempts += 1;
      if (this.#attempts === 1)
        log.error('the socket was removed or replaced, and the daemon cannot listen again', {
          file,
          reason: error.message,
        });
      if (this.#attempts === mostAttempts) onLost(error);
    }
  }
}

/** Tells one socket from another one of that name; inodes are used again. Undefined if there is none. */
function identity(file: string): string | undefined {
  try {
    const entry = lstatSync(file, { bigint: true });
    return entry.isSocket() ? `${entry.dev} ${entry.ino} ${entry.birthtimeNs}` : undefined;
  } catch {
    return undefined;
  }
}
