/** What a network configuration asks for: this driver's own keys under `ipam`, and the flags for what they leave out. */
import * as v from 'valibot';
import { checkConfig } from '../../../cni/config-check.ts';
import { CniCode, CniError } from '../../../cni/errors.ts';
import type { Netconf } from '../../../cni/netconf.ts';
import { maxCooldownMs, maxViewLength, type NetworkSpec, networkSpec } from '../../../infoblox/network/spec.ts';
import { parseDuration } from '../../quantity.ts';
import { nearest, plainSpelling } from '../config/command-line.ts';

/** What the flags say where the network configuration says nothing. */
export interface SpecDefaults {
  readonly networkView: string;
  readonly networkContainer: string;
  readonly prefixLength: number;
  /** Milliseconds. */
  readonly ipCooldownMs: number;
  /** 0: no blocks. */
  readonly blockSize: number;
}

const text = (expected: string) => v.nullish(v.pipe(v.string(expected), v.nonEmpty(expected)));
const lengthOfTime = (expected: string, maxMs: number) =>
  v.nullish(
    v.pipe(
      v.string(expected),
      v.check((text) => (parseDuration(text) ?? Number.POSITIVE_INFINITY) <= maxMs, expected),
      v.transform((text) => parseDuration(text) ?? 0),
    ),
  );
const viewName = text('the name of a network view');

const Keys = v.object({
  subnet: text('a network such as "172.18.1.0/24"'),
  gateway: text('an address such as "172.18.1.1"'),
  'network-view': viewName,
  'network-container': text('one or more networks such as "172.18.0.0/16", separated by commas'),
  'prefix-length': v.nullish(v.pipe(v.number('a number such as 24'), v.integer('a number such as 24'))),
  'block-size': v.nullish(v.number('a number of addresses such as 64')),
  'ip-cooldown': lengthOfTime('a length of time from "0s" to "1h", such as "10m"', maxCooldownMs),
});

/** All keys that mean something under `ipam`. */
export const ipamKeys: readonly string[] = [...Object.keys(Keys.entries), 'type', 'routes', 'socket-dir'];

/**
 * A key that people write under `ipam` from habit, out of other IPAM plugins or of a guess: our key for it, or why there is none and
 * what to do.
 */
type ForeignKey = { readonly meant: string } | { readonly unsupported: string; readonly instead: string };

const ranges: ForeignKey = {
  unsupported: 'address ranges are not supported',
  instead:
    'Name the network in ipam.subnet, and keep addresses out of use with reservations or DHCP ranges on the grid.',
};
const pinned: ForeignKey = {
  unsupported: 'addresses cannot be pinned in the network configuration',
  instead: 'Request an address with the capability "ips", or with IP= in CNI_ARGS.',
};

/** By the key without case and separators: `rangeStart` is `rangestart`. */
const foreignKeys: ReadonlyMap<string, ForeignKey> = new Map<string, ForeignKey>([
  // host-local
  ['ranges', ranges],
  ['rangestart', ranges],
  ['rangeend', ranges],
  // whereabouts
  ['range', { meant: 'subnet' }],
  ['exclude', ranges],
  // static
  ['addresses', pinned],
  // near to ours
  ['view', { meant: 'network-view' }],
  ['netview', { meant: 'network-view' }],
  ['prefix', { meant: 'prefix-length' }],
  ['prefixlen', { meant: 'prefix-length' }],
  ['cidr', { meant: 'subnet' }],
  ['network', { meant: 'subnet' }],
  ['container', { meant: 'network-container' }],
  ['gw', { meant: 'gateway' }],
]);

/**
 * Reads the network spec of a network configuration.
 * @throws CniError 7 for keys of the wrong type, keys that look like a typo, and keys and ranges that would have to be
 * ignored although they say where addresses come from; GridError `invalid-spec`
 */
export function specOf(netconf: Netconf, defaults: SpecDefaults): NetworkSpec {
  for (const key of unknownKeys(netconf)) refuseMisleading(key);
  if (netconf.runtimeIpRanges.length > 0) {
    throw new CniError(
      CniCode.invalidConfig,
      'runtimeConfig.ipRanges in the network configuration is not supported',
      'Remove the capability "ipRanges" from the network configuration and name the network in ipam.subnet.',
    );
  }
  const keys = checkConfig(Keys, netconf.ipam, 'ipam');
  return networkSpec({
    name: netconf.name,
    view: keys['network-view'] ?? defaults.networkView,
    containers: keys['network-container'] ?? defaults.networkContainer,
    prefixLength: keys['prefix-length'] ?? defaults.prefixLength,
    defaultBlockSize: defaults.blockSize,
    cooldownMs: keys['ip-cooldown'] ?? defaults.ipCooldownMs,
    keepFirst: keys.gateway == null && (netconf.isGateway || netconf.isDefaultGateway),
    ...(keys.subnet == null ? {} : { subnet: keys.subnet }),
    ...(keys.gateway == null ? {} : { gateway: keys.gateway }),
    ...(keys['block-size'] == null ? {} : { blockSize: keys['block-size'] }),
  });
}

/** Reads the network view alone, for calls that must work though the configuration was spoilt since ADD. */
export function viewOf(netconf: Pick<Netconf, 'ipam'>, defaults: Pick<SpecDefaults, 'networkView'>): string {
  const { success, output } = v.safeParse(viewName, netconf.ipam['network-view']);
  return success && output != null && output.length <= maxViewLength ? output : defaults.networkView;
}

/** Lists the keys under `ipam` that mean nothing here. */
export function unknownKeys(netconf: Netconf): string[] {
  return Object.keys(netconf.ipam).filter((key) => !ipamKeys.includes(key));
}

/** @throws CniError 7 for an unknown key that, ignored, would let addresses come from somewhere else */
function refuseMisleading(key: string): void {
  const foreign = foreignKeys.get(plainSpelling(key));
  if (foreign !== undefined && 'unsupported' in foreign) {
    throw new CniError(
      CniCode.invalidConfig,
      `ipam.${key} in the network configuration: ${foreign.unsupported}`,
      `Remove the key. ${foreign.instead}`,
    );
  }
  const meant = foreign?.meant ?? nearest(key, ipamKeys);
  if (meant === undefined) return;
  throw new CniError(
    CniCode.invalidConfig,
    `unknown key ipam.${key} in the network configuration; did you mean ipam.${meant}?`,
    'Correct or remove the key: ignoring it could silently change where addresses come from.',
  );
}
