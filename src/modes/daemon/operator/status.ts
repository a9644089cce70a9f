/** `status`: how this host is, from what the daemon knows already. Asks nobody. */
import type { Conditions } from '../../../infoblox/conditions.ts';
import type { SqliteLeaseStore } from '../../../infoblox/lease/state/store.ts';
import { shortNetworkName } from '../../../infoblox/mark.ts';
import type { Networks } from '../../../infoblox/network/networks.ts';
import type { TlsOptions } from '../../../infoblox/wapi/connection/agent.ts';
import type { GridState } from '../../../infoblox/wapi/grid-state.ts';
import type { Session } from '../../../infoblox/wapi/session.ts';
import { commit, version } from '../../build-info.ts';
import type { Status } from '../../operator-protocol.ts';
import type { Options } from '../config/options.ts';
import type { RecentError } from '../log/recent-errors.ts';
import type { OperatorHandler } from './operator-handler.ts';

export interface OperatorStatusDeps {
  /** When the daemon started, milliseconds since 1970. */
  readonly startedAt: number;
  readonly options: Options;
  readonly conditions: Conditions;
  readonly gridState: GridState;
  readonly session: Session;
  readonly networks: Networks;
  readonly store: SqliteLeaseStore;
  readonly recentErrors: () => readonly RecentError[];
}

/** Makes the handler of `status`. */
export function operatorStatusHandler(deps: OperatorStatusDeps): OperatorHandler<'operator/status'> {
  return { longest: 5_000, run: async () => ({ result: statusOf(deps) }) };
}

/** Says how this host is. */
export function statusOf(deps: OperatorStatusDeps): Status {
  const { startedAt, options, conditions, store, recentErrors } = deps;
  return {
    version,
    commit,
    startedAt,
    cluster: options.clusterName,
    node: options.nodeName,
    driver: options.driverName,
    stateDir: options.stateDir,
    grid: gridOf(deps),
    conditions: conditions.all().map(({ kind, subject, error, since }) => {
      return { kind, subject, message: error.message, hint: error.hint ?? null, since };
    }),
    networks: networksOf(deps),
    leases: { pending: store.count('pending'), bound: store.count('bound'), releasing: store.count('releasing') },
    oldestRelease: store.oldestRelease() ?? null,
    errors: [...recentErrors()],
  };
}

function gridOf({ options, gridState, session }: OperatorStatusDeps): Status['grid'] {
  const { sinceAnswer } = gridState;
  return {
    hosts: [...options.gridHosts],
    inUse: session.serving ?? null,
    answeredAt: Number.isFinite(sinceAnswer) ? Date.now() - sinceAnswer : null,
    port: options.wapiPort,
    wapiVersion: options.wapiVersion,
    user: options.wapiUsername,
    trust: trustOf(options.tls),
  };
}

function trustOf({ verify, checkKey }: TlsOptions): string {
  if (checkKey !== undefined) return 'pinned';
  return verify ? 'verified' : 'unverified';
}

/** By name and view: what leases name, and what ADDs have asked for since the start. */
function networksOf({ store, networks }: OperatorStatusDeps): Status['networks'] {
  const found = new Map<string, Status['networks'][number]>();
  const add = (name: string, view: string) => {
    const key = `${name} ${view}`;
    const known = found.get(key) ?? { name, view, cidr: null, bound: 0, total: null, used: null };
    found.set(key, known);
    return known;
  };
  for (const { network, view } of store.inPhase('bound')) add(network, view).bound += 1;
  for (const { name, network } of networks.all()) {
    add(shortNetworkName(name), network.view).cidr = network.cidr.text;
  }
  return [...found.values()].sort((one, other) => one.name.localeCompare(other.name));
}
