/**
 * The calls of plugins and of operator's commands: the socket server with a handler for each, and the notes of calls that got no
 * answer.
 */
import type { Conditions } from '../../infoblox/conditions.ts';
import type { Core } from '../../infoblox/core.ts';
import type { SqliteLeaseStore } from '../../infoblox/lease/store/sqlite-store.ts';
import type { Log } from '../../infoblox/log.ts';
import type { Call } from '../protocol.ts';
import type { Options } from './config/options.ts';
import type { GridAccess } from './grid-access.ts';
import { addHandler, recordUnanswered } from './handlers/add.ts';
import { callFields } from './handlers/call.ts';
import { checkHandler, statusHandler } from './handlers/check-and-status.ts';
import { delHandler, gcHandler, releaseCall } from './handlers/del-and-gc.ts';
import type { RecentError } from './log/log.ts';
import { forOwnNames, type Pages, shared } from './metrics/listener.ts';
import type { Metrics } from './metrics/metrics.ts';
import { historyHandler, leasesHandler } from './operator/leases.ts';
import { gcByHandHandler, hostReservationsHandler, releaseHandler, releaseHostHandler } from './operator/release.ts';
import { hostPage, type OperatorStatusDeps, operatorStatusHandler } from './operator/status.ts';
import { probeHandler } from './probes.ts';
import { isPluginRequest, type Request } from './rpc/frame.ts';
import { ReleaseNotes } from './rpc/release-notes.ts';
import { CallServer } from './rpc/server.ts';
import { type Handlers, type OperatorHandlers, operatorWork, pluginWork } from './rpc/work.ts';
import type { Tracing } from './tracing/tracing.ts';

/** Of the page for people, which is made of all leases. */
const pageLifetimeMs = 1_000;

interface CallsDeps {
  readonly options: Options;
  readonly store: SqliteLeaseStore;
  readonly access: GridAccess;
  readonly core: Core;
  readonly metrics: Metrics | undefined;
  readonly tracing: Tracing;
  readonly conditions: Conditions;
  readonly recentErrors: () => readonly RecentError[];
  /** Stands in the details of STATUS while the grid's certificate is not verified. */
  readonly unverified: string | undefined;
  readonly log: Log;
}

/** Builds what serves calls; it does not listen yet. */
export function buildCalls(deps: CallsDeps) {
  const { options, store, access, core, metrics, tracing, conditions, recentErrors, unverified, log } = deps;
  const { leases, monitor, usage } = core;
  const { networks, exhaustion, names } = leases;
  const { socketDir, driverName, addTimeoutMs, networkView } = options;
  const defaults = options;
  const describe = (request: Request) => callFields(request, networkView);
  const release = (params: Call, at: number) =>
    tracing.call({ method: 'DEL', params }, describe, () => releaseCall(leases, { call: params, at, defaults }));
  const notes = new ReleaseNotes({
    socketDir,
    driverName,
    release,
    recordUnanswered: (call) => recordUnanswered(leases, call),
    conditions,
    log,
  });
  const handlers: Handlers = {
    ADD: addHandler({ leases, conditions, notes, defaults, addTimeoutMs, log }),
    DEL: delHandler(leases, defaults),
    CHECK: checkHandler(leases, defaults),
    GC: gcHandler(leases, defaults),
    STATUS: statusHandler({ conditions, monitor, networks, exhaustion, defaults, unverified }),
  };
  const status: OperatorStatusDeps = {
    startedAt: Date.now(),
    options,
    conditions,
    gridState: access.gridState,
    session: access.session,
    certificates: access.certificates,
    networks,
    usage,
    store,
    names,
    recentErrors,
  };
  const operator: OperatorHandlers = {
    'operator/status': operatorStatusHandler(status),
    'operator/probe': probeHandler(conditions),
    'operator/leases': leasesHandler(leases),
    'operator/history': historyHandler(store),
    'operator/gc': gcByHandHandler(leases),
    'operator/release': releaseHandler(leases),
    'operator/host-reservations': hostReservationsHandler(leases),
    'operator/release-host': releaseHostHandler(leases),
  };
  const server = new CallServer({
    workOf: (request) => (isPluginRequest(request) ? pluginWork(handlers, request) : operatorWork(operator, request)),
    describe,
    onCall: (end) => {
      metrics?.call(end.command, end.code, end.seconds);
      tracing.callEnded(end);
    },
    tracing,
    log,
  });
  const { nodeName, metricsListen } = options;
  const page = shared(() => hostPage(status, leases), pageLifetimeMs);
  const pages: Pages = { '/': forOwnNames([nodeName, metricsListen?.host ?? nodeName], page) };
  return { server, notes, pages };
}
