/**
 * The answer to ADD in all versions, and the routes in it, which the network configuration gives (SPEC section 5 "ADD
 * Success", "Delegated plugins (IPAM)"). Used by the daemon only.
 */
import * as v from 'valibot';
import { parseAddress, parseCidr } from './address.ts';
import { addressText, cidrText, jsonObject } from './config-check.ts';
import { CniCode, CniError } from './errors.ts';
import { type CniVersion, isAtLeast } from './versions.ts';

type JsonObject = Record<string, unknown>;

export interface Route {
  /** CIDR; host bits are kept as written. */
  readonly dst: string;
  /** Next hop. A route without one gets the network's gateway, if there is one: see `withNextHops`. */
  readonly gw?: string;
  /** Bytes; 0 is the same as absent. */
  readonly mtu?: number;
  /** Bytes; 0 is the same as absent. */
  readonly advmss?: number;
  /** 0 is the same as absent. */
  readonly priority?: number;
  /** 0 is a value. */
  readonly table?: number;
  /** 0 is a value. */
  readonly scope?: number;
}

interface ResultIp {
  /** CIDR with the prefix length of the network. */
  readonly address: string;
  /** Bare address. */
  readonly gateway?: string;
}

/** The result of an IPAM plugin, which has no interfaces. */
export interface AddResult {
  readonly ips: readonly ResultIp[];
  readonly routes?: readonly Route[];
  readonly dns?: Readonly<JsonObject>;
}

/**
 * Makes the document for stdout in the version of the call, with canonical addresses. Like the reference, up to 0.2.0
 * it prints the first address and the routes of each family, routes with `dst` and `gw` only. From 0.3.0 on it passes
 * on route attributes. Below 1.0.0 it always prints `dns`, if only as `{}`.
 *
 * @throws CniError 100 if an address or route cannot be printed, or if 0.2.0 and below has no address to print
 */
export function formatResult(result: AddResult, version: CniVersion): JsonObject {
  const dns = dropEmpty({ ...result.dns });
  if (!isAtLeast(version, '0.3.0')) return { cniVersion: version, ...formatFamilies(result), dns };
  const document = {
    cniVersion: version,
    ...dropEmpty({
      ips: result.ips.map((ip) => formatIp(ip, version)),
      routes: (result.routes ?? []).map(formatRoute),
    }),
  };
  return isAtLeast(version, '1.0.0') && Object.keys(dns).length === 0 ? document : { ...document, dns };
}

/**
 * Refuses a version whose result cannot carry all addresses of an ADD, before any is allocated.
 * @param families of the addresses
 * @throws CniError 1
 */
export function requireFamilies(version: CniVersion, families: readonly number[]): void {
  if (isAtLeast(version, '0.3.0') || new Set(families).size === families.length) return;
  throw new CniError(
    CniCode.incompatibleVersion,
    `a result of version ${version} carries one address of each family, and ${families.length} are configured`,
    'Set cniVersion in the network configuration to 0.3.1 or later, or remove all but one set of each family.',
  );
}

/** rtnetlink(7) RT_SCOPE_LINK: destinations on the link itself have this scope or a narrower one, and no next hop. */
const linkScope = 253;

/**
 * Sets a gateway as the next hop of each route of its family that has none. The reference main plugins install that
 * next hop (plugins, pkg/ipam ConfigureIface), but their CHECK compares it with the result's `gw` (pkg/ip
 * ValidateExpectedRoute) and would not find a route without one.
 * @param gateways bare addresses; the first of each family counts
 */
export function withNextHops(routes: readonly Route[], gateways: readonly string[]): Route[] {
  return routes.map((route) => {
    const family = parseCidr(route.dst)?.family;
    const gw = gateways.find((one) => parseAddress(one)?.family === family);
    const onLink = route.scope !== undefined && route.scope >= linkScope;
    return route.gw || onLink || gw === undefined ? route : { ...route, gw };
  });
}

/** Prints the form of 0.1.0 and 0.2.0: at most one address of each family, with the routes of that family. */
function formatFamilies({ ips, routes = [] }: AddResult): JsonObject {
  const families: JsonObject = {};
  for (const family of [4, 6]) {
    const ip = ips.find(({ address }) => readCidr(address).family === family);
    if (ip === undefined) continue;
    const its = routes.filter(({ dst }) => readCidr(dst).family === family).map(formatRoute);
    families[`ip${family}`] = {
      ip: readCidr(ip.address).text,
      ...formatGateway(ip),
      ...dropEmpty({ routes: its.map(({ dst, gw }) => dropEmpty({ dst, gw })) }),
    };
  }
  if (Object.keys(families).length === 0) throw unprintable('it has no address');
  return families;
}

function formatIp(ip: ResultIp, version: CniVersion): JsonObject {
  const cidr = readCidr(ip.address);
  const address = { address: cidr.text, ...formatGateway(ip) };
  return isAtLeast(version, '1.0.0') ? address : { version: String(cidr.family), ...address };
}

function formatGateway(ip: ResultIp): { gateway?: string } {
  return ip.gateway ? { gateway: readAddress(ip.gateway) } : {};
}

/** Prints a route. 0 means absent for `mtu`, `advmss` and `priority`, but is a value of `table` and `scope`. */
function formatRoute({ dst, gw, mtu, advmss, priority, table, scope }: Route): JsonObject {
  const nextHop = gw && readAddress(gw);
  const positive = { mtu: mtu || undefined, advmss: advmss || undefined, priority: priority || undefined };
  return dropEmpty({ dst: readCidr(dst).text, gw: nextHop, ...positive, table, scope });
}

function readCidr(text: string): { family: number; text: string } {
  const cidr = parseCidr(text);
  if (cidr === undefined) throw unprintable(`${JSON.stringify(text)} is not an address with prefix length`);
  return cidr;
}

function readAddress(text: string): string {
  const address = parseAddress(text);
  if (address === undefined) throw unprintable(`${JSON.stringify(text)} is not an address`);
  return address.text;
}

/** Leaves out absent values, empty strings and empty lists. */
function dropEmpty(object: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(object).filter(
      ([, value]) => value != null && value !== '' && !(Array.isArray(value) && value.length === 0),
    ),
  );
}

function unprintable(reason: string): CniError {
  return new CniError(
    CniCode.unexpected,
    `the result of ADD cannot be printed: ${reason}`,
    'This is a bug of infoblox-cni; please report it with the log of the daemon.',
  );
}

const dstHint = 'an address range such as 10.0.0.0/8, or 0.0.0.0/0 for the default route';
const countHint = 'a whole number from 0 to 4294967295';

/** The kernel takes all of these as unsigned 32 bit numbers or less. */
const count = v.nullish(
  v.pipe(
    v.number(countHint),
    v.check((value) => Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff, countHint),
  ),
);

/** Like the reference, takes absent, null and "" as no next hop. */
const gateway = v.nullish(v.union([v.literal(''), addressText], (issue) => nextHopHint(issue.input)));

export const routeSchema = v.pipe(
  jsonObject,
  v.object({
    dst: cidrText(dstHint),
    gw: gateway,
    mtu: count,
    advmss: count,
    priority: count,
    table: count,
    scope: count,
  }),
  // Without absent values, so that a result can be printed from it.
  v.transform((route): Route => ({ ...dropEmpty(route), dst: route.dst })),
);

function nextHopHint(found: unknown): string {
  const withPrefix = typeof found === 'string' && found.includes('/');
  return withPrefix ? 'an address without prefix length' : 'an address such as 10.0.0.1';
}
