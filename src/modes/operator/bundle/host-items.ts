/** What a support bundle says of the host: system, versions, directories and who may read them, network configurations. */
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { arch, cpus, hostname, release, totalmem, uptime, version } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { parseEnv } from 'node:util';
import { isJsonObject } from '../../../cni/call.ts';
import { errnoOf, messageOf } from '../../../errno.ts';
import * as about from '../../about.ts';
import type { FlagValues } from '../../daemon/config/command-line.ts';
import { owedDir } from '../../protocol.ts';
import { findNetworkFiles, networkDirectories } from '../network-configurations.ts';
import { type Fields, shape } from './fields.ts';
import { type Item, item, jsonItem, outputOf } from './item.ts';

/** Entries of a directory that are listed. */
const maxEntries = 500;
/** Names that the driver itself gives. */
const ownFile = /^(?:state\.db(?:-wal|-shm)?|grid-keys|daemon\.env|wapi-password|netconf|[\w-]+\.(?:sock|owed|lock))$/;

const systemShape = shape({ plain: 'NAME ID ID_LIKE VERSION_ID VARIANT_ID' });

/** Keys of a main plugin that calls this driver, and of its `ipam`. */
const pluginShape = shape(
  {
    plain: 'cniVersion type bridge isGateway isDefaultGateway ipMasq hairpinMode promiscMode master mode mtu vlan',
    network: 'name',
  },
  {
    capabilities: shape({ plain: 'ips ipRanges mac' }),
    ipam: shape(
      {
        plain: 'type prefix-length ip-cooldown socket-dir',
        address: 'subnet gateway network-container',
        view: 'network-view',
      },
      { routes: shape({ address: 'dst gw' }) },
    ),
  },
);
const listShape = shape({ plain: 'cniVersion disableCheck disableGC', network: 'name' });
const otherShape = shape({ plain: 'type' });

/** Collects them. */
export async function hostItems(flags: FlagValues, fields: Fields): Promise<Item[]> {
  const { 'driver-name': driver, 'socket-dir': socketDir } = flags;
  const own = [socketDir, owedDir(socketDir, driver), flags['state-dir'], '/etc/infoblox-cni'];
  return [
    await jsonItem('versions.json', () => ({
      version: about.version,
      commit: about.commit,
      nodejs: process.version,
      openssl: process.versions.openssl,
      sqlite: process.versions.sqlite,
    })),
    await jsonItem('system.json', () => ({
      hostname: fields.write('host', hostname()),
      kernel: release(),
      build: version(),
      arch: arch(),
      uptime: Math.round(uptime()),
      processors: cpus().length,
      memory: totalmem(),
    })),
    await jsonItem('os-release.json', () =>
      fields.select(parseEnv(readFileSync('/etc/os-release', 'utf8')), systemShape),
    ),
    await item('systemd-version', () => outputOf('systemctl', ['--version'])),
    await item('directories', () => listings([...own, ...networkDirectories], fields)),
    await jsonItem('network-configurations.json', () =>
      findNetworkFiles(driver).map((file) => configuration(file, driver, fields)),
    ),
  ];
}

/** Lists directories, with owner and mode of each entry and of what is above them. */
function listings(directories: readonly string[], fields: Fields): string {
  const path = [...new Set(directories.flatMap(above))].sort().map((directory) => entryLine(directory, directory));
  return [...path, ...directories.map((directory) => listing(directory, fields))].join('\n');
}

function listing(directory: string, fields: Fields): string {
  const lines = ['', `${directory}:`];
  try {
    const paths = readdirSync(directory)
      .sort()
      .map((name) => join(directory, name));
    lines.push(...paths.slice(0, maxEntries).map((path) => entryLine(path, pathFor(path, fields))));
    if (paths.length > maxEntries) lines.push(`and ${paths.length - maxEntries} more`);
  } catch (error) {
    lines.push(messageOf(error));
  }
  return `${lines.join('\n')}\n`;
}

function above(directory: string): string[] {
  const parent = dirname(directory);
  return parent === directory ? [directory] : [...above(parent), directory];
}

/** `type+mode uid:gid size time path`, the mode in octal as lstat(2) has it. Where a link leads may name anything. */
function entryLine(path: string, shown: string): string {
  try {
    const { mode, uid, gid, size, mtime } = lstatSync(path);
    return `${mode.toString(8).padStart(6, '0')} ${uid}:${gid} ${size} ${mtime.toISOString()} ${shown}`;
  } catch (error) {
    return `${errnoOf(error)} ${shown}`;
  }
}

/** The name of a file may be that of a network or a host. */
function pathFor(path: string, fields: Fields): string {
  const name = basename(path);
  return ownFile.test(name) ? path : join(dirname(path), fields.write('file', name));
}

/** What a file says that concerns this driver: of other plugins only the type. */
function configuration(file: string, driver: string, fields: Fields): unknown {
  const shown = pathFor(file, fields);
  try {
    const config: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (!isJsonObject(config) || !Array.isArray(config.plugins)) {
      return { file: shown, config: fields.select(config, pluginShape) };
    }
    const plugins = config.plugins.map((plugin) => {
      const isOurs = isJsonObject(plugin) && isJsonObject(plugin.ipam) && plugin.ipam.type === driver;
      return fields.select(plugin, isOurs ? pluginShape : otherShape);
    });
    return { file: shown, config: fields.select(config, listShape), plugins };
  } catch (error) {
    // What JSON.parse says quotes the file.
    return { file: shown, error: errnoOf(error) ?? 'no JSON' };
  }
}
