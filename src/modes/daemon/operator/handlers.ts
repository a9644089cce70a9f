/** What the daemon does for each of the operator's commands that ask it. */

import type { LeaseDeps } from '../../../infoblox/lease/deps.ts';
import { historyHandler } from './history.ts';
import { leasesHandler } from './leases.ts';
import { hostReservationsHandler, releaseHostHandler } from './lost-host.ts';
import type { OperatorHandlers } from './operator-handler.ts';
import { gcByHandHandler, type OperatorReleaseDeps, releaseHandler } from './release.ts';
import { type OperatorStatusDeps, operatorStatusHandler } from './status.ts';

type OperatorDeps = OperatorStatusDeps & OperatorReleaseDeps & LeaseDeps;

/** Makes the handlers by method. */
export function operatorHandlers(deps: OperatorDeps): OperatorHandlers {
  return {
    'operator/status': operatorStatusHandler(deps),
    'operator/leases': leasesHandler(deps),
    'operator/history': historyHandler(deps),
    'operator/gc': gcByHandHandler(deps),
    'operator/release': releaseHandler(deps),
    'operator/host-reservations': hostReservationsHandler(deps),
    'operator/release-host': releaseHostHandler(deps),
  };
}
