/**
 * CNI_ARGS, `K=V;K2=V2` (SPEC section 2 "Parameters", CONVENTIONS "CNI_ARGS"), and the addresses that a caller
 * requests. Used by the daemon only.
 *
 * More lenient than the reference: unknown keys and malformed pairs are ignored, with or without IgnoreUnknown. Only IP
 * decides about an address; no other argument may fail a container.
 */
import { parseAddress, parseCidr } from './address.ts';
import { CniCode, CniError } from './errors.ts';
import type { Netconf } from './netconf.ts';

/**
 * Kubernetes runtimes and podman set the K8S keys, Nomad its own. Nomad leaves out values that contain a semicolon
 * (Nomad documentation, "Use a CNI network with a job") and sends no CNI_ARGS with a DEL.
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
} as const;

/**
 * The arguments that this plugin knows. An empty value counts as absent. `ip` is unchecked: `requestedAddresses` checks
 * it, since only ADD depends on it.
 */
export type CniArgs = { readonly [Field in (typeof fieldOf)[keyof typeof fieldOf]]?: string };

/**
 * Parses CNI_ARGS. Keys are case-sensitive, nothing is trimmed, the last of equal keys wins. Never throws. A second `=`
 * makes a pair malformed, and malformed pairs are ignored. A malformed `IP` is kept instead and refused at its use: a
 * requested address must not be replaced silently.
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
 * Finds the addresses that a caller requests (CONVENTIONS "ips", "args"). The most explicit source wins: the capability
 * `ips`, then `args`, then CNI_ARGS; the others are not checked. The reference's host-local adds them up instead.
 * @returns the addresses without prefix length; empty if the caller requests none
 * @throws CniError 4 if CNI_ARGS is the source and its IP is not an address
 */
export function requestedAddresses(
  { runtimeIps, argsIps }: Pick<Netconf, 'runtimeIps' | 'argsIps'>,
  { ip }: CniArgs,
): string[] {
  const asked = [runtimeIps, argsIps].find(({ length }) => length > 0) ?? (ip === undefined ? [] : [ip]);
  return asked.map((text) => {
    const address = parseCidr(text)?.address ?? parseAddress(text)?.text;
    if (address !== undefined) return address;
    throw new CniError(
      CniCode.invalidEnvironment,
      `invalid CNI_ARGS: IP=${JSON.stringify(text.slice(0, 80))} is not an address`,
      'Ask for an address such as IP=10.0.0.5 or IP=10.0.0.5/24, or leave IP out.',
    );
  });
}
