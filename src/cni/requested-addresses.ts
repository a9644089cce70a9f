/**
 * Which addresses a caller asks for by name (CONVENTIONS "ips", "args"). The most explicit source wins: the capability
 * `ips`, then `args`, then CNI_ARGS. They are alternatives, where the reference's host-local adds them up. Daemon only.
 */
import type { CniArgs } from './args.ts';
import { isRequestableAddress } from './config-check.ts';
import { CniCode, CniError } from './errors.ts';
import type { Netconf } from './netconf.ts';

/**
 * @returns addresses as written, with prefix length if written so; empty if the caller asks for none.
 * @throws CniError 4 if IP= of CNI_ARGS is the source and is no address.
 */
export function requestedAddresses(netconf: Pick<Netconf, 'runtimeIps' | 'argsIps'>, args: CniArgs): readonly string[] {
  if (netconf.runtimeIps.length > 0) return netconf.runtimeIps;
  if (netconf.argsIps.length > 0) return netconf.argsIps;
  if (args.ip === undefined) return [];
  if (!isRequestableAddress(args.ip)) {
    throw new CniError(
      CniCode.invalidEnvironment,
      `invalid CNI_ARGS: IP=${JSON.stringify(args.ip.slice(0, 80))} is not an address`,
      'Ask for an address such as IP=10.0.0.5 or IP=10.0.0.5/24, or leave IP out.',
    );
  }
  return [args.ip];
}
