/**
 * CNI_ARGS: `K=V;K2=V2` (SPEC section 2 "Parameters", CONVENTIONS "CNI_ARGS"), and the address that a caller requests, there or elsewhere. Used by
 * the daemon only.
 *
 * More lenient than the reference: unknown keys are ignored with or without IgnoreUnknown, and so is a malformed
 * pair. Only IP decides about an address; a container shall not fail over any other argument.
 */
import { parseAddress, parseCidr } from './address.ts';
import { isRequestableAddress } from './config-check.ts';
import { CniCode, CniError } from './errors.ts';
import type { Netconf } from './netconf.ts';

/** The arguments that this plugin knows. An empty value counts as absent. */
export interface CniArgs {
  /** Not judged here: `requestedAddress` does, since only ADD depends on it. */
  readonly ip?: string;
  readonly podName?: string;
  readonly podNamespace?: string;
  readonly podUid?: string;
  readonly nomadNamespace?: string;
  readonly nomadRegion?: string;
  readonly nomadJob?: string;
  readonly nomadGroup?: string;
  readonly nomadAllocation?: string;
}

/**
 * Kubernetes' runtimes and podman set the K8S ones, Nomad its own, and leaves out what holds a semicolon (Nomad documentation, "Use a
 * CNI network with a job"). Nomad sends none with a DEL.
 */
const fieldOf = {
  IP: 'ip',
  K8S_POD_NAME: 'podName',
  K8S_POD_NAMESPACE: 'podNamespace',
  K8S_POD_UID: 'podUid',
  NOMAD_NAMESPACE: 'nomadNamespace',
  NOMAD_REGION: 'nomadRegion',
  NOMAD_JOB_ID: 'nomadJob',
  NOMAD_GROUP_NAME: 'nomadGroup',
  NOMAD_ALLOC_ID: 'nomadAllocation',
} as const satisfies Record<string, keyof CniArgs>;

/**
 * Reads CNI_ARGS. Keys are case-sensitive, nothing is trimmed, the last of equal keys wins. Never throws.
 * A second `=` makes a pair malformed, so it is ignored; that of `IP` is kept whole, to be refused where it is used:
 * an address that was asked for must not be replaced silently.
 */
export function parseCniArgs(text: string): CniArgs {
  const found: { -readonly [K in keyof CniArgs]: CniArgs[K] } = {};
  for (const pair of text.split(';')) {
    const end = pair.indexOf('=');
    if (end < 0) continue;
    const key = pair.slice(0, end);
    const value = pair.slice(end + 1);
    if (!isKnown(key) || (value.includes('=') && key !== 'IP')) continue;
    if (value === '') delete found[fieldOf[key]];
    else found[fieldOf[key]] = value;
  }
  return found;
}

function isKnown(key: string): key is keyof typeof fieldOf {
  return Object.hasOwn(fieldOf, key);
}

/**
 * Finds the addresses that a caller requests (CONVENTIONS "ips", "args"). The most explicit source wins: the capability `ips`, then
 * `args`, then CNI_ARGS. They are alternatives, where the reference's host-local adds them up.
 * @returns the addresses without prefix length; none if the caller asks for none
 * @throws CniError 4 if IP= of CNI_ARGS is the source and is no address
 */
export function requestedAddresses(netconf: Pick<Netconf, 'runtimeIps' | 'argsIps'>, args: CniArgs): string[] {
  return mostExplicit(netconf, args).map((text) => parseCidr(text)?.address ?? parseAddress(text)?.text ?? text);
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
