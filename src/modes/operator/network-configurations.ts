/** Reads network configuration files, and finds each use of this driver in them. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { decodeConfig } from '../../cni/call.ts';
import { checkConfig } from '../../cni/config-check.ts';
import { CniError } from '../../cni/errors.ts';
import { parseNetconf } from '../../cni/netconf.ts';
import { requireFamilies } from '../../cni/result.ts';
import { isErrno, messageOf } from '../../errno.ts';
import { intersect } from '../../infoblox/address.ts';
import { GridError } from '../../infoblox/errors.ts';
import { familyOfSpec } from '../../infoblox/network/sets.ts';
import type { NetworkSpec } from '../../infoblox/network/spec.ts';
import { nearest } from '../daemon/config/command-line.ts';
import type { Options } from '../daemon/config/options.ts';
import { setsOf, unknownKeys } from '../daemon/handlers/network-spec.ts';
import { daemonPlace, sentConfig } from '../sent-config.ts';

const type = v.optional(v.string('a string'));
const ipam = v.optional(v.looseObject({ type }, 'an object'));
const plugin = v.looseObject({ type, ipam }, 'an object');
const NetworkFile = v.looseObject({
  cniVersion: v.optional(v.unknown()),
  name: v.optional(v.unknown()),
  plugins: v.optional(v.array(plugin, 'an array')),
  ...plugin.entries,
});

/** One use of this driver. */
export interface NetworkConfiguration {
  readonly file: string;
  /** The name of the network. */
  readonly name: string;
  /** The configuration that the IPAM plugin receives. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Its sources of addresses. */
  readonly specs: readonly NetworkSpec[];
  /** Warnings, one sentence each. */
  readonly remarks: readonly string[];
}

/** One source of addresses. */
export interface Source extends Pick<NetworkConfiguration, 'file' | 'config'> {
  readonly spec: NetworkSpec;
}

/** Lists the sources of addresses of a configuration. */
export function sourcesOf({ file, config, specs }: NetworkConfiguration): Source[] {
  return specs.map((spec) => ({ file, config, spec }));
}

/** A file that cannot be used, with the reason and the fix. */
interface ConfigurationError {
  readonly file: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

export type Checked = { readonly found: NetworkConfiguration[]; readonly errors: ConfigurationError[] };

/** Directories of network configurations: of CRI runtimes and nerdctl, of rkt. */
export const networkDirectories = ['/etc/cni/net.d', '/etc/rkt/net.d'];

/** Tells whether runtimes read a file of this name. */
export function isNetworkFile(name: string): boolean {
  return /.\.(conf|conflist|json)$/.test(name);
}

/** Lists this host's network configuration files that name the driver, also those with invalid JSON. */
export function findNetworkFiles(driver: string): string[] {
  return networkDirectories.flatMap(networkFilesIn).filter((file) => mentions(file, driver));
}

/** Lists the files that runtimes read in a directory, in their order. */
export function networkFilesIn(directory: string): string[] {
  try {
    const names = readdirSync(directory).filter(isNetworkFile).sort();
    return names.map((name) => join(directory, name));
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return [];
    throw error;
  }
}

/** Tells whether a file names the driver: true if it is unreadable, so that the next read reports why. Skips non-files, as libcni does. */
function mentions(file: string, driver: string): boolean {
  try {
    const text = statSync(file).isFile() ? readFileSync(file, 'utf8') : '';
    return text.replaceAll(/\s/g, '').includes(`"type":"${driver}"`);
  } catch {
    return true;
  }
}

/** Checks each use of the driver in files as an ADD would, and for conflicts between them, without asking the grid. Never throws. */
export function checkNetworkFiles(files: readonly string[], options: Options): Checked {
  const checked: Checked = { found: [], errors: [] };
  for (const file of files) {
    try {
      const uses = usesOf(readNetworkFile(file), options.driverName);
      if (uses.length === 0) {
        const hint = `set "type" under "ipam" to "${options.driverName}", or leave the file out`;
        checked.errors.push({ file, message: `no plugin in it uses the IPAM plugin ${options.driverName}`, hint });
      }
      for (const config of uses) checked.found.push(checkUse(file, config, options));
    } catch (error) {
      checked.errors.push({ file, ...whyUnusable(error) });
    }
  }
  const sources = checked.found.flatMap(sourcesOf);
  const conflicts = sources.flatMap((one, index) =>
    sources.slice(index + 1).flatMap((other) => conflictOf(one, other)),
  );
  return { found: checked.found, errors: [...checked.errors, ...conflicts] };
}

/** Finds the conflict between two sources; none if the daemon can serve both. */
export function conflictOf(
  one: Pick<Source, 'file' | 'spec'>,
  other: Pick<Source, 'file' | 'spec'>,
): ConfigurationError[] {
  const [{ spec }, { spec: others }] = [one, other];
  if (spec.view !== others.view || spec.place.kind !== 'subnet' || others.place.kind !== 'subnet') return [];
  const [cidr, otherCidr] = [spec.place.cidr, others.place.cidr];
  const file = `${one.file} and ${other.file}`;
  if (spec.name === others.name) {
    const isOfOne = [...spec.others, ...others.others].some(
      ({ text }) => text === cidr.text || text === otherCidr.text,
    );
    if (cidr.text === otherCidr.text || isOfOne) return [];
    const hint = 'give one of them another "name", or both the same subnet';
    return [{ file, message: `they give network ${spec.name} two subnets, ${cidr.text} and ${otherCidr.text}`, hint }];
  }
  if (!intersect(cidr, otherCidr)) return [];
  const message = `their subnets overlap: ${cidr.text} of ${spec.name}, ${otherCidr.text} of ${others.name}`;
  return [{ file, message, hint: 'give them subnets that do not overlap, or the same subnet and name' }];
}

function whyUnusable(error: unknown): Omit<ConfigurationError, 'file'> {
  if (error instanceof CniError) return { message: error.message, hint: error.details };
  if (error instanceof GridError) return { message: error.message, hint: error.hint };
  if (isErrno(error, 'ENOENT')) return { message: 'there is no such file', hint: 'correct its name' };
  return { message: `cannot be read: ${messageOf(error)}`, hint: 'name a file that this user can read' };
}

/** Lists the plugins, IPAM plugins included, that a file names. @throws an error if it is not a network configuration */
export function pluginsIn(file: string): string[] {
  const document = readNetworkFile(file);
  const named = (document.plugins ?? [document]).flatMap((plugin) => [plugin.type, plugin.ipam?.type]);
  return [...new Set(named.filter((name) => name !== undefined))];
}

function readNetworkFile(file: string): v.InferOutput<typeof NetworkFile> {
  const where = { place: '', source: 'It has to be a JSON object with "cniVersion", "name", and "type" or "plugins".' };
  return checkConfig(NetworkFile, decodeConfig(readFileSync(file), where), '');
}

/** A runtime hands each plugin of a list the list's name and version (SPEC section 3 "Deriving execution configuration"). */
function usesOf(document: v.InferOutput<typeof NetworkFile>, driver: string): Record<string, unknown>[] {
  const { plugins, name, cniVersion } = document;
  const entries = plugins === undefined ? [document] : plugins.map((entry) => ({ ...entry, name, cniVersion }));
  return entries.filter(({ ipam }) => ipam?.type === driver);
}

/** Interface names that the kernel accepts (dev_valid_name). */
const deviceName = /^(?!\.{1,2}$)[^/:\s]+$/u;
const maxDeviceBytes = 15;

/**
 * Checks the interfaces of this host that a main plugin is configured to use.
 * @returns warnings about what may change before a container starts
 * @throws GridError for an interface that cannot work
 */
function deviceRemarks(config: Readonly<Record<string, unknown>>): string[] {
  const { master = '', bridge = '' } = config;
  for (const [key, name] of Object.entries({ master, bridge })) {
    const isName =
      typeof name === 'string' && (name === '' || deviceName.test(name)) && Buffer.byteLength(name) <= maxDeviceBytes;
    if (isName) continue;
    const hint = 'an interface has a name of at most 15 bytes, without blanks, "/" and ":"';
    throw new GridError('invalid-spec', `${key} ${JSON.stringify(name)} cannot be an interface`, { hint });
  }
  const at = (name: unknown) => `/sys/class/net/${name}`;
  if (bridge !== '' && existsSync(at(bridge)) && !existsSync(`${at(bridge)}/bridge`)) {
    throw new GridError('invalid-spec', `bridge ${bridge} is an interface of this host, but not a bridge`, {
      hint: 'name another one',
    });
  }
  return master === '' || existsSync(at(master))
    ? []
    : [`its master ${master} does not exist on this host: no container starts until it does`];
}

/** Main plugins ignore keys that they do not know, and so take another interface than the one that is meant. */
function misspelt(config: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(config).flatMap((key) => {
    const meant = nearest(key, ['bridge', 'master']);
    // Go reads keys whatever their case.
    if (meant === undefined || key.toLowerCase() === meant) return [];
    return [`its key ${key} has no effect; did you mean ${meant}?`];
  });
}

function checkUse(file: string, config: Record<string, unknown>, options: Options): NetworkConfiguration {
  const netconf = parseNetconf(sentConfig('ADD', config), 'ADD');
  const sets = setsOf(netconf, options);
  requireFamilies(
    netconf.cniVersion,
    sets.map(([spec]) => familyOfSpec(spec)),
  );
  const remarks = [...deviceRemarks(config), ...misspelt(config)];
  const unknown = unknownKeys(netconf).map((key) => `ipam.${key} is not known and has no effect`);
  remarks.push(...unknown);
  const { socketDir } = daemonPlace(config);
  if (socketDir !== options.socketDir) {
    remarks.push(
      `its socket-dir is ${socketDir}, but the daemon's --socket-dir is ${options.socketDir}: ADDs fail with error 11 until both are the same`,
    );
  }
  return { file, name: netconf.name, config, specs: sets.flat(), remarks };
}
