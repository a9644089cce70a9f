/** The way to the grid: connections, session and typed requests, with a line in the log for what they change. */
import type { ExtensibleAttributes } from '../../infoblox/attributes.ts';
import type { Log } from '../../infoblox/log.ts';
import { createAgent } from '../../infoblox/wapi/agent.ts';
import { WapiClient } from '../../infoblox/wapi/client.ts';
import { Credentials } from '../../infoblox/wapi/credentials.ts';
import type { GridState } from '../../infoblox/wapi/grid-state.ts';
import { GridHosts, type WriterMemory } from '../../infoblox/wapi/hosts.ts';
import { maxConnections, Session } from '../../infoblox/wapi/session.ts';
import { createTransport } from '../../infoblox/wapi/transport.ts';
import { version } from '../build-info.ts';
import type { Options } from './config/options.ts';
import type { Metrics } from './metrics.ts';

export interface SessionDeps {
  readonly options: Options;
  readonly memory: WriterMemory;
  readonly gridState: GridState;
  readonly metrics: Metrics | undefined;
  readonly log: Log;
}

/** Sets up the session; connects to nothing yet. */
export function openSession({ options, memory, gridState, metrics, log }: SessionDeps): Session {
  const agent = createAgent(options.tls, maxConnections, (host, key) => {
    log.info('grid host seen for the first time; trusting its public key from now on', { host, key });
  });
  const transport = createTransport(agent);
  return new Session({
    transport: metrics?.watch(transport) ?? transport,
    hosts: new GridHosts(options.gridHosts, undefined, memory),
    credentials: new Credentials(options.wapiUsername, options.readPassword),
    port: options.wapiPort,
    version: options.wapiVersion,
    userAgent: `infoblox-cni/${version}`,
    onOutcome: (trouble, writes) => gridState.report(trouble, { writes }),
    onSwitch: (from, to) => {
      log.warn('another grid host serves', { from, to });
      gridState.switched();
    },
  });
}

/** Makes the client of a session, which logs the networks and views that it creates. */
export function createClient(session: Session, attributes: ExtensibleAttributes, log: Log): WapiClient {
  return new WapiClient(session, attributes, ({ kind, name, view }) => {
    if (kind !== 'network view') return log.info('created on the grid', { kind, name, view });
    const hint = 'if it is not meant to be: correct network-view, and remove the view';
    log.warn('created on the grid', { kind, name, view, hint });
  });
}
