/** Builds the access to the grid: connections, session, typed requests, and the state of the grid that their outcomes show. */
import type { X509Certificate } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type Clock, deadline } from '../../infoblox/concurrency/clock.ts';
import type { Conditions } from '../../infoblox/conditions.ts';
import type { Grid } from '../../infoblox/grid.ts';
import { GridState } from '../../infoblox/grid-state.ts';
import type { Log } from '../../infoblox/log.ts';
import { ExtensibleAttributes } from '../../infoblox/wapi/attributes.ts';
import type { ClientPair } from '../../infoblox/wapi/connection/agent.ts';
import { createAgent, greet, type PeerListeners, type TlsOptions } from '../../infoblox/wapi/connection/agent.ts';
import { connectionError, NotConnected } from '../../infoblox/wapi/connection/connection-error.ts';
import { type Facts, GridHosts } from '../../infoblox/wapi/connection/hosts.ts';
import { peerName } from '../../infoblox/wapi/connection/peer-key.ts';
import {
  createTransport,
  type Exchange,
  type Transport,
  type TransportAnswer,
} from '../../infoblox/wapi/connection/transport.ts';
import { Credentials } from '../../infoblox/wapi/credentials.ts';
import { GridInspection } from '../../infoblox/wapi/inspection.ts';
import { maxConnections } from '../../infoblox/wapi/request-limit.ts';
import { Session } from '../../infoblox/wapi/session.ts';
import { WapiGrid } from '../../infoblox/wapi/wapi-grid.ts';
import { version } from '../about.ts';
import type { ClientCertificate } from './config/credentials.ts';
import type { Options } from './config/options.ts';

/** For the logout. */
const logoutTimeoutMs = 2_000;

export type GridAccess = ReturnType<typeof buildGridAccess>;

interface GridAccessDeps {
  readonly options: Options;
  readonly conditions: Conditions;
  readonly clock: Clock;
  readonly facts?: Facts;
  readonly observers: readonly ExchangeObserver[];
  /** Returns a number from 0 up to 1, to spread pauses. */
  readonly random: () => number;
  readonly log: Log;
}

/** Builds the access to the grid. Connects at the first request. */
export function buildGridAccess(deps: GridAccessDeps) {
  const { options, conditions, clock, log } = deps;
  const gridState = new GridState(conditions, clock);
  /** The latest certificate of each host. */
  const certificates = new Map<string, X509Certificate>();
  const { session, meetHosts } = openSession(deps, gridState, certificates);
  const attributes = new ExtensibleAttributes(options.clusterName, options.labels, ({ name, type, value }) => {
    log.warn('extensible attribute left out: the grid does not accept it', { name, type, value });
  });
  const grid = new WapiGrid(session, attributes, deps.facts);
  /** Logs out of the grid and closes the connections. */
  const close = () => session.close(deadline(clock, logoutTimeoutMs));
  const learnAttributes = (signal: AbortSignal) => grid.learnAttributes(signal);
  const inspection = new GridInspection(session);
  return { grid: grid as Grid, learnAttributes, gridState, session, inspection, certificates, meetHosts, close };
}

function openSession(deps: GridAccessDeps, gridState: GridState, certificates: Map<string, X509Certificate>) {
  const { options, conditions, clock, facts, observers, random, log } = deps;
  const { clientCertificate } = options;
  const shown = clientCertificate && { client: () => usablePair(clientCertificate, conditions) };
  const tls: TlsOptions = { ...options.tls, ...shown };
  const listeners: PeerListeners = {
    onFirstKey: (host, key) => {
      log.info('grid host seen for the first time; trusting its public key from now on', { host, key });
      // If the whole grid was down at the start, learn the keys of the other hosts now.
      void meetHosts();
    },
    onCertificate: (host, certificate) => certificates.set(host, certificate),
  };
  const meetHosts = meeting(tls, listeners, log);
  const transport = createTransport(createAgent(tls, maxConnections, listeners), clock);
  const session = new Session({
    transport: observed(transport, observers),
    hosts: new GridHosts(options.gridHosts, clock, facts),
    credentials: new Credentials({
      username: options.wapiUsername,
      readPassword: options.readPassword,
      fingerprint: clientCertificate && (() => clientCertificate.read().pair.fingerprint),
      clock,
      random,
    }),
    clock,
    port: options.wapiPort,
    version: options.wapiVersion,
    userAgent: `infoblox-cni/${version}`,
    random,
    onOutcome: (trouble, request) => gridState.report(trouble, request),
    onSwitch: (from, to) => {
      log.warn('another grid host serves', { from, to });
      gridState.switched();
    },
  });
  return { session, meetHosts };
}

/** Milliseconds: an unanswered name lookup fails much later. */
const maxResolveMs = 2_500;

/**
 * Checks that at least one grid host has an address, so that a command fails at once where an ADD would wait.
 * @throws GridError `unreachable` if none has an address, or no resolver answers in time
 */
export async function resolveAny(
  { gridHosts, wapiPort }: Pick<Options, 'gridHosts' | 'wapiPort'>,
  resolve: (name: string) => Promise<unknown> = lookup,
): Promise<void> {
  const named = gridHosts.map(async (host) => {
    const late = delay(maxResolveMs, undefined, { ref: false }).then(() => {
      throw Object.assign(new Error('no answer'), { code: 'EAI_AGAIN' });
    });
    const name = host.replace(/[[\]]/g, '');
    await Promise.race([isIP(name) === 0 ? resolve(name) : undefined, late]).catch((error) => {
      throw connectionError(new NotConnected(error), { host: peerName(host, wapiPort), writes: false, late: false });
    });
  });
  await Promise.any(named).catch((error) => {
    throw error instanceof AggregateError ? error.errors[0] : error;
  });
}

/** Called at the begin of an exchange, and refuses it by throwing. @returns a function to call at its end, with the answer or the error */
export type ExchangeObserver = (exchange: Exchange) => (answer: TransportAnswer | undefined, error?: unknown) => void;

/** Returns a transport that reports its exchanges to observers. */
export function observed(transport: Transport, observers: readonly ExchangeObserver[]): Transport {
  return {
    async exchange(exchange) {
      const ends = observers.map((begin) => begin(exchange));
      const answer = await transport.exchange(exchange).catch((error) => {
        for (const end of ends) end(undefined, error);
        throw error;
      });
      for (const end of ends) end(answer);
      return answer;
    },
    close: () => transport.close(),
  };
}

/** Makes a function that connects to all grid hosts to learn the keys to pin, so that no host is new at a failover. */
function meeting(tls: TlsOptions, listeners: PeerListeners, log: Log): () => Promise<void> {
  let underWay: Promise<void> | undefined;
  const meet = async () => {
    const refused = (await tls.keys?.meet((host) => greet(host, tls, listeners))) ?? [];
    const hint = 'restart the daemon when the host answers, or accept its key by hand as the refusal says';
    for (const host of refused)
      log.warn('grid host not seen at the start: its key is not known, and refused', { host, hint });
  };
  return () => {
    underWay ??= meet().finally(() => {
      underWay = undefined;
    });
    return underWay;
  };
}

/** Returns the client certificate and its key, and raises a condition if they need renewal. */
function usablePair(certificate: ClientCertificate, conditions: Conditions): ClientPair {
  const { pair, trouble } = certificate.read();
  if (trouble === undefined) conditions.clear('client-certificate');
  else conditions.raise('client-certificate', trouble);
  return pair;
}
