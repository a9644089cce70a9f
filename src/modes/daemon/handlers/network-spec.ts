/** Reads this driver's own keys under `ipam` in a network configuration; flags supply the defaults. */
import * as v from 'valibot';
import { checkConfig, jsonObject, listOf } from '../../../cni/config-check.ts';
import { CniCode, CniError } from '../../../cni/errors.ts';
import type { Netconf } from '../../../cni/netconf.ts';
import { familyOf } from '../../../infoblox/address.ts';
import { type Creation, creations, narrower } from '../../../infoblox/network/creation.ts';
import { firstHostOf } from '../../../infoblox/network/notation.ts';
import { type AddressSets, addressSets, maxSets, maxSources } from '../../../infoblox/network/sets.ts';
import { maxCooldownMs, maxViewLength, type SpecInput } from '../../../infoblox/network/spec.ts';
import { parseDuration } from '../../quantity.ts';
import { nearest, plainSpelling } from '../config/command-line.ts';

/** Defaults of the flags, for keys that a network configuration omits. */
export interface SpecDefaults {
  readonly networkView: string;
  readonly networkContainer: string;
  readonly prefixLength: number;
  /** Milliseconds. */
  readonly ipCooldownMs: number;
  /** 0: no blocks. */
  readonly blockSize: number;
  readonly create: Creation;
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

const excluded = v.pipe(v.string('an address, a range or a network'), v.maxLength(100, 'at most 100 characters'));

/** Keys of an address source, under `ipam` itself or in `ranges`. */
const sourceKeys = {
  subnet: text('a network such as "172.18.1.0/24"'),
  rangeStart: text('an address such as "172.18.1.50"'),
  rangeEnd: text('an address such as "172.18.1.199"'),
  exclude: v.nullish(listOf(excluded, { of: 'exclusions', max: 256 })),
  gateway: text('an address such as "172.18.1.1"'),
  'network-container': text('one or more networks such as "172.18.0.0/16", separated by commas'),
  'prefix-length': v.nullish(v.pipe(v.number('a number such as 24'), v.integer('a number such as 24'))),
};
const Source = v.object(sourceKeys);
type Source = v.InferOutput<typeof Source>;

/** Sets of sources, as in host-local. Unknown keys are refused: they could change where addresses come from. */
const knownKeys = `an object with the keys ${Object.keys(sourceKeys).join(', ')}`;
const ListedSource = v.pipe(
  jsonObject,
  v.strictObject(sourceKeys, knownKeys),
  v.check((source) => (source.subnet ?? source['network-container']) != null, 'an object with the key "subnet"'),
);
const Sets = v.nullish(
  listOf(v.pipe(listOf(ListedSource, { of: 'sources', max: maxSources }), v.nonEmpty('at least one source')), {
    of: 'sets of sources',
    max: maxSets,
  }),
);

const Keys = v.object({
  ...sourceKeys,
  ranges: Sets,
  'network-view': viewName,
  'block-size': v.nullish(v.number('a number of addresses such as 64')),
  create: v.nullish(v.picklist(creations, '"all", "networks" or "none"')),
  'ip-cooldown': lengthOfTime('a length of time from "0s" to "1h", such as "10m"', maxCooldownMs),
});

/** All known keys under `ipam`. */
export const ipamKeys: readonly string[] = [...Object.keys(Keys.entries), 'type', 'routes', 'socket-dir'];

/** Keys of other IPAM plugins and plausible guesses in plain spelling, `rangeStart` as `rangestart`, by this driver's key for it. */
const foreignKeys: ReadonlyMap<string, string> = new Map([
  // whereabouts
  ['range', 'subnet'],
  ['rangestart', 'rangeStart'],
  ['rangeend', 'rangeEnd'],
  // near to ours
  ['view', 'network-view'],
  ['netview', 'network-view'],
  ['prefix', 'prefix-length'],
  ['prefixlen', 'prefix-length'],
  ['cidr', 'subnet'],
  ['network', 'subnet'],
  ['container', 'network-container'],
  ['gw', 'gateway'],
]);

/**
 * Reads a network configuration's address sources. As in host-local, the runtime's ranges come first, then a plain subnet or network
 * container, then `ranges`. The flags apply if there are none of these.
 * @throws CniError 7 for keys of the wrong type, and keys that look like a typo; GridError `invalid-spec`
 */
export function setsOf(netconf: Netconf, defaults: SpecDefaults): AddressSets {
  for (const key of unknownKeys(netconf)) refuseMisleading(key);
  const keys = checkConfig(Keys, netconf.ipam, 'ipam');
  const ofRuntime = checkConfig(Sets, netconf.runtimeIpRanges, 'runtimeConfig.ipRanges') ?? [];
  const common = {
    name: netconf.name,
    view: keys['network-view'] ?? defaults.networkView,
    cooldownMs: keys['ip-cooldown'] ?? defaults.ipCooldownMs,
    blockSize: keys['block-size'] ?? undefined,
    defaultBlockSize: defaults.blockSize,
    create: narrower(keys.create ?? 'all', defaults.create),
  };
  const source = (keys: Source, path: string): SpecInput => ({
    ...common,
    path,
    containers: keys['network-container'] ?? defaults.networkContainer,
    prefixLength: keys['prefix-length'] ?? defaultPrefixLength(keys, defaults),
    keepFirst: keys.gateway == null && (netconf.isGateway || netconf.isDefaultGateway),
    subnet: keys.subnet ?? undefined,
    gateway: keys.gateway ?? undefined,
    rangeStart: keys.rangeStart ?? undefined,
    rangeEnd: keys.rangeEnd ?? undefined,
    exclude: keys.exclude ?? undefined,
  });
  const listed = (sets: readonly (readonly Source[])[], path: string) =>
    sets.map((set, outer) =>
      set.map((one, inner) => {
        const gateway = one.gateway ?? firstHostOf(one.subnet ?? one['network-container'] ?? '');
        return source({ ...one, gateway }, `${path}[${outer}][${inner}].`);
      }),
    );
  const all = [...listed(ofRuntime, 'runtimeConfig.ipRanges'), ...listed(keys.ranges ?? [], 'ranges')];
  const isPlain = keys.subnet != null || keys['network-container'] != null;
  if (!isPlain && all.length > 0) refuseWithoutSubnet(keys);
  if (isPlain || all.length === 0) all.splice(ofRuntime.length, 0, [source(keys, '')]);
  return addressSets(all);
}

/** Returns the prefix length of the flags, which applies to the family of --network-container. */
function defaultPrefixLength(keys: Source, { networkContainer, prefixLength }: SpecDefaults): number | undefined {
  const isAlike = familyOf(keys['network-container'] ?? networkContainer) === familyOf(networkContainer);
  return isAlike ? prefixLength : undefined;
}

/** Refuses keys of a plain subnet without one: they do not apply to `ranges`. @throws CniError 7 */
function refuseWithoutSubnet(keys: Source): void {
  const stray = Object.keys(sourceKeys).find((key) => keys[key as keyof Source] != null);
  if (stray === undefined) return;
  throw new CniError(
    CniCode.invalidConfig,
    `ipam.${stray} in the network configuration applies to ipam.subnet, which is missing; it does not apply to ranges`,
    `Set ${stray} in those sources of ipam.ranges to which it applies.`,
  );
}

/** Reads only the network view, for calls that must work even if the configuration became invalid after ADD. */
export function viewOf(netconf: Pick<Netconf, 'ipam'>, defaults: Pick<SpecDefaults, 'networkView'>): string {
  const { success, output } = v.safeParse(viewName, netconf.ipam['network-view']);
  return success && output != null && output.length <= maxViewLength ? output : defaults.networkView;
}

/** Lists the unknown keys under `ipam`. */
export function unknownKeys(netconf: Netconf): string[] {
  return Object.keys(netconf.ipam).filter((key) => !ipamKeys.includes(key));
}

/** Refuses an unknown key if ignoring it could change where addresses come from. @throws CniError 7 */
function refuseMisleading(key: string): void {
  // The static plugin has it.
  if (plainSpelling(key) === 'addresses') {
    throw new CniError(
      CniCode.invalidConfig,
      `ipam.${key} in the network configuration: addresses cannot be pinned in the network configuration`,
      'Remove the key. Request an address with the capability "ips", or with IP= in CNI_ARGS.',
    );
  }
  const meant = foreignKeys.get(plainSpelling(key)) ?? nearest(key, ipamKeys);
  if (meant === undefined) return;
  throw new CniError(
    CniCode.invalidConfig,
    `unknown key ipam.${key} in the network configuration; did you mean ipam.${meant}?`,
    'Correct or remove the key: ignoring it could silently change where addresses come from.',
  );
}
