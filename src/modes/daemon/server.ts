/**
 * The daemon's side of the socket: one request a connection, accepted at once and answered once, and a caller that leaves
 * is noticed.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { CniCode, CniError } from '../../cni/errors.ts';
import { acceptedFrame, answerFrame, takenFrame } from '../protocol.ts';
import { asCniError } from './cni-errors.ts';
import type { Answer, ServedCommand } from './commands.ts';
import { parseRequest, type Request } from './frame.ts';
import { type Frame, FrameReader } from './frame-reader.ts';
import type { Details, Log } from './log.ts';

/** Milliseconds for a peer to pass its answer on. One that is stopped may yet do so. */
const deliveryTimeout = 5_000;
/** Connections that may wait to be accepted: a burst of container starts is no reason to refuse any. */
const backlog = 4096;

export interface ServerOptions {
  readonly run: (command: ServedCommand, call: Request['params'], gone: AbortSignal) => Promise<Answer>;
  /** Milliseconds that a command takes at most, which the caller is told. */
  readonly longest: (command: ServedCommand) => number;
  /** Fields of the log that say what a call is about. */
  readonly describe: (request: Request) => Details;
  /** Told how each call ended: CNI error code, 0 for success. */
  readonly onCall?: (command: string, code: number, seconds: number) => void;
  readonly log: Log;
}

interface Outgoing {
  readonly frame: string;
  readonly delivered?: (() => void) | undefined;
  readonly undelivered?: (() => Promise<void>) | undefined;
}

const busy = new CniError(
  CniCode.tryAgain,
  'the list of another GC is being worked on, and both together would be too much at a time',
  'Try again when that GC has ended.',
);

export class CallServer {
  readonly #options: ServerOptions;
  readonly #server: Server;
  readonly #calls = new Set<Promise<void>>();
  readonly #frames = new FrameReader();

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#server = createServer({ allowHalfOpen: false }, (socket) => {
      const call = this.#serve(socket).finally(() => this.#calls.delete(call));
      this.#calls.add(call);
    });
  }

  /** Listens; again if it did already, while calls in flight go on: the file may have been removed. */
  async listen(file: string): Promise<void> {
    // Removes what is at the path where it listened.
    if (this.#server.listening) this.#server.close();
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ path: file, backlog }, resolve);
    });
  }

  /** Takes no more calls and waits for those in flight. */
  async close(): Promise<void> {
    this.#server.close();
    await Promise.allSettled([...this.#calls]);
  }

  async #serve(socket: Socket): Promise<void> {
    const gone = new AbortController();
    // A peer that breaks off is no trouble of ours; `gone` tells whoever works for it.
    socket.on('error', () => gone.abort());
    socket.on('close', () => gone.abort());
    try {
      const received = await this.#frames.read(socket);
      if (received === undefined) return;
      const { frame, delivered, undelivered } = await this.#answer(received, socket, gone.signal);
      const fate = await deliver(socket, frame);
      if (fate === 'taken') delivered?.();
      if (fate === 'left') await undelivered?.();
    } catch (error) {
      this.#options.log.error('call failed', {
        reason: error instanceof Error ? (error.stack ?? error.message) : error,
      });
    } finally {
      socket.destroy();
    }
  }

  async #answer(received: Exclude<Frame, undefined>, socket: Socket, gone: AbortSignal): Promise<Outgoing> {
    const { run, log, onCall, longest, describe } = this.#options;
    const begin = performance.now();
    let request: Request | undefined;
    const about = () => ({
      ...(request === undefined ? {} : describe(request)),
      milliseconds: Math.round(performance.now() - begin),
    });
    try {
      if (received === 'busy') throw busy;
      request = parseRequest(received.text);
      // A plugin of an earlier release would take it for the answer.
      if (request.params.callId !== undefined) socket.write(acceptedFrame(longest(request.method)));
      const { result, summary, address, delivered, undelivered } = await run(request.method, request.params, gone);
      const level = request.method === 'ADD' || request.method === 'DEL' || request.method === 'GC' ? 'info' : 'debug';
      log[level](summary === undefined ? request.method : `${request.method}: ${summary}`, {
        ...about(),
        ...(address === undefined ? {} : { address }),
      });
      onCall?.(request.method, 0, (performance.now() - begin) / 1000);
      return { frame: answerFrame({ result: result ?? null }), delivered, undelivered };
    } catch (failure) {
      const error = failure instanceof SyntaxError ? noRequest(failure) : asCniError(failure);
      const unexpected = error.code === CniCode.unexpected;
      // STATUS is asked often, and what it tells is logged when it begins.
      const level = request?.method === 'STATUS' && !unexpected ? 'debug' : 'error';
      const foreseen = failure instanceof CniError || failure instanceof SyntaxError;
      const stack = unexpected && !foreseen && failure instanceof Error ? failure.stack : undefined;
      log[level](`${request?.method ?? 'call'} failed: ${error.message}`, {
        code: error.code,
        ...about(),
        ...(error.details === undefined ? {} : { details: error.details }),
        ...(stack === undefined ? {} : { stack }),
      });
      onCall?.(request?.method ?? 'none', error.code, (performance.now() - begin) / 1000);
      const data = error.details === undefined ? {} : { data: { details: error.details } };
      return { frame: answerFrame({ error: { code: error.code, message: error.message, ...data } }) };
    } finally {
      if (received !== 'busy') received.release();
    }
  }
}

function noRequest(error: SyntaxError): CniError {
  return new CniError(
    CniCode.unexpected,
    `what came over the socket is no request: ${error.message}`,
    'Only the plugin of the same release speaks to this socket.',
  );
}

/** What became of an answer: passed on, perhaps to be passed on by a peer that is stopped, or lost with the peer. */
type Fate = 'taken' | 'unknown' | 'left';

/** Sends the answer and waits for the peer to say that it has passed it on, to hang up without that, or to die. */
function deliver(socket: Socket, frame: string): Promise<Fate> {
  if (socket.destroyed || !socket.writable) return Promise.resolve('left');
  return new Promise((resolve) => {
    const end = (fate: Fate) => {
      clearTimeout(timer);
      resolve(fate);
    };
    const timer = setTimeout(end, deliveryTimeout, 'unknown');
    let said = '';
    socket.on('data', (chunk) => {
      said = `${said}${chunk.toString('latin1')}`.slice(0, takenFrame.length);
      if (said === takenFrame) end('taken');
    });
    for (const event of ['error', 'end', 'close']) socket.on(event, () => end('left'));
    socket.write(frame);
  });
}
