/**
 * The daemon's side of the socket: one request a connection, accepted at once and answered once, and a caller that leaves is noticed.
 * How much a peer may make the daemon hold is bounded: an ordinary request by its size, the list of a GC, which may be 16 times as long,
 * also by how many there are at a time.
 */
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

/** For a peer to send its request. */
const sendTimeoutMs = 5_000;
/** For a peer to pass its answer on. One that is stopped may yet do so. */
const deliveryTimeoutMs = 5_000;
/** Connections that may wait to be accepted: a burst of container starts is no reason to refuse any. */
const backlog = 4096;

interface ServerDeps {
  readonly handlers: Handlers;
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

const stopped = new GridError('busy', 'the daemon is stopping', { hint: 'try again when it runs again' });

export class CallServer {
  readonly #deps: ServerDeps;
  readonly #server: Server;
  readonly #calls = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  /** Whose request is a long one. */
  #long: Socket | undefined;

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
      const outgoing = await this.#answer(socket, gone.signal);
      if (outgoing === undefined) return;
      const delivery = await deliver(socket, outgoing.frame);
      if (delivery === 'taken') outgoing.delivered?.();
      if (delivery === 'left') await outgoing.undelivered?.();
    } catch (error) {
      this.#deps.log.error('call failed', { error: error instanceof Error ? (error.stack ?? error.message) : error });
    } finally {
      if (this.#long === socket) this.#long = undefined;
      socket.destroy();
    }
  }

  /** @returns undefined if the peer is to be left alone */
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
   * @returns undefined if the peer sends no line in time, too long a one, or leaves
   * @throws CniError for a long one that would be too much at the moment
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
      // All else is a connection that has broken.
      if (error === busy) throw error;
    } finally {
      clearTimeout(timer);
      // From now on it is said when the peer leaves.
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
      const { result, fields, delivered, undelivered } = await handler.run(request.params, {
        gone,
        stopping: this.#stopping.signal,
        tell: (progress) => void socket.write(progressFrame(progress)),
      });
      const all = { ...this.#about(request, began), ...fields };
      this.#deps.log[handler.changes ? 'info' : 'debug'](request.method, all);
      this.#end(request, { code: 0, began, fields: all });
      return { frame: answerFrame({ result: result ?? null }), delivered, undelivered };
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

/** The level of a call's failure that was to be expected. */
function levelOf(method: string): 'error' | 'warn' | 'debug' {
  // It is asked often, and the condition that it reports is logged when it begins.
  if (method === 'STATUS') return 'debug';
  // Whoever has typed a command has read why it failed: it is nothing that `status` has to tell of.
  return method.startsWith('operator/') ? 'warn' : 'error';
}

function isGc([first]: readonly Buffer[]): boolean {
  return first?.toString('latin1', 0, gcRequestStart.length) === gcRequestStart;
}

const busy = new CniError(
  CniCode.tryAgain,
  'the list of another GC is being worked on, and both together would be too much at a time',
  'Try again when that GC has ended.',
);

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
