/** What the daemon does for each of the operator's commands that ask it. */
import { historyHandler } from './history.ts';
import { leasesHandler } from './leases.ts';
import type { OperatorHandlers } from './operator-handler.ts';
import { gcByHandHandler, type OperatorReleaseDeps, releaseHandler } from './release.ts';
import { type OperatorStatusDeps, operatorStatusHandler } from './status.ts';

export type OperatorDeps = OperatorStatusDeps & OperatorReleaseDeps;

/** Makes the handlers by method. */
export function operatorHandlers(deps: OperatorDeps): OperatorHandlers {
  return {
    'operator/status': operatorStatusHandler(deps),
    'operator/leases': leasesHandler(deps),
    'operator/history': historyHandler(deps),
    'operator/gc': gcByHandHandler(deps),
    'operator/release': releaseHandler(deps),
  };
}
