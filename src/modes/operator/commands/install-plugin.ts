/**
 * `install-plugin`: puts the plugin where a runtime looks for it, and after it the network configurations that need it, each in one
 * step. The init container of the DaemonSet runs it (deploy/kubernetes); it can be run again at any time.
 */
import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { messageOf } from '../../../errno.ts';
import { removeDrafts, writeDurably } from '../../../files/durable-file.ts';
import { distrust } from '../../../files/trusted-path.ts';
import { UsageError } from '../../daemon/config/command-line.ts';
import { type Options, readOptions } from '../../daemon/config/options.ts';
import { daemonPlace, defineCommand } from '../command.ts';
import { CommandError, exitStatus } from '../command-error.ts';
import { checkNetworkFiles, pluginsIn } from '../network-configurations.ts';
import { pluginPaths } from '../plugin-directories.ts';
import { draftAge, placeDaemonLink, placePlugin } from '../plugins/plugin-file.ts';

const own = {
  'bin-dir': { type: 'string', default: '/opt/cni/bin', description: "The runtime's directory of plugins" },
  'conf-dir': {
    type: 'string',
    default: '/etc/cni/net.d',
    description: "The runtime's directory of network configurations, where each FILE is put under its own name",
  },
} as const;

const networkFile = /^[^.].*\.(conf|conflist|json)$/;

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
    // It does not matter here what the host is called.
    const options = readOptions(daemonFlags, env, { isTerminal: false, hostName: 'host' });
    // Nothing is changed before it is certain that all can be done: a network without its plugin takes a node's pods.
    requireDirectory(bin, '--bin-dir');
    if (operands.length > 0) requireDirectory(conf, '--conf-dir');
    const networks = operands.map((file) => ({ name: nameOf(file), text: readNetwork(file, { bin, options }) }));

    try {
      const plugin = { directory: bin, name: options.driverName };
      say(await placePlugin(plugin, process.execPath));
      say(placeDaemonLink(plugin));
      for (const { name, text } of networks) say([placeNetwork({ directory: conf, name }, text)]);
      if (networks.length > 0) say(remarks(conf, networks));
    } catch (error) {
      const hint = 'make room, or make the directory writable, and run it again: what is in place is complete';
      throw new CommandError(`cannot go on: ${messageOf(error)}`, hint);
    }
    return exitStatus.ok;
  },
});

function say(lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`${line}\n`);
}

/** What others can write to they could fill with links, and have root's files overwritten. @throws CommandError */
function requireDirectory(path: string, flag: string): void {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    const others = flag === '--bin-dir' ? pluginPaths({}) : [];
    const such = others.length === 0 ? '' : `, such as ${others.join(' or ')}`;
    throw new CommandError(`there is no directory ${path}`, `make it, or name another one with ${flag}${such}`);
  }
  try {
    accessSync(path, constants.W_OK);
  } catch (error) {
    throw new CommandError(
      `cannot write to ${path}: ${messageOf(error)}`,
      `mount it writable, or name another one with ${flag}`,
    );
  }
  const untrusted = distrust(path);
  if (untrusted !== undefined) throw new CommandError(untrusted.message, `run ${untrusted.hint}`);
}

/** Runtimes read no file of another name. */
function nameOf(file: string): string {
  const name = basename(file);
  if (networkFile.test(name)) return name;
  throw new UsageError(`runtimes do not read a file called ${name}: it must end in .conf, .conflist or .json`);
}

/**
 * Reads a network configuration, checked as an ADD would, and with each of its plugins there.
 * @throws CommandError
 */
function readNetwork(file: string, { bin, options }: { readonly bin: string; readonly options: Options }): string {
  const [error] = checkNetworkFiles([file], options).errors;
  if (error !== undefined) throw new CommandError(`${file}: ${error.message}`, error.hint);
  const isMissing = (name: string) => name !== options.driverName && !existsSync(join(bin, name));
  const missing = pluginsIn(file).filter(isMissing);
  if (missing.length === 0) return readFileSync(file, 'utf8');
  const why = `${file} names ${missing.join(', ')}, not in ${bin}`;
  throw new CommandError(why, 'install these plugins first, or name their directory with --bin-dir');
}

function placeNetwork(place: { readonly directory: string; readonly name: string }, text: string): string {
  const file = join(place.directory, place.name);
  removeDrafts(place, Date.now() - draftAge);
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return `${file} is up to date`;
  writeDurably({ ...place, mode: 0o644 }, text);
  return `installed ${file}`;
}

/** Kubernetes' runtimes take one network only, the first by name. */
function remarks(conf: string, networks: readonly { readonly name: string }[]): string[] {
  const first = readdirSync(conf)
    .filter((name) => networkFile.test(name))
    .sort()[0];
  if (first === undefined || networks.some(({ name }) => name === first)) return [];
  return [`warning: a runtime that takes the first file of ${conf} takes ${first}, not this network`];
}
