/** The daemon's side of the socket: one request a connection, answered once, and a caller that leaves is noticed. */
import { createServer, type Server, type Socket } from 'node:net';
import { CniCode, CniError } from '../../cni/errors.ts';
import { answerFrame, largestFrame, takenFrame } from '../protocol.ts';
import { asCniError } from './cni-errors.ts';
import type { Answer, ServedCommand } from './commands.ts';
import { parseRequest, type Request } from './frame.ts';
import type { Log } from './log.ts';

/** Milliseconds for a peer to send its request, and to pass its answer on. One that is stopped may yet do so. */
const peerTimeout = 5_000;
/** Connections that may wait to be accepted: a burst of container starts is no reason to refuse any. */
const backlog = 4096;

export interface ServerOptions {
  readonly run: (command: ServedCommand, call: Request['params'], gone: AbortSignal) => Promise<Answer>;
  /** Told how each call ended: CNI error code, 0 for success. */
  readonly onCall?: (command: string, code: number, seconds: number) => void;
  readonly log: Log;
}

export class CallServer {
  readonly #options: ServerOptions;
  readonly #server: Server;
  readonly #calls = new Set<Promise<void>>();

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#server = createServer({ allowHalfOpen: false }, (socket) => {
      const call = this.#serve(socket).finally(() => this.#calls.delete(call));
      this.#calls.add(call);
    });
  }

  async listen(file: string): Promise<void> {
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
      const text = await readFrame(socket);
      if (text === undefined) return;
      const { frame, undelivered } = await this.#answer(text, gone.signal);
      if (await deliver(socket, frame)) return;
      await undelivered?.();
    } catch (error) {
      this.#options.log.error('call failed', {
        reason: error instanceof Error ? (error.stack ?? error.message) : error,
      });
    } finally {
      socket.destroy();
    }
  }

  async #answer(text: string, gone: AbortSignal): Promise<{ frame: string; undelivered?: () => Promise<void> }> {
    const { run, log, onCall } = this.#options;
    const begin = performance.now();
    let request: Request | undefined;
    const about = () => ({
      ...(request === undefined
        ? {}
        : {
            command: request.method,
            network: request.params.config.name,
            container: request.params.containerId,
            interface: request.params.ifName,
          }),
      milliseconds: Math.round(performance.now() - begin),
    });
    try {
      request = parseRequest(text);
      const { result, summary, undelivered } = await run(request.method, request.params, gone);
      const level = request.method === 'ADD' || request.method === 'DEL' || request.method === 'GC' ? 'info' : 'debug';
      log[level](summary === undefined ? request.method : `${request.method}: ${summary}`, about());
      onCall?.(request.method, 0, (performance.now() - begin) / 1000);
      return { frame: answerFrame({ result: result ?? null }), ...(undelivered === undefined ? {} : { undelivered }) };
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

/** The first line that the peer sends; undefined if it sends none in time, too much, or leaves. */
function readFrame(socket: Socket): Promise<string | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const end = (text: string | undefined) => {
      clearTimeout(timer);
      socket.removeListener('data', take);
      socket.resume();
      resolve(text);
    };
    const timer = setTimeout(() => end(undefined), peerTimeout);
    const take = (chunk: Buffer) => {
      size += chunk.length;
      if (size > largestFrame) return end(undefined);
      chunks.push(chunk);
      if (chunk.includes(0x0a)) end(Buffer.concat(chunks).toString('utf8').split('\n', 1)[0] ?? '');
    };
    socket.on('data', take);
    socket.on('close', () => end(undefined));
  });
}

/**
 * Sends the answer and waits for the peer to say that it has passed it on.
 * @returns false if the peer hung up or died without that
 */
function deliver(socket: Socket, frame: string): Promise<boolean> {
  if (socket.destroyed || !socket.writable) return Promise.resolve(false);
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(true), peerTimeout);
    const end = (delivered: boolean) => {
      clearTimeout(timer);
      resolve(delivered);
    };
    let said = '';
    socket.on('data', (chunk) => {
      said = `${said}${chunk.toString('latin1')}`.slice(0, takenFrame.length);
      if (said === takenFrame) end(true);
    });
    socket.on('error', () => end(false));
    socket.on('end', () => end(false));
    socket.on('close', () => end(false));
    socket.write(frame);
  });
}
