/** CHECK: does the attachment still have what its ADD was answered with? */
import { CniCode, CniError } from '../../../cni/errors.ts';
import { parseNetconf } from '../../../cni/netconf.ts';
import { checkLease } from '../../../infoblox/lease/check.ts';
import type { LeaseDeps } from '../../../infoblox/lease/deps.ts';
import { attachmentOf } from './attachment.ts';
import type { Handler } from './handler.ts';
import { type SpecDefaults, viewOf } from './network-spec.ts';

/** Milliseconds. */
const longest = 12_000;

/** Makes the handler of CHECK. */
export function checkHandler(deps: LeaseDeps & { readonly defaults: SpecDefaults }): Handler {
  return {
    longest,
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
      const view = viewOf(netconf, deps.defaults);
      await checkLease(deps, { attachment, view, addresses }, AbortSignal.timeout(longest));
      return {};
    },
  };
}
