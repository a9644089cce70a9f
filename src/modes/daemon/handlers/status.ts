/** STATUS: can the next ADD be served? From what is known already: it is asked often and must not wait for the grid. */
import { parseNetconf } from '../../../cni/netconf.ts';
import type { Conditions } from '../../../infoblox/conditions.ts';
import type { GridError } from '../../../infoblox/errors.ts';
import type { Exhaustion } from '../../../infoblox/network/exhaustion.ts';
import type { Networks } from '../../../infoblox/network/networks.ts';
import { type NetworkSpec, specText } from '../../../infoblox/network/spec.ts';
import type { GridMonitor } from '../grid-monitor.ts';
import { servingTrouble } from '../probes.ts';
import { notAvailable } from './cni-errors.ts';
import type { Handler } from './handler.ts';
import { type SpecDefaults, specOf } from './network-spec.ts';

interface StatusDeps {
  readonly conditions: Conditions;
  readonly monitor: GridMonitor;
  readonly networks: Networks;
  readonly exhaustion: Exhaustion;
  readonly defaults: SpecDefaults;
  /** Stands in the details while the grid's certificate is not verified. */
  readonly unverified: string | undefined;
}

/** Makes the handler of STATUS. */
export function statusHandler(deps: StatusDeps): Handler {
  return {
    longest: 0,
    async run(call) {
      const spec = specOf(parseNetconf(call.config, 'STATUS'), deps.defaults);
      deps.monitor.refresh();
      const reason = notReadyReason(deps, spec);
      if (reason !== undefined) throw notAvailable(reason, deps.unverified);
      return {};
    },
  };
}

/** Why STATUS reports "not available"; undefined if nothing is known to keep the next ADD from being served. */
function notReadyReason({ conditions, networks, exhaustion }: StatusDeps, spec: NetworkSpec): GridError | undefined {
  const condition = servingTrouble(conditions) ?? conditions.find('network-refused', specText(spec));
  if (condition !== undefined) return condition.error;
  const network = networks.known(spec);
  return network === undefined ? undefined : exhaustion.known(network);
}
