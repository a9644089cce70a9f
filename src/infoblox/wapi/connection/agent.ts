/** Makes connections to grid hosts: their number, keep-alive, client certificate, and checks of the grid's certificate. */
import type { X509Certificate } from 'node:crypto';
import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { TLSSocket } from 'node:tls';
import { Agent, buildConnector, Dispatcher } from 'undici';
import { hostClock } from '../../concurrency/clock.ts';
import { connectTimeoutMs, NotConnected } from './connection-error.ts';
import { checkPeer, type KeyJudge, type OnFirstKey, peerName } from './peer-key.ts';

/** A certificate with its chain, and its key, as PEM. */
export interface ClientPair {
  readonly cert: string;
  readonly key: string;
}

export interface TlsOptions {
  /** Whether to check the grid's certificate. False accepts any: grids come with a self-signed one. */
  readonly verify: boolean;
  /** Returns the trusted PEM certificates if `verify` is true; called for each new connection, as they may be replaced. */
  readonly trusted?: () => readonly string[];
  /** File of the trusted certificates, for messages. */
  readonly trustFile?: string;
  /** Returns the client certificate; called for each request, as it may be renewed. */
  readonly client?: () => ClientPair;
  /** Judges the public key of a grid host after the handshake, before any request. */
  readonly keys?: KeyJudge;
}

/** Callbacks about certificates and keys of grid hosts. */
export interface PeerListeners {
  readonly onFirstKey?: OnFirstKey;
  /** Called for each certificate; a resumed TLS session shows none. */
  readonly onCertificate?: (host: string, certificate: X509Certificate) => void;
}

/**
 * Makes an agent with at most `connections` keep-alive connections per host. After a renewal of the client certificate, new requests use
 * new connections; those in flight end on the old ones.
 */
export function createAgent(tls: TlsOptions, connections: number, listeners: PeerListeners = {}): Dispatcher {
  const make = (pair?: ClientPair) =>
    new Agent({
      connections,
      pipelining: 1,
      // Milliseconds, unless the server sets less. Reuse saves a TLS handshake and a login in the grid's audit log.
      keepAliveTimeout: 60_000,
      // Apache serves WAPI over HTTP/1.1. HTTP/2 would put all requests on one connection, and one lost packet would delay them all.
      allowH2: false,
      connect: checked(connectorOf(tls, pair), tls, listeners),
    });
  return tls.client === undefined ? make() : new RenewedAgent(tls.client, make);
}

/** Sends each request over a connection with the current client certificate. */
class RenewedAgent extends Dispatcher {
  readonly #client: () => ClientPair;
  readonly #make: (pair: ClientPair) => Agent;
  #pair: ClientPair;
  #agent: Agent;

  /**
   * @param client called for each request; returns the same object until the certificate changes
   * @param make makes connections with a client certificate
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
      // Requests in flight end on the old connections.
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
 * Connects to a host, judges its certificate and calls `listeners` as for a request, and disconnects.
 * @param host as returned by `peerName`
 * @throws as a connection for a request
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

/** Makes a connector; keeps one until the trusted certificates change, so that TLS sessions can be resumed. */
function connectorOf({ verify, trusted, keys }: TlsOptions, pair?: ClientPair): buildConnector.connector {
  let ca: readonly string[] | undefined;
  let connector: buildConnector.connector | undefined;
  return (options, callback) => {
    const now = trusted?.();
    if (connector === undefined || now?.join() !== ca?.join()) {
      ca = now;
      connector = buildConnector({
        timeout: connectTimeoutMs,
        lookup: lookupInTime,
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

/** Fails before the connection times out, so that the error names the resolver. node:net ignores a later answer. */
const lookupInTime: LookupFunction = (name, options, done) => {
  const noAnswer = Object.assign(new Error('no answer'), { code: 'EAI_AGAIN' });
  const cancel = hostClock().after(connectTimeoutMs - 500, () => done(noAnswer, ''));
  lookup(name, options, (...found) => {
    cancel();
    done(...found);
  });
};

/**
 * Makes a connector that checks the peer before any request is written. Failures are `NotConnected`: nothing was sent, although the same
 * error codes also occur during requests.
 */
function checked(
  connector: buildConnector.connector,
  { keys, trustFile }: TlsOptions,
  { onFirstKey, onCertificate }: PeerListeners,
): buildConnector.connector {
  return (options, callback) =>
    connector(options, (...[error, socket]) => {
      if (error !== null) return callback(new NotConnected(error, trustFile), null);
      // Read once: in Node 24 a second call returns nothing.
      const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
      if (certificate !== undefined) onCertificate?.(options.hostname, certificate);
      try {
        checkPeer(peerName(options.hostname, options.port), certificate, { keys, onFirstKey });
      } catch (reason) {
        socket.destroy();
        return callback(reason instanceof Error ? reason : new Error(String(reason)), null);
      }
      // With TLS 1.3 a grid refuses the client certificate after the handshake. undici would report the disconnect, not the alert.
      socket.once('error', (alert) => socket.destroy(alert));
      callback(null, socket);
    });
}
