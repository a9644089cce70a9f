/** CHECK and STATUS: they change nothing. STATUS goes by what is known already: it is asked often and must not wait for the grid. */
import { CniCode, CniError } from '../../../cni/errors.ts';
import { parseNetconf } from '../../../cni/netconf.ts';
import type { Conditions } from '../../../infoblox/conditions.ts';
import type { GridError } from '../../../infoblox/errors.ts';
import type { GridMonitor } from '../../../infoblox/grid-monitor.ts';
import { checkLease } from '../../../infoblox/lease/check.ts';
import type { LeaseDeps } from '../../../infoblox/lease/deps.ts';
import type { Exhaustion } from '../../../infoblox/network/exhaustion.ts';
import type { Networks } from '../../../infoblox/network/networks.ts';
import { type NetworkSpec, specText } from '../../../infoblox/network/spec.ts';
import { servingTrouble } from '../probes.ts';
import { notAvailable } from '../rpc/cni-errors.ts';
import type { Handler } from '../rpc/work.ts';
import { attachmentOf } from './call.ts';
import { type SpecDefaults, specOf, viewOf } from './network-spec.ts';

/** Milliseconds. */
const checkTimeoutMs = 12_000;

/** Makes the handler of CHECK. */
export function checkHandler(deps: LeaseDeps, defaults: SpecDefaults): Handler {
  return {
    timeoutMs: checkTimeoutMs,
    async run(call) {
      const netconf = parseNetconf(call.config, 'CHECK');
      const attachment = attachmentOf(netconf, call);
      if (netconf.prevResult === undefined) {
        throw new CniError(
          CniCode.invalidConfig,
          'CHECK needs the result of ADD, and prevResult is missing in the network configuration',
          'The runtime must pass the result of ADD as prevResult.',
        );
      }
      const addresses = netconf.prevResult.addresses.map((address) => address.replace(/\/.*/, ''));
      const view = viewOf(netconf, defaults);
      await checkLease(deps, { attachment, view, addresses }, AbortSignal.timeout(checkTimeoutMs));
      return {};
    },
  };
}

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
    timeoutMs: 0,
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
