/**
 * The network configuration as the CNI specification defines it (SPEC section 1 "Network configuration", CONVENTIONS
 * "args" and "capabilities"), checked and typed. This plugin's own keys under `ipam` are checked elsewhere. Used by the
 * daemon only.
 */
import * as v from 'valibot';
import { attachmentsKey, networkName } from './call.ts';
import { checkConfig, cidrText, jsonObject, listOf, requestedAddressText } from './config-check.ts';
import type { Command } from './environment.ts';
import { CniError } from './errors.ts';
import { type Route, routeSchema } from './result.ts';
import { type CniVersion, decodeVersion, requireVersion } from './versions.ts';

export interface Netconf {
  readonly cniVersion: CniVersion;
  readonly name: string;
  /** The main plugin makes up a gateway address if `ipam` gives none. */
  readonly isGateway: boolean;
  /** As `isGateway`, with a default route through it. */
  readonly isDefaultGateway: boolean;
  /** The unchecked `ipam` object, except for `type`. */
  readonly ipam: Readonly<Record<string, unknown>> & { readonly type: string };
  /** `ipam.routes`; empty if absent. */
  readonly routes: readonly Route[];
  /** `runtimeConfig.ips`, as written; empty if absent. */
  readonly runtimeIps: readonly string[];
  /** `runtimeConfig.ipRanges`, as written; empty if absent. */
  readonly runtimeIpRanges: readonly unknown[];
  /** `args.cni.ips`, as written; empty if absent. */
  readonly argsIps: readonly string[];
  /**
   * The CIDRs in the main plugin's final result of the ADD, canonical, including those of other plugins of the chain.
   * CHECK and DEL carry it from 0.4.0 on (SPEC section 2 "CHECK", "DEL"). Undefined if absent, and on ADD, where an
   * IPAM plugin must ignore it.
   */
  readonly prevResult: { readonly addresses: readonly string[] } | undefined;
}

/** Far above any real configuration. */
const maxRoutes = 256;
const maxAddresses = 64;
const maxIpamKeys = 64;

const flag = v.nullish(v.boolean('true or false'), false);
const ipamSchema = v.pipe(
  jsonObject,
  v.check((ipam) => typeof ipam.type === 'string' && ipam.type !== '', 'an object with the string key "type"'),
);
const fewKeys = v.check(
  (ipam: Readonly<Record<string, unknown>>) => Object.keys(ipam).length <= maxIpamKeys,
  `at most ${maxIpamKeys} keys`,
);
const routesSchema = v.nullish(listOf(routeSchema, { of: 'routes', max: maxRoutes }));
const ipsSchema = v.nullish(listOf(requestedAddressText, { of: 'addresses', max: maxAddresses }));
const ipRangesSchema = v.nullish(listOf(v.unknown(), { of: 'address ranges', max: maxAddresses }));
const runtimeConfigSchema = v.nullish(v.pipe(jsonObject, v.object({ ips: ipsSchema, ipRanges: ipRangesSchema })));
const argsSchema = v.nullish(
  v.pipe(jsonObject, v.object({ cni: v.nullish(v.pipe(jsonObject, v.object({ ips: ipsSchema }))) })),
);
const resultIpSchema = v.pipe(jsonObject, v.object({ address: cidrText() }));
const prevResultSchema = v.nullish(
  v.pipe(
    jsonObject,
    v.object({ ips: v.nullish(listOf(resultIpSchema, { of: 'addresses', max: maxAddresses })) }),
    v.transform(({ ips }) => ({ addresses: (ips ?? []).map(({ address }) => address) })),
  ),
);

/**
 * Checks and types a network configuration. Like the reference, takes `null` as absent.
 *
 * DEL and GC take wrong keys as absent if the keys only describe a new address: an administrator may have edited the
 * file since the ADD, and a release must not wait until somebody repairs it.
 *
 * @throws CniError 6, 7 (name) and 1 for the envelope, as `readNetworkConfig` and `requireVersion` do; 7 with the key's
 * path, the expected and the found value
 */
export function parseNetconf(config: Readonly<Record<string, unknown>>, command: Command): Netconf {
  const name = networkName(config.name);
  const cniVersion = requireVersion(decodeVersion(config.cniVersion), command);
  // The plugin has refused a configuration without it: `daemonPlace`.
  const ipam = checkConfig(ipamSchema, config.ipam, 'ipam') as Netconf['ipam'];
  const releasing = command === 'DEL' || command === 'GC';

  function read<Output>(schema: v.GenericSchema<unknown, Output>, value: unknown, path: string): Output | undefined {
    try {
      return checkConfig(schema, value, path);
    } catch (error) {
      if (releasing && error instanceof CniError) return undefined;
      throw error;
    }
  }

  read(v.pipe(jsonObject, fewKeys), ipam, 'ipam');
  const runtimeConfig = read(runtimeConfigSchema, config.runtimeConfig, 'runtimeConfig');
  return {
    cniVersion,
    name,
    isGateway: read(flag, config.isGateway, 'isGateway') ?? false,
    isDefaultGateway: read(flag, config.isDefaultGateway, 'isDefaultGateway') ?? false,
    ipam,
    routes: read(routesSchema, ipam.routes, 'ipam.routes') ?? [],
    runtimeIps: runtimeConfig?.ips ?? [],
    runtimeIpRanges: runtimeConfig?.ipRanges ?? [],
    argsIps: read(argsSchema, config.args, 'args')?.cni?.ips ?? [],
    prevResult: command === 'ADD' ? undefined : (read(prevResultSchema, config.prevResult, 'prevResult') ?? undefined),
  };
}

/** One interface of a container on the network of a GC. */
interface ValidAttachment {
  readonly containerId: string;
  readonly ifName: string;
}

const attachmentName = v.pipe(v.string('a string'), v.nonEmpty('a name'));
const attachment = v.pipe(
  jsonObject,
  v.object({ containerID: attachmentName, ifname: attachmentName }),
  v.transform((item): ValidAttachment => ({ containerId: item.containerID, ifName: item.ifname })),
);
const listSchema = v.nullable(v.array(attachment, 'an array of attachments'));

/**
 * Reads the attachments that are still valid on the network of this configuration.
 *
 * Without either key the caller had no list, and nothing may be released. `[]` means that no attachment is valid any
 * more, and so does `null`: Go prints an empty list as `null`, and CRI-O sends it when the last pod has left the
 * network. The specification is silent on this; only leases of this host on this network are released.
 *
 * @returns undefined if there is no list
 * @throws CniError 7 if an entry is malformed. Skipping it could release the address of a running container.
 */
export function validAttachments(config: Readonly<Record<string, unknown>>): readonly ValidAttachment[] | undefined {
  const key = attachmentsKey(config);
  if (key === undefined) return undefined;
  return checkConfig(listSchema, config[key], key) ?? [];
}
