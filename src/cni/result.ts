/**
 * The answer to ADD in all versions (SPEC section 5 "ADD Success", "Delegated plugins (IPAM)"). Used by the daemon only.
 */
import { parseAddress, parseCidr } from './address.ts';
import { CniCode, CniError } from './errors.ts';
import type { Route } from './route.ts';
import { type CniVersion, isAtLeast } from './versions.ts';

type JsonObject = Record<string, unknown>;

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

/** Prints the form of 0.1.0 and 0.2.0: at most one address of each family, with the routes of that family. */
function formatFamilies(result: AddResult): JsonObject {
  const routes = (result.routes ?? []).map(formatRoute);
  const families: JsonObject = {};
  for (const family of [4, 6]) {
    const ip = result.ips.find(({ address }) => readCidr(address).family === family);
    if (ip === undefined) continue;
    families[`ip${family}`] = {
      ip: readCidr(ip.address).text,
      ...formatGateway(ip),
      ...dropEmpty({
        routes: routes
          .filter((route) => readCidr(route.dst).family === family)
          .map(({ dst, gw }) => dropEmpty({ dst, gw })),
      }),
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
function formatRoute(route: Route): Route {
  const { gw, mtu, advmss, priority, table, scope } = route;
  return {
    dst: readCidr(route.dst).text,
    ...(gw ? { gw: readAddress(gw) } : {}),
    ...(mtu ? { mtu } : {}),
    ...(advmss ? { advmss } : {}),
    ...(priority ? { priority } : {}),
    ...(table === undefined ? {} : { table }),
    ...(scope === undefined ? {} : { scope }),
  };
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
      ([, value]) => value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0),
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
