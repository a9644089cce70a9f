/** The caller's side of the daemon's socket, for plugin and commands: one call, one answer, and a time limit. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { CniCode, CniError } from '../cni/errors.ts';
import { errnoOf, mustBeRoot, rootHint } from '../errno.ts';
import {
  acceptTimeoutMs,
  answerGraceMs,
  maxFrameBytes,
  milliseconds,
  requestFrame,
  type Sender,
  takenFrame,
} from './protocol.ts';

/** The daemon could not be asked or gave no answer: code 11. */
export class NoAnswer extends CniError {
  /** Whether the request was sent, in which case the daemon may have carried it out. */
  readonly asked: boolean;

  constructor(message: string, details: string, { asked = true } = {}) {
    super(CniCode.tryAgain, message, details);
    this.asked = asked;
  }
}

interface DaemonCall {
  /** Path of the socket. */
  readonly file: string;
  /** The CNI command, or the method of an operator's command. */
  readonly method: string;
  readonly call: Sender;
  /** Milliseconds for the whole call; absent: as long as the daemon says. */
  readonly limitMs?: number;
  /** Bytes of the answer. */
  readonly maxBytes?: number;
  /** Called with the daemon's progress on a long request, unchecked. */
  readonly onProgress?: (params: unknown) => void;
}

/**
 * Milliseconds that an ADD waits for a restarting daemon. Other calls do not wait: they lose nothing, by an error or
 * a note.
 */
const restartWaitMs = 2_000;
/** Milliseconds between two attempts. */
const retryPauseMs = 20;

/**
 * Sends a call to the daemon and waits for the answer.
 * @param take passes the daemon's result to the caller; if it throws, the result is not confirmed
 * @returns what `take` returns
 * @throws NoAnswer without a daemon or an answer in time; CniError if that is the answer; errors of `take`
 */
export async function callDaemon<T>(request: DaemonCall, take: (result: unknown) => T): Promise<T> {
  const { file, method, limitMs = Number.POSITIVE_INFINITY } = request;
  const begin = milliseconds();
  let asked = false;
  for (;;) {
    try {
      const socket = connect(file);
      await once(socket, 'connect');
      asked = true;
      return await exchange(socket, { ...request, limitMs, end: begin + limitMs }, take);
    } catch (error) {
      // Errors with a system code: nothing listens, or the listener has gone before it accepted the call.
      const code = errnoOf(error);
      if (code === undefined) throw error;
      if (milliseconds() + retryPauseMs > begin + waitFor(code, method)) throw notReached(code, file, asked);
      await new Promise((resolve) => setTimeout(resolve, retryPauseMs));
    }
  }
}

/**
 * Returns the milliseconds to keep trying. EAGAIN means that the socket's queue is full: many containers start at once.
 */
function waitFor(code: string, method: string): number {
  if (code === 'EAGAIN') return acceptTimeoutMs;
  return method === 'ADD' && (isAbsent(code) || code === 'ECONNRESET') ? restartWaitMs : 0;
}

/**
 * Sends the request over a connected socket and passes the result on.
 * @param request with `end`, the deadline in `milliseconds()`
 */
async function exchange<T>(
  socket: Socket,
  {
    file,
    method,
    call,
    limitMs,
    end,
    maxBytes = maxFrameBytes,
    onProgress,
  }: DaemonCall & Record<'limitMs' | 'end', number>,
  take: (result: unknown) => T,
): Promise<T> {
  const failAfter = (waitMs: number, error: NoAnswer) => {
    // Timers run before sockets are read. An answer that came in time while the host was paused or busy counts.
    const failUnlessRead = () => setImmediate(() => timer === own && socket.destroy(error));
    const own = setTimeout(failUnlessRead, Math.min(waitMs, end - milliseconds()));
    return own;
  };
  let timer: NodeJS.Timeout | undefined = failAfter(acceptTimeoutMs, notAccepted(file));
  let isAccepted = false;
  try {
    socket.write(requestFrame(method, call));
    for await (const line of linesOf(socket, maxBytes, file)) {
      const message = parseMessage(line);
      if (message === undefined) throw incompatible(file);
      if ('progress' in message) {
        onProgress?.(message.progress);
        continue;
      }
      clearTimeout(timer);
      if ('error' in message) throw message.error;
      if ('accepted' in message) {
        isAccepted = true;
        const waitMs = message.accepted + answerGraceMs;
        timer = failAfter(waitMs, late(file, Math.min(waitMs, limitMs)));
        continue;
      }
      const taken = take(message.result);
      // Written synchronously: the process may end now.
      socket.end(takenFrame);
      return taken;
    }
  } catch (error) {
    // Errors with a system code mean a broken connection.
    if (errnoOf(error) === undefined) throw error;
  } finally {
    clearTimeout(timer);
    timer = undefined;
  }
  throw isAccepted ? ended(file) : Object.assign(new Error('not accepted'), { code: 'ECONNRESET' });
}

/**
 * Assembles lines from the pieces received over the socket `file`.
 * @throws NoAnswer for a line that is too long
 */
async function* linesOf(pieces: AsyncIterable<Buffer>, maxBytes: number, file: string): AsyncGenerator<string> {
  let begun: Buffer[] = [];
  let size = 0;
  for await (const piece of pieces) {
    let rest = piece;
    for (let at = rest.indexOf(0x0a); at >= 0; at = rest.indexOf(0x0a)) {
      yield Buffer.concat([...begun, rest.subarray(0, at)]).toString();
      [begun, size, rest] = [[], 0, rest.subarray(at + 1)];
    }
    begun.push(rest);
    size += rest.length;
    if (size > maxBytes) throw incompatible(file);
  }
}

type Message =
  | { readonly accepted: number }
  | { readonly progress: unknown }
  | { readonly result: unknown }
  | { readonly error: CniError };

/** A received message, its members unchecked. */
interface Received {
  readonly method?: unknown;
  readonly params?: { readonly milliseconds?: unknown };
  readonly result?: unknown;
  readonly error?: {
    readonly code?: unknown;
    readonly message?: unknown;
    readonly data?: { readonly details?: unknown };
  };
}

function parseMessage(text: string): Message | undefined {
  try {
    const { method, params, result, error }: Received = JSON.parse(text);
    if (method === 'accepted' && typeof params?.milliseconds === 'number') return { accepted: params.milliseconds };
    if (method === 'progress') return { progress: params };
    if (method !== undefined) return undefined;
    if (result !== undefined) return { result };
    if (typeof error?.code !== 'number' || typeof error.message !== 'string') return undefined;
    const details = error.data?.details;
    return { error: new CniError(error.code, error.message, typeof details === 'string' ? details : undefined) };
  } catch {
    return undefined;
  }
}

const logHint = 'See its log: journalctl -u infoblox-cni-daemon.';

function notAccepted(file: string): NoAnswer {
  return new NoAnswer(
    `the daemon at ${file} did not accept the call within ${acceptTimeoutMs / 1000} s`,
    `It hangs; restart it: systemctl restart infoblox-cni-daemon. ${logHint}`,
  );
}

function late(file: string, wait: number): NoAnswer {
  const details = `The plugin waited ${wait / 1000} s. ${logHint}`;
  return new NoAnswer(`the daemon at ${file} did not answer in time`, details);
}

/**
 * Makes the error for an answer that no daemon of this release gives.
 * @param file of the socket
 */
export function incompatible(file: string): NoAnswer {
  return new NoAnswer(
    `the server at ${file} is not a compatible infoblox-cni-daemon`,
    'Install plugin and daemon from the same release and restart the daemon.',
  );
}

function isAbsent(code: string): boolean {
  return code === 'ENOENT' || code === 'ECONNREFUSED';
}

function ended(file: string): NoAnswer {
  return new NoAnswer(`the daemon at ${file} ended the connection without an answer`, logHint);
}

/**
 * Makes the error for a failed connection.
 * @param asked whether an earlier attempt sent the request
 */
function notReached(code: string, file: string, asked: boolean): NoAnswer {
  if (code === 'ECONNRESET') return ended(file);
  if (isAbsent(code)) {
    return new NoAnswer(
      `infoblox-cni-daemon is not running: nothing listens at ${file}`,
      'Start it: systemctl start infoblox-cni-daemon. Its --socket-dir and --driver-name must match "socket-dir" and "type" in the network configuration, or the flags of the command.',
      { asked },
    );
  }
  if (code === 'EINVAL') {
    return new NoAnswer(
      `the path of the daemon's socket is longer than the system allows: ${file}`,
      'Use a shorter "socket-dir" or "type" in the network configuration, and the same --socket-dir and --driver-name of the daemon.',
      { asked },
    );
  }
  const refusal = mustBeRoot(code);
  if (refusal !== undefined) return new NoAnswer(`cannot connect to ${file}: ${refusal}`, rootHint, { asked });
  return new NoAnswer(`cannot reach infoblox-cni-daemon at ${file} (${code})`, logHint, { asked });
}
