/**
 * The part of the network configuration that the plugin uses: where its daemon listens, and what to send there. Loaded
 * at each call.
 */
import { attachmentsKey, isJsonObject } from '../cni/call.ts';
import type { Command } from '../cni/environment.ts';
import { CniCode, CniError } from '../cni/errors.ts';
import { type DaemonPlace, defaultSocketDir } from './protocol.ts';

/**
 * Bytes, as JSON, of the configuration that a call other than DEL and GC sends. Real ones have less than a tenth of it.
 */
const maxSentBytes = 64 * 1024;

/**
 * Reads where the daemon listens. The daemon checks the rest.
 * @throws CniError 7
 */
export function daemonPlace(config: Readonly<Record<string, unknown>>): DaemonPlace {
  const { ipam, plugins } = config;
  if (!isJsonObject(ipam)) {
    throw new CniError(
      CniCode.invalidConfig,
      'the network configuration has no "ipam" object',
      Array.isArray(plugins)
        ? 'It is a list. Pass one entry of its "plugins", with "name" and "cniVersion" of the list.'
        : 'Add "ipam": {"type": "infoblox", "subnet": "..."} to it.',
    );
  }
  const { type, 'socket-dir': socketDir = defaultSocketDir } = ipam;
  if (typeof type !== 'string' || type === '' || type.includes('/')) {
    throw new CniError(
      CniCode.invalidConfig,
      'ipam.type in the network configuration is not the name of this plugin',
      'Set it to the plugin\'s file name, "infoblox", which is also the daemon\'s --driver-name.',
    );
  }
  if (typeof socketDir !== 'string' || !socketDir.startsWith('/')) {
    throw new CniError(
      CniCode.invalidConfig,
      'ipam.socket-dir in the network configuration is not an absolute path',
      `Set it to the daemon's --socket-dir, ${defaultSocketDir} if that is not set.`,
    );
  }
  return { socketDir, driverName: type };
}

/**
 * Picks the keys that the daemon reads for a command, so that a large network configuration cannot fill its memory.
 * @throws CniError 7 if even those are too long; never for DEL and GC, whose release must not depend on the current
 * file
 */
export function sentConfig(command: Command, config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { ipam, runtimeConfig, args, prevResult } = config;
  if (command === 'DEL' || command === 'GC') {
    const list = command === 'GC' ? attachmentsKey(config) : undefined;
    return { ...pick(config, 'cniVersion', 'name', list ?? 'name'), ipam: pickIfObject(ipam, 'type', 'network-view') };
  }
  const sent = {
    ...pick(config, 'cniVersion', 'name', 'ipam', 'isGateway', 'isDefaultGateway'),
    runtimeConfig: pickIfObject(runtimeConfig, 'ips', 'ipRanges'),
    args: isJsonObject(args) ? { cni: pickIfObject(args.cni, 'ips') } : args,
    prevResult: command === 'CHECK' ? pickIfObject(prevResult, 'ips') : undefined,
  };
  if (bytesOf(sent) <= maxSentBytes) return sent;
  throw new CniError(
    CniCode.invalidConfig,
    `the network configuration is longer than ${maxSentBytes / 1024} KiB in the keys that this plugin reads, or nested too deeply`,
    'Shorten "ipam"; with runtimeConfig, args and prevResult, it is a few hundred bytes.',
  );
}

/** Picks keys of an object. Returns other values unchanged, for the daemon to refuse. */
function pickIfObject(value: unknown, ...keys: readonly string[]): unknown {
  return isJsonObject(value) ? pick(value, ...keys) : value;
}

function pick(object: Readonly<Record<string, unknown>>, ...keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(keys.filter((key) => Object.hasOwn(object, key)).map((key) => [key, object[key]]));
}

function bytesOf(value: unknown): number {
  try {
    return Buffer.byteLength(JSON.stringify(value));
  } catch {
    // RangeError: JSON.parse takes any depth, JSON.stringify does not.
    return Number.POSITIVE_INFINITY;
  }
}
