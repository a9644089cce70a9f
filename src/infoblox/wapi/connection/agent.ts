/** Connections to the grid's hosts: how many, how long they are kept, who shows which certificate, and what is accepted. */
import type { X509Certificate } from 'node:crypto';
import { TLSSocket } from 'node:tls';
import { Agent, buildConnector, Dispatcher } from 'undici';
import { connectTimeoutMs, NotConnected } from './connection-error.ts';
import { checkPeer, type KeyJudge, type OnFirstKey, peerName } from './peer-key.ts';

/** A certificate, with its chain, and its key, as PEM. */
export interface ClientPair {
  readonly cert: string;
  readonly key: string;
}

export interface TlsOptions {
  /** Check the grid's certificate. False accepts any, as grids come with a self-signed one. */
  readonly verify: boolean;
  /** PEM certificates to trust when `verify` is true; asked for each new connection, as they may be replaced. */
  readonly trusted?: () => readonly string[];
  /** The file that they are in, for messages. */
  readonly trustFile?: string;
  /** What this daemon shows to a grid that asks for a certificate; asked for each request, as it may be renewed. */
  readonly client?: () => ClientPair;
  /** Judges the public key of a grid host that was just connected to, before anything is sent to it. */
  readonly keys?: KeyJudge;
}

/** Told what the grid's hosts show of themselves. */
export interface PeerListeners {
  readonly onFirstKey?: OnFirstKey;
  /** Told of each certificate that is shown; a resumed TLS session shows none. */
  readonly onCertificate?: (host: string, certificate: X509Certificate) => void;
}

/**
 * Makes an agent with at most `connections` kept-alive connections a host. When the client certificate is renewed, further
 * requests go over new connections; those under way end on the old ones.
 */
export function createAgent(tls: TlsOptions, connections: number, listeners: PeerListeners = {}): Dispatcher {
  const make = (pair?: ClientPair) =>
    new Agent({
      connections,
      pipelining: 1,
      // Milliseconds, unless the server says less; reuse saves a TLS handshake and a login in the grid's audit log.
      keepAliveTimeout: 60_000,
      // WAPI is served by Apache over HTTP/1.1. HTTP/2 would put all requests on one connection, which one lost packet stops.
      allowH2: false,
      connect: checked(connectorOf(tls, pair), tls, listeners),
    });
  return tls.client === undefined ? make() : new RenewedAgent(tls.client, make);
}

/** Sends each request over a connection that shows the client certificate of the moment. */
class RenewedAgent extends Dispatcher {
  readonly #client: () => ClientPair;
  readonly #make: (pair: ClientPair) => Agent;
  #pair: ClientPair;
  #agent: Agent;

  /**
   * @param client asked for each request; the same object as long as nothing has changed
   * @param make makes the connections that show a pair
   */
  constructor(client: () => ClientPair, make: (pair: ClientPair) => Agent) {
    super();
    this.#client = client;
    this.#make = make;
    this.#pair = client();
    this.#agent = make(this.#pair);
  }

  override dispatch(options: Agent.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const pair = this.#client();
    if (pair !== this.#pair) {
      // What is under way ends there.
      void this.#agent.close();
      this.#pair = pair;
      this.#agent = this.#make(pair);
    }
    return this.#agent.dispatch(options, handler);
  }

  override destroy(): Promise<void> {
    return this.#agent.destroy();
  }
}

/**
 * Connects to a host and hangs up: it is judged, and `listeners` are told, as for a request.
 * @param host as by `peerName`
 * @throws what a connection for a request would fail with
 */
export async function greet(host: string, tls: TlsOptions, listeners: PeerListeners): Promise<void> {
  const { protocol, hostname, port } = new URL(`https://${host}`);
  const target = { protocol, host, port, hostname: hostname.replace(/^\[|\]$/g, '') };
  const connect = checked(connectorOf(tls, tls.client?.()), tls, listeners);
  await new Promise<void>((resolve, reject) => {
    connect(target, (...[error, socket]) => {
      socket?.destroy();
      if (error === null) resolve();
      else reject(error);
    });
  });
}

/** One connector as long as the trusted certificates stay the same, so that TLS sessions can be resumed. */
function connectorOf({ verify, trusted, keys }: TlsOptions, pair?: ClientPair): buildConnector.connector {
  let ca: readonly string[] | undefined;
  let connector: buildConnector.connector | undefined;
  return (options, callback) => {
    const now = trusted?.();
    if (connector === undefined || now?.join() !== ca?.join()) {
      ca = now;
      connector = buildConnector({
        timeout: connectTimeoutMs,
        allowH2: false,
        rejectUnauthorized: verify,
        // A resumed TLS session shows no certificate.
        maxCachedSessions: keys === undefined ? null : 0,
        ca: ca && [...ca],
        cert: pair?.cert,
        key: pair?.key,
      });
    }
    connector(options, callback);
  };
}

/**
 * Hands a connection on only if its peer passes: no request has been written to it by then. What fails here has sent none,
 * whatever its code: the same codes also end a connection with a request on it.
 */
function checked(
  connector: buildConnector.connector,
  { keys, trustFile }: TlsOptions,
  { onFirstKey, onCertificate }: PeerListeners,
): buildConnector.connector {
  return (options, callback) =>
    connector(options, (...[error, socket]) => {
      if (error !== null) return callback(new NotConnected(error, trustFile), null);
      // Asked once: Node 24 answers nothing the second time.
      const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
      if (certificate !== undefined) onCertificate?.(options.hostname, certificate);
      try {
        checkPeer(peerName(options.hostname, options.port), certificate, { keys, onFirstKey });
      } catch (reason) {
        socket.destroy();
        return callback(reason instanceof Error ? reason : new Error(String(reason)), null);
      }
      // With TLS 1.3 a grid refuses our certificate after the handshake. undici would forget the alert for the end that follows.
      socket.once('error', (alert) => socket.destroy(alert));
      callback(null, socket);
    });
}
