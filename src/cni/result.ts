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

/** What an IPAM plugin answers. It knows no interfaces, so there are none. */
export interface AddResult {
  readonly ips: readonly ResultIp[];
  readonly routes?: readonly Route[];
  readonly dns?: Readonly<JsonObject>;
}

/**
 * Makes the document for stdout in the version of the call. Addresses are re-printed in canonical form. As in the reference:
 * up to 0.2.0 the first address of each family and the routes of its family remain, with `dst` and `gw` only; route
 * attributes are passed on from 0.3.0 on; `dns` is always there below 1.0.0, if only as `{}`.
 *
 * @throws CniError 100 if an address or route cannot be printed, or 0.2.0 and below has no address to print.
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
 * Makes sure that a result can carry all addresses of an ADD, before any is taken.
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

/** The form of 0.1.0 and 0.2.0: at most one address for each family, routes inside their family. */
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

/** 0 says nothing in `mtu`, `advmss` and `priority`, but is a value in `table` and `scope`. */
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

/** An absent value, an empty string and an empty list are not printed. */
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
