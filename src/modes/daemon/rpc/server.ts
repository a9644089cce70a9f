/**
 * Serves the socket: one request per connection, accepted at once and answered once. Notices callers that leave. Bounds the memory that
 * requests take: their size, and of long GC requests, up to 16 times as large, one at a time.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { CniCode, CniError } from '../../../cni/errors.ts';
import { GridError } from '../../../infoblox/errors.ts';
import type { Fields, Log } from '../../../infoblox/log.ts';
import { progressFrame } from '../../operator-protocol.ts';
import {
  acceptedFrame,
  answerFrame,
  gcRequestStart,
  maxFrameBytes,
  maxGcFrameBytes,
  takenFrame,
} from '../../protocol.ts';
import type { CallEnd, Tracing } from '../tracing/tracing.ts';
import { asCniError } from './cni-errors.ts';
import { type Handler, type Handlers, parseRequest, type Request } from './request.ts';

/** Milliseconds for the caller to send its request. */
const sendTimeoutMs = 5_000;
/** Milliseconds for the caller to pass its answer on. A stopped process may do so later. */
const deliveryTimeoutMs = 5_000;
/** Connections that may wait to be accepted: enough for a burst of container starts. */
const backlog = 4096;

interface ServerDeps {
  readonly handlers: Handlers;
  /** Makes the log fields that describe a call. */
  readonly describe: (request: Request) => Fields;
  /** Called at the end of each call. */
  readonly onCall?: (end: CallEnd) => void;
  readonly tracing: Tracing;
  readonly log: Log;
}

interface Outgoing {
  readonly frame: string;
  readonly undelivered?: (() => Promise<void>) | undefined;
}

const stopped = new GridError('busy', 'the daemon is stopping', { hint: 'try again when it runs again' });

export class CallServer {
  readonly #deps: ServerDeps;
  readonly #server: Server;
  readonly #calls = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  /** Connection of the long request in progress. */
  #long: Socket | undefined;

  constructor(deps: ServerDeps) {
    this.#deps = deps;
    this.#server = createServer({ allowHalfOpen: false }, (socket) => {
      const call = this.#serve(socket).finally(() => this.#calls.delete(call));
      this.#calls.add(call);
    });
  }

  /** Number of calls being served or answered. */
  get inFlight(): number {
    return this.#calls.size;
  }

  /**
   * Listens, or listens again if the socket file was removed; calls in flight continue.
   * @param place path of the socket to create, or descriptor of an existing one
   */
  async listen(place: { readonly path: string } | { readonly fd: number }): Promise<void> {
    // Also removes the file at the former path.
    if (this.#server.listening) this.#server.close();
    await once(this.#server.listen({ ...place, backlog }), 'listening');
  }

  /** Stops accepting calls and waits for those in flight; handlers with many steps end after the current one. */
  async close(): Promise<void> {
    this.#stopping.abort(stopped);
    this.#server.close();
    await Promise.allSettled([...this.#calls]);
  }

  async #serve(socket: Socket): Promise<void> {
    const gone = new AbortController();
    // A caller that disconnects is not an error; `gone` tells the handler.
    socket.on('error', () => gone.abort());
    socket.on('close', () => gone.abort());
    try {
      const outgoing = await this.#answer(socket, gone.signal);
      if (outgoing === undefined) return;
      if (!(await deliver(socket, outgoing.frame))) await outgoing.undelivered?.();
    } catch (error) {
      this.#deps.log.error('call failed', { error: error instanceof Error ? (error.stack ?? error.message) : error });
    } finally {
      if (this.#long === socket) this.#long = undefined;
      socket.destroy();
    }
  }

  /** Reads and serves a request. @returns undefined if no answer is to be sent */
  async #answer(socket: Socket, gone: AbortSignal): Promise<Outgoing | undefined> {
    const { tracing, describe } = this.#deps;
    try {
      const line = await this.#readLine(socket);
      if (line === undefined) return undefined;
      const request = parseRequest(line);
      return await tracing.call(request, describe, () => this.#carryOut(request, socket, gone));
    } catch (failure) {
      return this.#refuse(failure, undefined);
    }
  }

  /**
   * Reads one line.
   * @returns undefined if it is late, too long, or the caller leaves
   * @throws CniError for a long GC request while another one is in progress
   */
  async #readLine(socket: Socket): Promise<string | undefined> {
    const chunks: Buffer[] = [];
    let size = 0;
    const timer = setTimeout(() => socket.destroy(), sendTimeoutMs);
    try {
      for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        chunks.push(chunk);
        size += chunk.length;
        if (size > maxFrameBytes) {
          if (size > maxGcFrameBytes || !isGc(chunks)) return undefined;
          this.#long ??= socket;
          if (this.#long !== socket) throw busy;
        }
        if (!chunk.includes(0x0a)) continue;
        const bytes = Buffer.concat(chunks);
        return bytes.toString('utf8', 0, bytes.indexOf(0x0a));
      }
    } catch (error) {
      // Any other error means a broken connection.
      if (error === busy) throw error;
    } finally {
      clearTimeout(timer);
      // Without reading, `close` would not be emitted.
      socket.resume();
    }
    return undefined;
  }

  async #carryOut(request: Request, socket: Socket, gone: AbortSignal): Promise<Outgoing> {
    const began = performance.now();
    try {
      // The request was checked against the schema of its method.
      const handler = this.#deps.handlers[request.method] as Handler<unknown>;
      socket.write(acceptedFrame(handler.timeoutMs));
      const { result, fields, undelivered } = await handler.run(request.params, {
        gone,
        stopping: this.#stopping.signal,
        tell: (progress) => void socket.write(progressFrame(progress)),
      });
      const all = { ...this.#about(request, began), ...fields };
      this.#deps.log[handler.changes ? 'info' : 'debug'](request.method, all);
      this.#end(request, { code: 0, began, fields: all });
      return { frame: answerFrame({ result: result ?? null }), undelivered };
    } catch (failure) {
      return this.#refuse(failure, request, began);
    }
  }

  #refuse(failure: unknown, request: Request | undefined, began = performance.now()): Outgoing {
    const error = failure instanceof SyntaxError ? noRequest(failure) : asCniError(failure);
    const { code, message, details } = error;
    const isBug = code === CniCode.unexpected && !(failure instanceof CniError || failure instanceof SyntaxError);
    const stack = isBug && failure instanceof Error ? failure.stack : undefined;
    const fields = { code, error: message, ...this.#about(request, began), details, stack };
    const level = code === CniCode.unexpected ? 'error' : levelOf(request?.method ?? '');
    this.#deps.log[level](`${request?.method ?? 'call'} failed`, fields);
    this.#end(request, { code, began, fields });
    const data = details === undefined ? {} : { data: { details } };
    return { frame: answerFrame({ error: { code, message, ...data } }) };
  }

  #end(request: Request | undefined, { code, began, fields }: { code: number; began: number; fields: Fields }): void {
    const seconds = (performance.now() - began) / 1000;
    this.#deps.onCall?.({ command: request?.method ?? 'none', code, seconds, fields });
  }

  #about(request: Request | undefined, began: number): Fields {
    const described = request === undefined ? {} : this.#deps.describe(request);
    return { ...described, milliseconds: Math.round(performance.now() - began) };
  }
}

/** Returns the log level of a call's expected failure. */
function levelOf(method: string): 'error' | 'warn' | 'debug' {
  // STATUS is called often, and the condition that it reports is logged when it begins.
  if (method === 'STATUS') return 'debug';
  // The operator has seen the error; as a warning it does not appear in `status`.
  return method.startsWith('operator/') ? 'warn' : 'error';
}

function isGc([first]: readonly Buffer[]): boolean {
  return first?.toString('latin1', 0, gcRequestStart.length) === gcRequestStart;
}

const busy = new CniError(
  CniCode.tryAgain,
  'another large GC request is in progress',
  'Try again when that GC has ended.',
);

function noRequest(error: SyntaxError): CniError {
  return new CniError(
    CniCode.unexpected,
    `invalid request on the socket: ${error.message}`,
    'Use this socket only with the plugin and the commands of the same release.',
  );
}

/**
 * Sends the answer and waits until the caller confirms that it passed it on, or disconnects.
 * @returns false if the caller left without it; a stopped one may pass it on later
 */
function deliver(socket: Socket, frame: string): Promise<boolean> {
  if (socket.destroyed || !socket.writable) return Promise.resolve(false);
  return new Promise((resolve) => {
    const end = (mayBeTaken: boolean) => {
      clearTimeout(timer);
      resolve(mayBeTaken);
    };
    const timer = setTimeout(end, deliveryTimeoutMs, true);
    let said = '';
    socket.on('data', (chunk) => {
      said = `${said}${chunk.toString('latin1')}`.slice(0, takenFrame.length);
      if (said === takenFrame) end(true);
    });
    for (const event of ['error', 'end', 'close']) socket.on(event, () => end(false));
    socket.write(frame);
  });
}
