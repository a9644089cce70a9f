/**
 * A model of the reference's reader, which callers use on an IPAM plugin's stdout. It is tested with the recorded
 * verdicts in ipam-stdout.json and versions.json, so its verdict on our output counts.
 */
import { isIP } from 'node:net';

export interface Reading {
  /** The result in 1.1.0 form. */
  readonly asCurrent: Record<string, unknown>;
  /** Number of addresses. Main plugins refuse a result without any. */
  readonly ipCount: number;
}

type Json = Record<string, unknown>;

const families = ['0.1.0', '0.2.0'];
const lists = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'];

/**
 * Reads stdout of an ADD, for a network configuration of the given version ('' = absent).
 * @throws Error where the reference fails
 */
export function readAddStdout(stdout: string, netconfVersion: string): Reading {
  const document = object(lowerKeys(JSON.parse(stdout) ?? {}));
  const version = String(document.cniversion || netconfVersion || '0.1.0');
  if (families.includes(version)) {
    const parts = [document.ip4, document.ip6].filter((part) => part !== undefined).map(object);
    return reading(
      parts.map((part) => ({ address: part.ip, gateway: part.gateway })),
      parts.flatMap((part) => array(part.routes)),
      [],
    );
  }
  if (!lists.includes(version)) throw new Error(`unsupported result version ${version}`);
  const ips = array(document.ips);
  const numbered = ips.some((ip) => ip.version !== undefined && typeof ip.version !== 'string');
  if (numbered && version < '1.0.0') throw new Error('ips.version is not a string');
  return reading(ips, array(document.routes), array(document.interfaces));
}

/**
 * Reads stdout of VERSION.
 * @returns the supported versions
 * @throws Error where the reference fails.
 */
export function readVersionStdout(stdout: string): unknown {
  const { cniVersion, supportedVersions } = JSON.parse(stdout);
  if (!cniVersion) throw new Error('missing cniVersion');
  if (Array.isArray(supportedVersions) && supportedVersions.length > 0) return supportedVersions;
  if (cniVersion === '0.2.0') return ['0.1.0', '0.2.0'];
  throw new Error('missing supportedVersions');
}

function reading(ips: Json[], routes: Json[], interfaces: Json[]): Reading {
  const asCurrent = {
    cniVersion: '1.1.0',
    ips: ips.map((ip) => ({
      address: cidr(ip.address),
      gateway: address(ip.gateway),
      interface: ip.interface,
    })),
    routes: routes.map(({ dst, gw, ...attributes }) => {
      for (const value of Object.values(attributes)) if (typeof value !== 'number') throw new Error('not a number');
      return { ...attributes, dst: cidr(dst), gw: address(gw) };
    }),
    interfaces,
  };
  const filled = Object.entries(asCurrent).filter(([, value]) => value.length > 0);
  return { asCurrent: JSON.parse(JSON.stringify(Object.fromEntries(filled))), ipCount: ips.length };
}

function cidr(text: unknown): string {
  const [host = '', prefix = ''] = String(text).split('/');
  if (!isIP(host) || !/^\d+$/.test(prefix)) throw new Error(`invalid CIDR address: ${text}`);
  return String(text);
}

function address(text: unknown): string | undefined {
  if (text === undefined || text === null || text === '') return undefined;
  if (typeof text !== 'string' || !isIP(text)) throw new Error(`invalid IP address: ${text}`);
  return text;
}

/** Lower-cases keys, as Go ignores their case. */
function lowerKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(lowerKeys);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key.toLowerCase(), lowerKeys(inner)]));
}

function object(value: unknown): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('not an object');
  return value as Json;
}

function array(value: unknown): Json[] {
  return Array.isArray(value) ? value : [];
}
