/**
 * Builds the server for calls of plugins and of operator commands, with a handler for each, and the reader of release notes.
 */
import { unverifiedNotice } from './config/trust.ts';
import type { Parts } from './daemon.ts';
import { callFields, callHandlers, recordUnanswered, releaseCall } from './handlers/calls.ts';
import { forOwnNames, type Pages, shared } from './metrics/listener.ts';
import type { Metrics } from './metrics/metrics.ts';
import { auditHandler, clusterAuditHandler } from './operator/audit.ts';
import { historyHandler, leasesHandler, whoisHandler } from './operator/leases.ts';
import {
  gcByHandHandler,
  hostReservationsHandler,
  releaseBlocksHandler,
  releaseHandler,
  releaseHostBlocksHandler,
  releaseHostHandler,
} from './operator/release.ts';
import { hostPage, operatorStatusHandler } from './operator/status.ts';
import { probeHandler } from './probes.ts';
import { ReleaseNotes } from './rpc/release-notes.ts';
import type { Handlers, Request } from './rpc/request.ts';
import { CallServer } from './rpc/server.ts';
import type { Tracing } from './tracing/tracing.ts';

/** Milliseconds for which the page for people is cached: it is built from all leases. */
const pageLifetimeMs = 1_000;

/** Builds the server, the release notes and the pages. The server does not listen yet. */
export function buildCalls(parts: Parts, metrics: Metrics | undefined, tracing: Tracing) {
  const { options, store, access, core } = parts;
  const { leases, monitor, keeper } = core;
  const { conditions, clock, log } = leases;
  const { socketDir, driverName, addTimeoutMs, nodeName, metricsListen } = options;
  store.subscribe({
    changed: (mark, lease) => {
      // A pending lease is due only if its ADD dies.
      if (lease?.dueAt != null && lease.phase !== 'pending') tracing.leaseDue(mark);
    },
  });
  const describe = (request: Request) => callFields(request, options.networkView);
  const notes = new ReleaseNotes({
    socketDir,
    driverName,
    release: (params, at) =>
      tracing.call({ method: 'DEL', params }, describe, () => releaseCall({ leases, defaults: options }, params, at)),
    recordUnanswered: (call) => recordUnanswered(leases, call),
    conditions,
    clock,
    log,
  });
  const handlers: Handlers = {
    ...callHandlers({
      leases,
      monitor,
      notes,
      defaults: options,
      addTimeoutMs,
      unverified: unverifiedNotice(options.tls),
    }),
    'operator/status': operatorStatusHandler(parts),
    'operator/flags': { timeoutMs: 1_000, run: async () => ({ result: { flags: options.given } }) },
    'operator/probe': probeHandler(conditions),
    'operator/leases': leasesHandler(leases),
    'operator/audit': auditHandler(leases),
    'operator/audit-cluster': clusterAuditHandler(leases, access.inspection),
    'operator/whois': whoisHandler(parts),
    'operator/history': historyHandler(store),
    'operator/gc': gcByHandHandler(leases),
    'operator/release': releaseHandler(leases),
    'operator/host-reservations': hostReservationsHandler(leases, keeper),
    'operator/release-host': releaseHostHandler(leases),
    'operator/release-host-blocks': releaseHostBlocksHandler(leases, keeper),
    'operator/release-blocks': releaseBlocksHandler(leases, keeper),
  };
  const server = new CallServer({
    handlers,
    describe,
    onCall: (end) => {
      metrics?.call(end.command, end.code, end.seconds);
      tracing.callEnded(end);
    },
    tracing,
    log,
  });
  const page = shared(() => hostPage(parts), pageLifetimeMs);
  const pages: Pages = { '/': forOwnNames([nodeName, metricsListen?.host ?? nodeName], page) };
  return { server, notes, pages };
}
