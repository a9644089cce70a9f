/** What the daemon does for each of the operator's commands that ask it. */
import type { ReleaseDeps } from '../../../infoblox/lease/release/release.ts';
import { probeHandler } from '../probes.ts';
import { historyHandler } from './history.ts';
import { leasesHandler } from './leases.ts';
import { hostReservationsHandler, releaseHostHandler } from './lost-host.ts';
import type { OperatorHandlers } from './operator-handler.ts';
import { gcByHandHandler, releaseHandler } from './release.ts';
import { type OperatorStatusDeps, operatorStatusHandler } from './status.ts';

/** Makes the handlers by method. */
export function operatorHandlers(deps: OperatorStatusDeps & ReleaseDeps): OperatorHandlers {
  return {
    'operator/status': operatorStatusHandler(deps),
    'operator/probe': probeHandler(deps),
    'operator/leases': leasesHandler(deps),
    'operator/history': historyHandler(deps),
    'operator/gc': gcByHandHandler(deps),
    'operator/release': releaseHandler(deps),
    'operator/host-reservations': hostReservationsHandler(deps),
    'operator/release-host': releaseHostHandler(deps),
  };
}
