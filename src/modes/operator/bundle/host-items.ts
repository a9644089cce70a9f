/** What a support bundle says of the host: system, versions, directories and who may read them, network configurations. */
import { lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { arch, cpus, hostname, release, totalmem, uptime, version } from 'node:os';
import { dirname, join } from 'node:path';
import { isJsonObject } from '../../../cni/config-check.ts';
import { messageOf } from '../../../infoblox/host/errno.ts';
import * as about from '../../build-info.ts';
import type { FlagValues } from '../../daemon/config/command-line.ts';
import { owedDir } from '../../protocol.ts';
import { findNetworkFiles, networkDirectories } from '../network-configurations.ts';
import { type Item, item, jsonItem, outputOf, readBeginning } from './item.ts';
import { removed, withoutSecretMembers } from './secrets.ts';

/** Entries of a directory that are listed at most. */
const mostEntries = 500;

/** Collects them. */
export async function hostItems(flags: FlagValues): Promise<Item[]> {
  const { 'driver-name': driver, 'socket-dir': socketDir } = flags;
  const files = findNetworkFiles(driver);
  const own = [socketDir, owedDir(socketDir, driver), flags['state-dir'], '/etc/infoblox-cni'];
  const directories = [...own, ...networkDirectories];
  return [
    await jsonItem('versions.json', () => ({
      ...{ version: about.version, commit: about.commit, nodejs: process.version },
      ...{ openssl: process.versions.openssl, sqlite: process.versions.sqlite },
    })),
    await jsonItem('system.json', () => ({
      ...{ hostname: hostname(), kernel: release(), build: version(), arch: arch(), uptime: Math.round(uptime()) },
      ...{ processors: cpus().length, memory: totalmem() },
    })),
    await item('os-release', () => readBeginning('/etc/os-release')),
    await item('systemd-version', () => outputOf('systemctl', ['--version'])),
    await item('directories', () => listings(directories)),
    ...(await Promise.all(
      files.map((file) => item(`network-configurations${file}`, () => configuration(file, driver))),
    )),
  ];
}

/** Lists directories, with owner and mode of each entry and of what is above them. */
function listings(directories: readonly string[]): string {
  const path = [...new Set(directories.flatMap(above))].sort().map(entryLine);
  return [...path, ...directories.map(listing)].join('\n');
}

function listing(directory: string): string {
  const lines = ['', `${directory}:`];
  try {
    const names = readdirSync(directory).sort();
    lines.push(...names.slice(0, mostEntries).map((name) => entryLine(join(directory, name))));
    if (names.length > mostEntries) lines.push(`and ${names.length - mostEntries} more`);
  } catch (error) {
    lines.push(messageOf(error));
  }
  return `${lines.join('\n')}\n`;
}

function above(directory: string): string[] {
  const parent = dirname(directory);
  return parent === directory ? [directory] : [...above(parent), directory];
}

/** `type+mode uid:gid size time path`, the mode in octal as lstat(2) has it. */
function entryLine(path: string): string {
  try {
    const stats = lstatSync(path);
    const link = stats.isSymbolicLink() ? ` -> ${readlinkSync(path)}` : '';
    const owner = `${stats.uid}:${stats.gid}`;
    return `${stats.mode.toString(8).padStart(6, '0')} ${owner} ${stats.size} ${stats.mtime.toISOString()} ${path}${link}`;
  } catch (error) {
    return messageOf(error);
  }
}

/** A network configuration without what concerns others: arguments of containers, other plugins. */
function configuration(file: string, driver: string): string {
  const text = readBeginning(file);
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    return `${text}\n[is no JSON: ${messageOf(error)}]\n`;
  }
  return `${JSON.stringify(withoutSecretMembers(ownPart(document, driver)), null, 2)}\n`;
}

function ownPart(document: unknown, driver: string): unknown {
  if (!isJsonObject(document)) return document;
  const { plugins, ...rest } = document;
  if (!Array.isArray(plugins)) return withoutArguments(document);
  const own = plugins.map((plugin) => {
    const isOurs = isJsonObject(plugin) && isJsonObject(plugin.ipam) && plugin.ipam.type === driver;
    return isOurs || !isJsonObject(plugin) ? withoutArguments(plugin) : { type: plugin.type };
  });
  return { ...rest, plugins: own };
}

function withoutArguments(plugin: unknown): unknown {
  if (!isJsonObject(plugin)) return plugin;
  const hidden = ['args', 'runtimeConfig'].filter((name) => Object.hasOwn(plugin, name));
  return { ...plugin, ...Object.fromEntries(hidden.map((name) => [name, removed])) };
}
