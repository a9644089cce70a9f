/**
 * `install-plugin` installs the plugin into a runtime's directory, then the network configurations that use it, each file atomically. The
 * init container of the DaemonSet runs it (deploy/kubernetes). It may be run again at any time.
 */
import {
  accessSync,
  constants,
  existsSync,
  linkSync,
  lstatSync,
  readFileSync,
  readlinkSync,
  type Stats,
  statSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { messageOf } from '../../../errno.ts';
import { copyDurably, linkDurably, type Place, removeDrafts, writeDurably } from '../../../files/durable-file.ts';
import { distrust } from '../../../files/trusted-path.ts';
import { versionLine } from '../../about.ts';
import { UsageError } from '../../daemon/config/command-line.ts';
import { type Options, readOptions } from '../../daemon/config/options.ts';
import { daemonPlace, defineCommand, text } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { checkNetworkFiles, isNetworkFile, networkFilesIn, pluginsIn } from '../network-configurations.ts';
import { pluginPaths, sayVersion } from '../plugin-directories.ts';

const own = {
  'bin-dir': text('/opt/cni/bin', "The runtime's directory of plugins"),
  'conf-dir': text(
    '/etc/cni/net.d',
    "The runtime's directory of network configurations, where each FILE is put under its own name",
  ),
};

/** Called by this name, the same file runs the daemon and its commands. */
const daemonName = 'infoblox-cni-daemon';
const pluginMode = 0o755;
/** Milliseconds without a write after which a draft is abandoned: a copy takes some seconds. */
const draftAgeMs = 60_000;

export const installPlugin = defineCommand({
  operands: '[FILE...]',
  examples: [
    ['install-plugin', 'Put the plugin, and the commands of the operator, into /opt/cni/bin'],
    [
      'install-plugin /etc/infoblox-cni/netconf/10-pods.conflist',
      'Then this network configuration into /etc/cni/net.d',
    ],
  ],
  groups: { Install: own, 'IPAM driver': daemonPlace },
  async run({ flags, operands, daemonFlags, env }) {
    const [bin, conf] = [flags['bin-dir'], flags['conf-dir']];
    // Any host name will do.
    const options = readOptions(daemonFlags, env, { hostName: 'host' });
    // Check everything before the first change: pods fail on a node with a network but without its plugin.
    requireDirectory(bin, '--bin-dir');
    if (operands.length > 0) requireDirectory(conf, '--conf-dir');
    const networks = operands.map((file) => ({ name: nameOf(file), text: readNetwork(file, { bin, options }) }));
    const say = (line: string) => process.stdout.write(`${line}\n`);
    try {
      for (const line of await placePlugin({ directory: bin, name: options.driverName })) say(line);
      say(placeDaemonLink(bin, options.driverName));
      for (const { name, text } of networks) say(placeNetwork({ directory: conf, name }, text));
    } catch (error) {
      const hint = 'make room, or make the directory writable, and run it again: what is in place is complete';
      throw new CommandError(`cannot go on: ${messageOf(error)}`, hint);
    }
    return {
      text: () =>
        remark(
          conf,
          networks.map(({ name }) => name),
        ),
    };
  },
});

/** Checks that a directory is writable, and by root only: others could place links that overwrite root's files. @throws CommandError */
function requireDirectory(path: string, flag: string): void {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    const others = flag === '--bin-dir' ? pluginPaths({}) : [];
    const such = others.length === 0 ? '' : `, such as ${others.join(' or ')}`;
    throw new CommandError(`there is no directory ${path}`, `make it, or name another one with ${flag}${such}`);
  }
  try {
    accessSync(path, constants.W_OK);
  } catch (error) {
    const hint = `mount it writable, or name another one with ${flag}`;
    throw new CommandError(`cannot write to ${path}: ${messageOf(error)}`, hint);
  }
  const untrusted = distrust(path);
  if (untrusted !== undefined) throw new CommandError(untrusted.message, `run ${untrusted.hint}`);
}

/** Returns the name of a file if runtimes read files of that name. @throws UsageError */
function nameOf(file: string): string {
  const name = basename(file);
  if (isNetworkFile(name)) return name;
  throw new UsageError(`runtimes do not read a file called ${name}: it must end in .conf, .conflist or .json`);
}

/**
 * Reads a network configuration. Checks it as an ADD would, and that its plugins are installed.
 * @throws CommandError
 */
function readNetwork(file: string, { bin, options }: { readonly bin: string; readonly options: Options }): string {
  const [error] = checkNetworkFiles([file], options).errors;
  if (error !== undefined) throw new CommandError(`${file}: ${error.message}`, error.hint);
  const missing = pluginsIn(file).filter((name) => name !== options.driverName && !existsSync(join(bin, name)));
  if (missing.length === 0) return readFileSync(file, 'utf8');
  const why = `${file} names ${missing.join(', ')}, not in ${bin}`;
  throw new CommandError(why, 'install these plugins first, or name their directory with --bin-dir');
}

/**
 * Installs this executable into a plugin directory atomically: a runtime finds either the old file or the complete new one. Another
 * program of that name is kept under a second name.
 * @returns what was done, one line each
 * @throws the error of the file system
 */
async function placePlugin(place: Place): Promise<string[]> {
  const file = join(place.directory, place.name);
  removeDrafts(place, Date.now() - draftAgeMs);
  const present = lstatIfThere(file);
  const said = await sayVersion(file, new AbortController().signal);
  const release = 'value' in said ? said.value : '';
  if (release === versionLine && present?.mode === (constants.S_IFREG | pluginMode)) return [`${file} is up to date`];
  const isForeign = present !== undefined && !release.startsWith('infoblox-cni ');
  const kept = isForeign ? [`${file} is another program: kept as ${keep(file)}`] : [];
  copyDurably({ ...place, mode: pluginMode }, process.execPath);
  return [...kept, `installed ${file}: ${versionLine}`];
}

/** Links a file to the first free name `.replaced`, `.replaced-2` …. @returns the name */
function keep(file: string): string {
  let kept = `${file}.replaced`;
  for (let number = 2; lstatIfThere(kept) !== undefined; number += 1) kept = `${file}.replaced-${number}`;
  linkSync(file, kept);
  return kept;
}

function lstatIfThere(file: string): Stats | undefined {
  return lstatSync(file, { throwIfNoEntry: false });
}

/**
 * Links the daemon's name to the plugin, so that the operator's commands can run on the host. An existing file of that name stays.
 * @returns what was done, one line
 */
function placeDaemonLink(directory: string, plugin: string): string {
  const link = { directory, name: daemonName };
  const file = join(directory, daemonName);
  removeDrafts(link, Date.now() - draftAgeMs);
  const present = lstatIfThere(file);
  if (present?.isSymbolicLink() === false) return `${file} is not a link and stays as it is`;
  if (present !== undefined && readlinkSync(file) === plugin) return `${file} is up to date`;
  linkDurably(link, plugin);
  return `linked ${file} to ${plugin}`;
}

/** Installs a network configuration. @returns what was done, one line */
function placeNetwork(place: Place, text: string): string {
  const file = join(place.directory, place.name);
  removeDrafts(place, Date.now() - draftAgeMs);
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return `${file} is up to date`;
  writeDurably({ ...place, mode: 0o644 }, text);
  return `installed ${file}`;
}

/** Warns if another network comes first: Kubernetes' runtimes use only the first file by name. */
function remark(conf: string, installed: readonly string[]): string {
  const [first] = installed.length === 0 ? [] : networkFilesIn(conf).map((file) => basename(file));
  if (first === undefined || installed.includes(first)) return '';
  return `warning: a runtime that takes the first file of ${conf} takes ${first}, not this network\n`;
}
