/**
 * The calls of plugins and of operator's commands: the socket server with a handler for each, and the notes of calls that got no
 * answer.
 */
import type { Conditions } from '../../infoblox/conditions.ts';
import type { Log } from '../../infoblox/log.ts';
import type { Options } from './config/options.ts';
import type { GridAccess } from './grid-access.ts';
import type { GridMonitor } from './grid-monitor.ts';
import { addHandler, recordUnanswered } from './handlers/add.ts';
import { callFields } from './handlers/call.ts';
import { checkHandler, statusHandler } from './handlers/check-and-status.ts';
import { delHandler, gcHandler, releaseCall } from './handlers/del-and-gc.ts';
import type { Leases } from './leases.ts';
import type { RecentError } from './log/log.ts';
import { forOwnNames, type Pages, shared } from './metrics/listener.ts';
import type { Metrics } from './metrics/metrics.ts';
import { historyHandler, leasesHandler } from './operator/leases.ts';
import { gcByHandHandler, hostReservationsHandler, releaseHandler, releaseHostHandler } from './operator/release.ts';
import { hostPage, operatorStatusHandler } from './operator/status.ts';
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
  readonly conditions: Conditions;
  readonly leases: Leases;
  readonly grid: GridAccess;
  readonly monitor: GridMonitor;
  readonly recentErrors: () => readonly RecentError[];
  readonly metrics: Metrics | undefined;
  /** Stands in the details of STATUS while the grid's certificate is not verified. */
  readonly unverified: string | undefined;
  readonly tracing: Tracing;
  readonly log: Log;
}

/** Builds what serves calls; it does not listen yet. */
export function buildCalls(deps: CallsDeps) {
  const { options, conditions, leases, monitor, metrics, unverified, tracing, log } = deps;
  const { socketDir, driverName, addTimeout, networkView } = options;
  const defaults = options;
  const { networks, exhaustion, allocator } = leases;
  const del = { ...leases, defaults };
  const describe = (request: Request) => callFields(request, networkView);
  const notes = new ReleaseNotes({
    socketDir,
    driverName,
    release: (params, at) => tracing.call({ method: 'DEL', params }, describe, () => releaseCall(del, params, at)),
    recordUnanswered: (call) => recordUnanswered(leases, call),
    conditions,
    log,
  });
  const handlers: Handlers = {
    ADD: addHandler({ allocator, conditions, notes, defaults, addTimeout, log }),
    DEL: delHandler(del),
    CHECK: checkHandler({ ...leases, defaults }),
    GC: gcHandler({ ...leases, defaults }),
    STATUS: statusHandler({ conditions, monitor, networks, exhaustion, defaults, unverified }),
  };
  const operatorDeps = { ...deps, ...deps.grid, ...leases, startedAt: Date.now() };
  const operator: OperatorHandlers = {
    'operator/status': operatorStatusHandler(operatorDeps),
    'operator/probe': probeHandler(operatorDeps),
    'operator/leases': leasesHandler(operatorDeps),
    'operator/history': historyHandler(operatorDeps),
    'operator/gc': gcByHandHandler(operatorDeps),
    'operator/release': releaseHandler(operatorDeps),
    'operator/host-reservations': hostReservationsHandler(operatorDeps),
    'operator/release-host': releaseHostHandler(operatorDeps),
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
  const page = shared(() => hostPage(operatorDeps), pageLifetimeMs);
  const pages: Pages = { '/': forOwnNames([nodeName, metricsListen?.host ?? nodeName], page) };
  return { server, notes, pages };
}
