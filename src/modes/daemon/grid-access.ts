/** The way to the grid: connections, session, typed requests, and what their ends say about the grid. */
import type { X509Certificate } from 'node:crypto';
import { ExtensibleAttributes } from '../../infoblox/attributes.ts';
import type { Conditions } from '../../infoblox/conditions.ts';
import type { Log } from '../../infoblox/log.ts';
import { WapiClient } from '../../infoblox/wapi/client.ts';
import { createAgent } from '../../infoblox/wapi/connection/agent.ts';
import { GridHosts, type WriterMemory } from '../../infoblox/wapi/connection/hosts.ts';
import type { ClientPair } from '../../infoblox/wapi/connection/renewed-agent.ts';
import { createTransport, type Transport } from '../../infoblox/wapi/connection/transport.ts';
import { Credentials } from '../../infoblox/wapi/credentials.ts';
import { GridState } from '../../infoblox/wapi/grid-state.ts';
import { GridInspection } from '../../infoblox/wapi/inspection.ts';
import { maxConnections, Session } from '../../infoblox/wapi/session.ts';
import { version } from '../build-info.ts';
import type { ClientCertificate } from './config/client-certificate.ts';
import type { Options } from './config/options.ts';

/** Milliseconds for the session to end on the grid. */
const logoutTimeout = 2_000;

export type GridAccess = ReturnType<typeof buildGridAccess>;

interface GridAccessDeps {
  readonly options: Options;
  readonly conditions: Conditions;
  readonly memory?: WriterMemory;
  /** Stands between the session and the connections, and sees what is exchanged with the grid. */
  readonly watch?: ((transport: Transport) => Transport) | undefined;
  readonly log: Log;
}

/** Builds what requests to the grid need; connects to nothing yet. */
export function buildGridAccess(deps: GridAccessDeps) {
  const { options, conditions, log } = deps;
  const gridState = new GridState(conditions);
  /** The last that each host has shown. */
  const certificates = new Map<string, X509Certificate>();
  const session = openSession(deps, gridState, certificates);
  const attributes = new ExtensibleAttributes(options.clusterName, options.labels, ({ name, type, value }) => {
    log.warn('extensible attribute left out: the grid does not accept it', { name, type, value });
  });
  const wapi = new WapiClient(session, attributes, ({ kind, name, view }) => {
    if (kind !== 'network view') return log.info('created on the grid', { kind, name, view });
    const hint = 'if it is not meant to be: correct network-view, and remove the view';
    log.warn('created on the grid', { kind, name, view, hint });
  });
  /** Ends the session on the grid and closes the connections. */
  const close = () => session.close(AbortSignal.timeout(logoutTimeout));
  return { gridState, session, wapi, inspection: new GridInspection(session), certificates, close };
}

function openSession(deps: GridAccessDeps, gridState: GridState, certificates: Map<string, X509Certificate>): Session {
  const { options, conditions, memory, watch, log } = deps;
  const { clientCertificate } = options;
  const shown = clientCertificate && { client: () => usablePair(clientCertificate, conditions) };
  const agent = createAgent({ ...options.tls, ...shown }, maxConnections, {
    onFirstKey: (host, key) => {
      log.info('grid host seen for the first time; trusting its public key from now on', { host, key });
    },
    onCertificate: (host, certificate) => certificates.set(host, certificate),
  });
  const transport = createTransport(agent);
  return new Session({
    transport: watch?.(transport) ?? transport,
    hosts: new GridHosts(options.gridHosts, undefined, memory),
    credentials: new Credentials({
      username: options.wapiUsername,
      readPassword: options.readPassword,
      fingerprint: clientCertificate && (() => clientCertificate.read().pair.fingerprint),
    }),
    port: options.wapiPort,
    version: options.wapiVersion,
    userAgent: `infoblox-cni/${version}`,
    onOutcome: (trouble, request) => gridState.report(trouble, request),
    onSwitch: (from, to) => {
      log.warn('another grid host serves', { from, to });
      gridState.switched();
    },
  });
}

/** Gives what to show to the grid, and says what has to be done about it. */
function usablePair(certificate: ClientCertificate, conditions: Conditions): ClientPair {
  const { pair, trouble } = certificate.read();
  if (trouble === undefined) conditions.clear('client-certificate');
  else conditions.raise('client-certificate', trouble);
  return pair;
}
