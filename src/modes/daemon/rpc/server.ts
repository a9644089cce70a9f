/**
 * The daemon's side of the socket: one request a connection, accepted at once and answered once, and a caller that leaves
 * is noticed.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { CniCode, CniError } from '../../../cni/errors.ts';
import { GridError } from '../../../infoblox/errors.ts';
import type { Fields, Log } from '../../../infoblox/log.ts';
import { isOperatorMethod, progressFrame } from '../../operator-protocol.ts';
import { acceptedFrame, answerFrame, takenFrame } from '../../protocol.ts';
import type { CallEnd, Tracing } from '../tracing/tracing.ts';
import { asCniError } from './cni-errors.ts';
import { parseRequest, type Request } from './frame.ts';
import { type Frame, FrameReader } from './frame-reader.ts';
import type { Work } from './work.ts';

/** Milliseconds for a peer to pass its answer on. One that is stopped may yet do so. */
const deliveryTimeoutMs = 5_000;
/** Connections that may wait to be accepted: a burst of container starts is no reason to refuse any. */
const backlog = 4096;

interface ServerDeps {
  /** Finds out what a request is for. @throws CniError if it asks for nothing that can be done */
  readonly workOf: (request: Request) => Work;
  /** Fields of the log that say what a call is about. */
  readonly describe: (request: Request) => Fields;
  /** Told how each call ended. */
  readonly onCall?: (end: CallEnd) => void;
  readonly tracing: Tracing;
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

const stopped = new GridError('busy', 'the daemon is stopping', { hint: 'try again when it runs again' });

export class CallServer {
  readonly #deps: ServerDeps;
  readonly #server: Server;
  readonly #calls = new Set<Promise<void>>();
  readonly #frames = new FrameReader();
  readonly #stopping = new AbortController();

  constructor(deps: ServerDeps) {
    this.#deps = deps;
    this.#server = createServer({ allowHalfOpen: false }, (socket) => {
      const call = this.#serve(socket).finally(() => this.#calls.delete(call));
      this.#calls.add(call);
    });
  }

  /** Calls that are being served, or whose answer is being passed on. */
  get inFlight(): number {
    return this.#calls.size;
  }

  /**
   * Listens; again if it did already, while calls in flight go on: the file may have been removed.
   * @param place where to make the socket, or the descriptor of one that is there
   */
  async listen(place: { readonly path: string } | { readonly fd: number }): Promise<void> {
    // Removes what is at the path where it listened.
    if (this.#server.listening) this.#server.close();
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ ...place, backlog }, resolve);
    });
  }

  /** Takes no more calls and waits for those in flight; work of many steps ends after the one that is under way. */
  async close(): Promise<void> {
    this.#stopping.abort(stopped);
    this.#server.close();
    await Promise.allSettled([...this.#calls]);
  }

  async #serve(socket: Socket): Promise<void> {
    const gone = new AbortController();
    // A peer that breaks off is no failure; `gone` tells the handler.
    socket.on('error', () => gone.abort());
    socket.on('close', () => gone.abort());
    try {
      const received = await this.#frames.read(socket);
      if (received === undefined) return;
      const { frame, delivered, undelivered } = await this.#answer(received, socket, gone.signal);
      const delivery = await deliver(socket, frame);
      if (delivery === 'taken') delivered?.();
      if (delivery === 'left') await undelivered?.();
    } catch (error) {
      this.#deps.log.error('call failed', { error: error instanceof Error ? (error.stack ?? error.message) : error });
    } finally {
      socket.destroy();
    }
  }

  async #answer(received: Exclude<Frame, undefined>, socket: Socket, gone: AbortSignal): Promise<Outgoing> {
    const began = performance.now();
    const { tracing, describe } = this.#deps;
    try {
      if (received === 'busy') throw busy;
      const request = parseRequest(received.text);
      return await tracing.call(request, describe, () => this.#carryOut(request, socket, { gone, began }));
    } catch (failure) {
      return this.#refuse(undefined, failure, began);
    } finally {
      if (received !== 'busy') received.release();
    }
  }

  async #carryOut(
    request: Request,
    socket: Socket,
    { gone, began }: { readonly gone: AbortSignal; readonly began: number },
  ): Promise<Outgoing> {
    const { method } = request;
    try {
      const work = this.#deps.workOf(request);
      socket.write(acceptedFrame(work.timeoutMs));
      const answer = await work.run({
        gone,
        stopping: this.#stopping.signal,
        tell: (progress) => void socket.write(progressFrame(progress)),
      });
      const fields = { ...this.#about(request, began), ...answer.fields };
      this.#deps.log[work.changes ? 'info' : 'debug'](method, fields);
      this.#deps.onCall?.({ command: method, code: 0, seconds: secondsSince(began), fields });
      const { result, delivered, undelivered } = answer;
      return { frame: answerFrame({ result: result ?? null }), delivered, undelivered };
    } catch (failure) {
      return this.#refuse(request, failure, began);
    }
  }

  #refuse(request: Request | undefined, failure: unknown, began: number): Outgoing {
    const error = failure instanceof SyntaxError ? noRequest(failure) : asCniError(failure);
    this.#logFailure(request, error, { failure, began });
    const data = error.details === undefined ? {} : { data: { details: error.details } };
    return { frame: answerFrame({ error: { code: error.code, message: error.message, ...data } }) };
  }

  #logFailure(
    request: Request | undefined,
    { code, message, details }: CniError,
    { failure, began }: { readonly failure: unknown; readonly began: number },
  ): void {
    const unexpected = code === CniCode.unexpected;
    const isForeseen = failure instanceof CniError || failure instanceof SyntaxError;
    const stack = unexpected && !isForeseen && failure instanceof Error ? failure.stack : undefined;
    const level = unexpected ? 'error' : levelOf(request?.method);
    const fields = { code, error: message, ...this.#about(request, began), details, stack };
    this.#deps.log[level](`${request?.method ?? 'call'} failed`, fields);
    this.#deps.onCall?.({ command: request?.method ?? 'none', code, seconds: secondsSince(began), fields });
  }

  #about(request: Request | undefined, began: number): Fields {
    const described = request === undefined ? {} : this.#deps.describe(request);
    return { ...described, milliseconds: Math.round(performance.now() - began) };
  }
}

/** The level of a call's failure that was to be expected. */
function levelOf(method: string | undefined): 'error' | 'warn' | 'debug' {
  // It is asked often, and the condition that it reports is logged when it begins.
  if (method === 'STATUS') return 'debug';
  // Whoever has typed a command has read why it failed: it is nothing that `status` has to tell of.
  return method !== undefined && isOperatorMethod(method) ? 'warn' : 'error';
}

/** @param began milliseconds, monotonic */
function secondsSince(began: number): number {
  return (performance.now() - began) / 1000;
}

function noRequest(error: SyntaxError): CniError {
  return new CniError(
    CniCode.unexpected,
    `what came over the socket is no request: ${error.message}`,
    'Only the plugin of the same release speaks to this socket.',
  );
}

/** What became of an answer: passed on; perhaps passed on later, by a peer that is stopped; or lost with the peer. */
type Delivery = 'taken' | 'unknown' | 'left';

/** Sends the answer and waits for the peer to say that it has passed it on, to hang up without that, or to die. */
function deliver(socket: Socket, frame: string): Promise<Delivery> {
  if (socket.destroyed || !socket.writable) return Promise.resolve('left');
  return new Promise((resolve) => {
    const end = (delivery: Delivery) => {
      clearTimeout(timer);
      resolve(delivery);
    };
    const timer = setTimeout(end, deliveryTimeoutMs, 'unknown');
    let said = '';
    socket.on('data', (chunk) => {
      said = `${said}${chunk.toString('latin1')}`.slice(0, takenFrame.length);
      if (said === takenFrame) end('taken');
    });
    for (const event of ['error', 'end', 'close']) socket.on(event, () => end('left'));
    socket.write(frame);
  });
}
