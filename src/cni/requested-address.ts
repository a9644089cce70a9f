/**
 * The address that a caller requests (CONVENTIONS "ips", "args"). The most explicit source wins: the capability
 * `ips`, then `args`, then CNI_ARGS. They are alternatives, where the reference's host-local adds them up. Daemon only.
 */
import type { CniArgs } from './args.ts';
import { isRequestableAddress } from './config-check.ts';
import { CniCode, CniError } from './errors.ts';
import type { Netconf } from './netconf.ts';

/**
 * Finds the address that a caller requests.
 * @returns the IPv4 address without prefix length; undefined if the caller asks for none
 * @throws CniError 4 if IP= of CNI_ARGS is the source and is no address; 105 if what is asked for cannot be had: more
 * than one address, or one of IPv6
 */
export function requestedAddress(netconf: Pick<Netconf, 'runtimeIps' | 'argsIps'>, args: CniArgs): string | undefined {
  const requested = mostExplicit(netconf, args);
  const [first, ...more] = requested;
  if (first === undefined) return undefined;
  if (more.length > 0) {
    throw new CniError(
      CniCode.addressNotAvailable,
      `${requested.length} addresses are requested (${requested.join(', ')}), an attachment gets one`,
      'Request one IPv4 address.',
    );
  }
  if (first.includes(':')) {
    throw new CniError(
      CniCode.addressNotAvailable,
      `${first} is requested: IPv6 is not supported yet`,
      'Request an IPv4 address.',
    );
  }
  return first.replace(/\/.*/, '');
}

/** Addresses as written, with prefix length if written so. What loses is not judged. */
function mostExplicit(
  { runtimeIps, argsIps }: Pick<Netconf, 'runtimeIps' | 'argsIps'>,
  { ip }: CniArgs,
): readonly string[] {
  if (runtimeIps.length > 0) return runtimeIps;
  if (argsIps.length > 0) return argsIps;
  if (ip === undefined) return [];
  if (!isRequestableAddress(ip)) {
    throw new CniError(
      CniCode.invalidEnvironment,
      `invalid CNI_ARGS: IP=${JSON.stringify(ip.slice(0, 80))} is not an address`,
      'Ask for an address such as IP=10.0.0.5 or IP=10.0.0.5/24, or leave IP out.',
    );
  }
  return [ip];
}
