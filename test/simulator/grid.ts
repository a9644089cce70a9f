import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FixedAddressSnapshot, GridContents, type NetworkSnapshot, type WapiObject } from './grid-contents.ts';
import { type Certificate, makeCertificate } from './http/certificate.ts';
import { type ExchangeContext, exchange } from './http/exchange.ts';
import { type Fault, Faults, type HeldRequests } from './http/faults.ts';
import { HttpsServer } from './http/https-server.ts';
import type { RequestRecord } from './http/request-log.ts';
import { Sessions } from './http/sessions.ts';
import { installFactoryObjects } from './rules/factory-objects.ts';
import { Database, type Quirks } from './store/database.ts';
import type { Values } from './store/grid-objects.ts';
import { WAPI_VERSIONS } from './wapi/versions.ts';
import { type ServiceSettings, WapiService } from './wapi/wapi-service.ts';

export type { FixedAddressSnapshot, NetworkSnapshot, WapiObject } from './grid-contents.ts';
export type { Effect, Fault, HeldRequests } from './http/faults.ts';
export type { RequestRecord } from './http/request-log.ts';

const loopback = '127.0.0.1';
const anyAddress = '0.0.0.0';

export interface GridOptions {
  /** TCP port; 0, the default, picks a free one. */
  readonly port?: number;
  /** Address to listen on; 127.0.0.1 by default. */
  readonly listen?: string | undefined;
  /** The name or address that clients use, for the certificate; default: the listening address. */
  readonly hostName?: string | undefined;
  readonly username?: string;
  readonly password?: string;
  /** Minimum milliseconds of every request. */
  readonly latencyMs?: number;
  /** Extensible attributes defined from the start. */
  readonly attributes?: readonly string[];
  /** Installs the cloud licence: its attributes are defined and `_proxy_search` is known. */
  readonly cloudLicence?: boolean;
  /** The user is a cloud API user; implies the licence. */
  readonly cloudUser?: boolean;
  /** Idle seconds after which a session expires. */
  readonly sessionSeconds?: number;
  /** Clients must show a certificate of this CA, whose common name is the user, with the password or instead of it. */
  readonly clientCertificates?: { readonly ca: string; readonly password: 'with' | 'instead' };
  /** Days until the grid's certificate expires; negative if it has expired. */
  readonly certificateDays?: number;
  /** WAPI versions served. */
  readonly versions?: readonly string[];
  /** Called when a request is over, for logs. */
  readonly onFinished?: (record: RequestRecord) => void;
}

/** A running grid. The administrator's methods bypass HTTP, authentication and faults. */
export interface Grid {
  /** What clients call it. */
  readonly host: string;
  readonly port: number;
  /** `https://<host>:<port>`, without a path. */
  readonly url: string;
  /** PEM file with the certificate, in a temporary directory that `stop` removes. */
  readonly caFile: string;
  readonly username: string;
  /** A change keeps open sessions. */
  password: string;
  latencyMs: number;
  /** Refuses writes with a 400. */
  readOnly: boolean;
  /** Object types that the user may not read. */
  readonly denied: Set<string>;
  /** Behaviour that no source describes. */
  readonly quirks: Quirks;
  /** Milliseconds by which the grid's clock, shown in its answers, is ahead of the host's. */
  clockAhead: number;
  /** Requests in the order of arrival, since the start or the last `clearLog`; so are the counters below. */
  readonly requests: readonly RequestRecord[];
  /** TLS connections accepted. */
  readonly connections: number;
  readonly logins: number;
  readonly wrongPasswords: number;
  /** Maximum number of concurrent requests. */
  readonly inFlightMax: number;
  clearLog(): void;
  objects(type: string): WapiObject[];
  fixedAddresses(view?: string): FixedAddressSnapshot[];
  networks(view?: string): NetworkSnapshot[];
  /**
   * Creates an object and returns its reference.
   * @throws WapiError as HTTP would answer it
   */
  add(type: string, fields: Values): string;
  /** Changes fields of an object and returns its reference, possibly a new one. */
  update(reference: string, fields: Values): string;
  remove(reference: string): void;
  expireSessions(): void;
  /** Arms a fault; returns a function that disarms it. */
  inject(fault: Fault): () => void;
  /** Lets matching requests wait until the test releases them, by default one. */
  hold(requests: Omit<Fault, 'effect'>): HeldRequests;
  /** Cuts all connections and refuses new ones until `resume`, on the same port. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Cuts all connections, drops late commits, removes the certificate. */
  stop(): Promise<void>;
}

/** Starts a grid; rejects when it cannot listen. */
export async function startGrid(options: GridOptions = {}): Promise<Grid> {
  const { listen = loopback, certificateDays: validDays } = options;
  const { hostName = listen === anyAddress ? loopback : listen } = options;
  const certificate = await makeCertificate({ validDays, names: [hostName, listen] });
  const grid = new SimulatedGrid({ ...options, listen, hostName }, certificate);
  try {
    await grid.listen(options.port ?? 0);
  } catch (error) {
    await certificate.remove();
    throw error;
  }
  return grid;
}

class SimulatedGrid extends GridContents implements Grid {
  readonly host: string;
  readonly username: string;
  latencyMs: number;
  clockAhead = 0;
  readonly denied = new Set<string>();
  inFlightMax = 0;
  readonly requests: RequestRecord[] = [];
  readonly #certificate: Certificate;
  readonly #server: HttpsServer;
  readonly #sessions: Sessions;
  readonly #faults = new Faults();
  readonly #settings: ServiceSettings;
  readonly #onFinished: (record: RequestRecord) => void;
  readonly #context: ExchangeContext;
  #inFlight = 0;
  #isStopped = false;
  #connectionsBefore = 0;

  constructor(options: GridOptions & { readonly listen: string; readonly hostName: string }, certificate: Certificate) {
    const db = new Database();
    super(db);
    const { username = 'admin', password = 'infoblox', latencyMs = 0, attributes = [], cloudUser = false } = options;
    const cloud = options.cloudLicence === true || cloudUser;
    installFactoryObjects(db, { username, attributes, cloudLicence: cloud });
    this.host = options.hostName;
    this.username = username;
    this.latencyMs = latencyMs;
    this.#certificate = certificate;
    this.#onFinished = options.onFinished ?? (() => {});
    this.#settings = {
      versions: options.versions ?? WAPI_VERSIONS,
      cloud,
      cloudUser,
      readOnly: false,
      denied: this.denied,
    };
    const { clientCertificates: asked, sessionSeconds: idleSeconds = 600 } = options;
    this.#sessions = new Sessions(username, password, { idleSeconds, passwordWith: asked?.password === 'with' });
    this.#context = this.#exchangeContext(new WapiService(db, this.#settings));
    const { listen: address } = options;
    this.#server = new HttpsServer({ certificate, clientCa: asked?.ca, address }, (...exchanged) =>
      this.#serve(...exchanged),
    );
  }

  get port(): number {
    return this.#server.port;
  }

  get url(): string {
    return `https://${this.host}:${this.port}`;
  }

  get caFile(): string {
    return this.#certificate.caFile;
  }

  get connections(): number {
    return this.#server.accepted - this.#connectionsBefore;
  }

  get logins(): number {
    return this.#sessions.logins;
  }

  get wrongPasswords(): number {
    return this.#sessions.wrongPasswords;
  }

  get password(): string {
    return this.#sessions.password;
  }

  set password(password: string) {
    this.#sessions.password = password;
  }

  get readOnly(): boolean {
    return this.#settings.readOnly;
  }

  set readOnly(readOnly: boolean) {
    this.#settings.readOnly = readOnly;
  }

  listen(port: number): Promise<void> {
    return this.#server.listen(port);
  }

  clearLog(): void {
    this.requests.length = 0;
    this.inFlightMax = this.#inFlight;
    this.#sessions.logins = 0;
    this.#sessions.wrongPasswords = 0;
    this.#connectionsBefore = this.#server.accepted;
  }

  expireSessions(): void {
    this.#sessions.expireAll();
  }

  inject(fault: Fault): () => void {
    return this.#faults.inject(fault);
  }

  hold(requests: Omit<Fault, 'effect'>): HeldRequests {
    return this.#faults.hold(requests);
  }

  pause(): Promise<void> {
    return this.#server.close();
  }

  resume(): Promise<void> {
    return this.#server.listen();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#server.close();
    await this.#certificate.remove();
  }

  #serve(request: IncomingMessage, response: ServerResponse, connection: number): void {
    exchange(this.#context, request, response, connection).catch((error: Error) => {
      // Either the client disconnected while sending, or this is a bug of the simulator, which must not look like a
      // grid's answer.
      if (request.socket.destroyed || response.headersSent) return request.socket.destroy();
      return response.writeHead(500, { 'content-type': 'text/plain' }).end(`Bug in the simulator: ${error.stack}`);
    });
  }

  #exchangeContext(service: WapiService): ExchangeContext {
    return {
      sessions: this.#sessions,
      faults: this.#faults,
      service,
      latencyMs: () => this.latencyMs,
      clockAhead: () => this.clockAhead,
      arrived: (record) => {
        this.requests.push(record);
        this.inFlightMax = Math.max(this.inFlightMax, ++this.#inFlight);
      },
      finished: (record) => {
        this.#inFlight--;
        this.#onFinished(record);
      },
      reset: (request) => this.#server.reset(request),
      later: (after, run) => {
        const wait = typeof after === 'number' ? sleep(after, undefined, { ref: false }) : after;
        void wait.then(() => this.#isStopped || run());
      },
    };
  }
}
