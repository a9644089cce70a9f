/**
 * Checks results of ADD (SPEC section 5 "ADD Success", "Delegated plugins (IPAM)"). The main plugin configures the
 * container from the result, so even the daemon's is checked. Loaded by the plugin process: no library.
 */
import { BlockList, isIP } from 'node:net';
import { isJsonObject } from './call.ts';
import { type CniVersion, isAtLeast } from './versions.ts';

/**
 * Tells whether a result has the version of the call, at least one address, gateways inside the network of their
 * address, valid routes, and no other keys.
 */
export function isAddResult(result: unknown, version: CniVersion): boolean {
  if (!isJsonObject(result)) return false;
  const { cniVersion, dns = {}, ...rest } = result;
  if (cniVersion !== version || !isJsonObject(dns) || Object.keys(dns).length > 0) return false;
  return isAtLeast(version, '0.3.0') ? isList(rest, version) : isFamilies(rest);
}

function isList({ ips, routes = [], ...rest }: Record<string, unknown>, version: CniVersion): boolean {
  return isEmpty(rest) && isFilled(ips) && ips.every((ip) => isListedIp(ip, version)) && areRoutes(routes);
}

function isListedIp(ip: unknown, version: CniVersion): boolean {
  if (!isJsonObject(ip)) return false;
  const { address, gateway, version: family, ...rest } = ip;
  const hasFamily = isAtLeast(version, '1.0.0') ? family === undefined : family === String(familyOf(address));
  return isEmpty(rest) && hasFamily && isIn(address, gateway);
}

/** Checks the form up to 0.2.0, in which each family has its address, gateway and routes. */
function isFamilies(families: Record<string, unknown>): boolean {
  const entries = Object.entries(families);
  return entries.length > 0 && entries.every(([name, value]) => isFamily(name, value));
}

function isFamily(name: string, value: unknown): boolean {
  if (!isJsonObject(value)) return false;
  const { ip, gateway, routes = [], ...rest } = value;
  return isEmpty(rest) && name === `ip${familyOf(ip)}` && isIn(ip, gateway) && areRoutes(routes);
}

function areRoutes(routes: unknown): boolean {
  return Array.isArray(routes) && routes.every(isRoute);
}

function isRoute(route: unknown): boolean {
  if (!isJsonObject(route)) return false;
  const { dst, gw = '::', ...attributes } = route;
  const areNumbers = Object.values(attributes).every((value) => typeof value === 'number');
  return familyOf(dst) !== undefined && typeof gw === 'string' && isIP(gw) !== 0 && areNumbers;
}

/** Tells whether a gateway is inside the network of a CIDR. @param gateway undefined: none is given */
function isIn(cidr: unknown, gateway: unknown): boolean {
  const family = familyOf(cidr);
  if (family === undefined || gateway === undefined) return family !== undefined;
  if (typeof cidr !== 'string' || typeof gateway !== 'string' || isIP(gateway) !== family) return false;
  const [address = '', prefix] = cidr.split('/');
  const network = new BlockList();
  network.addSubnet(address, Number(prefix), `ipv${family}`);
  return network.check(gateway, `ipv${family}`);
}

/** Returns the family of a CIDR; undefined if it is not a CIDR. */
function familyOf(cidr: unknown): 4 | 6 | undefined {
  const [, address = '', prefix] = /^([^/]+)\/(\d{1,3})$/.exec(String(cidr)) ?? [];
  const family = isIP(address);
  if (typeof cidr !== 'string' || (family !== 4 && family !== 6)) return undefined;
  return Number(prefix) <= (family === 4 ? 32 : 128) ? family : undefined;
}

function isFilled(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && value.length > 0;
}

function isEmpty(object: Record<string, unknown>): boolean {
  return Object.keys(object).length === 0;
}
