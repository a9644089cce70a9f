import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import type { Certificate } from './certificate.ts';
import { listenAtFreePort } from './free-port.ts';

export type RequestListener = (request: IncomingMessage, response: ServerResponse, connection: number) => void;

export interface HttpsServerOptions {
  readonly certificate: Pick<Certificate, 'key' | 'cert'>;
  /** PEM of the CA for client certificates; undefined: none is requested. */
  readonly clientCa: string | undefined;
  /** To listen on. */
  readonly address: string;
}

/** An HTTPS server with keep-alive. Counts its connections and can cut them; can be closed and reopened. */
export class HttpsServer {
  readonly #server: Server;
  readonly #address: string;
  /** The TCP sockets under TLS, by the client's port: only those can be reset. */
  readonly #sockets = new Map<number, Socket>();
  readonly #numbers = new WeakMap<object, number>();
  #accepted = 0;
  #port = 0;

  constructor({ certificate: { key, cert }, clientCa, address }: HttpsServerOptions, listener: RequestListener) {
    this.#address = address;
    const asking = clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true };
    this.#server = createServer(
      { key, cert, keepAliveTimeout: 60_000, maxHeaderSize: 64 * 1024, ...asking },
      (request, response) => {
        listener(request, response, this.#numbers.get(request.socket) ?? 0);
      },
    );
    this.#server.on('connection', (socket: Socket) => {
      const port = socket.remotePort ?? 0;
      this.#sockets.set(port, socket);
      socket.once('close', () => this.#sockets.delete(port));
    });
    this.#server.on('secureConnection', (socket) => {
      this.#numbers.set(socket, ++this.#accepted);
      // Ignore clients that disconnect during an answer.
      socket.on('error', () => {});
    });
    this.#server.on('tlsClientError', () => {});
  }

  get port(): number {
    return this.#port;
  }

  /** TLS connections accepted since the start. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Listens on a port, 0 for any free one; rejects with EADDRINUSE and the like. */
  async listen(port = this.#port): Promise<void> {
    const listen = (port: number) => once(this.#server.listen(port, this.#address), 'listening');
    if (port === 0) this.#port = await listenAtFreePort(listen);
    else {
      await listen(port);
      this.#port = port;
    }
  }

  /** Cuts every connection and stops listening: connects are refused until the next `listen`. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets.values()) socket.destroy();
    this.#server.closeAllConnections();
    await closed;
  }

  /** Ends the connection of a request with a TCP reset. */
  reset(request: IncomingMessage): void {
    this.#sockets.get(request.socket.remotePort ?? 0)?.resetAndDestroy();
    request.socket.destroy();
  }
}
