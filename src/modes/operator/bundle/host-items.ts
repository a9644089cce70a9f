/** What a support bundle says of the host: system, versions, directories and who may read them, network configurations. */
import { lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { arch, cpus, hostname, release, totalmem, uptime, version } from 'node:os';
import { dirname, join } from 'node:path';
import { messageOf } from '../../../infoblox/host/errno.ts';
import * as about from '../../build-info.ts';
import { findNetworkFiles, networkDirectories } from '../network-configurations.ts';
import { type Item, item, jsonItem, outputOf, readBeginning } from './item.ts';
import { removed, withoutSecretMembers } from './secrets.ts';

/** Entries of a directory that are listed at most. */
const mostEntries = 500;

export interface HostPlaces {
  readonly driver: string;
  readonly socketDir: string;
  readonly stateDir: string;
}

/** Collects them. */
export async function hostItems({ driver, socketDir, stateDir }: HostPlaces): Promise<Item[]> {
  const files = findNetworkFiles(driver);
  const directories = [
    socketDir,
    join(socketDir, `${driver}.owed`),
    stateDir,
    '/etc/infoblox-cni',
    ...networkDirectories,
  ];
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
  if (!isObject(document)) return document;
  const { plugins, ...rest } = document;
  if (!Array.isArray(plugins)) return withoutArguments(document);
  const own = plugins.map((plugin) => {
    const isOurs = isObject(plugin) && isObject(plugin.ipam) && plugin.ipam.type === driver;
    return isOurs || !isObject(plugin) ? withoutArguments(plugin) : { type: plugin.type };
  });
  return { ...rest, plugins: own };
}

function withoutArguments(plugin: unknown): unknown {
  if (!isObject(plugin)) return plugin;
  const hidden = ['args', 'runtimeConfig'].filter((name) => Object.hasOwn(plugin, name));
  return { ...plugin, ...Object.fromEntries(hidden.map((name) => [name, removed])) };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
