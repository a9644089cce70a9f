/**
 * CNI_ARGS: `K=V;K2=V2` (SPEC section 2 "Parameters", CONVENTIONS "CNI_ARGS"). Used by the daemon only.
 *
 * More lenient than the reference: unknown keys are ignored with or without IgnoreUnknown, and so is a malformed
 * pair. Only IP decides about an address; a container shall not fail over any other argument.
 */

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
