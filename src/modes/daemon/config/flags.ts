/** The daemon's command line: one table of flags, taken as Go programs take them, for the original's were. */
import { type ArgsDef, parseArgs } from 'citty';
import { distance } from 'fastest-levenshtein';
import { defaultSocketDir } from '../../protocol.ts';

export class UsageError extends Error {}

export const defaultStateDir = '/var/lib/infoblox-cni';

/** As the first argument: checks flags and files, and leaves. */
export const checkCommand = 'check-config';

/** Flags of the original first, with its spelling and defaults. */
export const flags = {
  'grid-host': {
    type: 'string',
    default: '192.168.124.200',
    description: 'Grid host; several, comma-separated, are tried in order',
  },
  'wapi-port': { type: 'string', default: '443', description: 'WAPI port' },
  'wapi-username': { type: 'string', default: '', description: 'WAPI user name' },
  'wapi-password': {
    type: 'string',
    default: '',
    description: 'WAPI password; shows in the process list while the daemon starts, prefer the next',
  },
  'wapi-password-file': {
    type: 'string',
    default: '',
    description: 'File with the WAPI password, read again when it changes',
  },
  'wapi-version': { type: 'string', default: '2.3', description: 'WAPI version, 2.3 or above' },
  'ssl-verify': {
    type: 'string',
    default: 'false',
    description:
      "Check the grid's certificate: true, false, pin (the key that it was first seen with), or a file of certificates to trust",
  },
  'socket-dir': {
    type: 'string',
    default: defaultSocketDir,
    description: 'Directory of the socket that plugins connect to',
  },
  'driver-name': {
    type: 'string',
    default: 'infoblox',
    description: 'Name of the socket file, and of the plugin ("type" in the network configuration)',
  },
  'network-view': {
    type: 'string',
    default: 'default',
    description: 'Network view, where the network configuration names none',
  },
  'network-container': {
    type: 'string',
    default: '172.18.0.0/16',
    description: 'Networks without "subnet" are allocated from these, comma-separated',
  },
  'prefix-length': { type: 'string', default: '24', description: 'Prefix length of such networks' },
  'cluster-name': {
    type: 'string',
    default: 'cluster-1',
    description: 'Cluster of this host: part of the identity of its reservations',
  },
  'node-name': {
    type: 'string',
    default: '',
    description: 'Name of this host, unique in its cluster; default: the host name',
  },
  'state-dir': { type: 'string', default: defaultStateDir, description: 'Directory of the durable state' },
  labels: {
    type: 'string',
    default: '',
    description:
      'Extensible attributes for all that is created, "Site=Paris,Owner=Network team"; left out where the grid does not define them',
  },
  'add-timeout': { type: 'string', default: '30s', description: 'Time for one ADD, at most 60s' },
  'reap-after': {
    type: 'string',
    default: '10m',
    description: 'Release addresses whose network namespace has been gone for this long; 0: never',
  },
  'metrics-listen': {
    type: 'string',
    default: 'off',
    description: 'Serve /metrics (Prometheus) and /health at this address, host:port; ":9477" is 127.0.0.1:9477',
  },
  'log-level': { type: 'string', default: 'info', description: 'error, warn, info or debug' },
  'log-format': { type: 'string', default: 'auto', description: 'text, json, or auto: text on a terminal' },
  help: { type: 'boolean', description: 'Show this help' },
  version: { type: 'boolean', description: 'Show the version' },
} as const satisfies ArgsDef;

export type FlagName = keyof typeof flags;
export type FlagValues = Record<Exclude<FlagName, 'help' | 'version'>, string> & { help?: boolean; version?: boolean };

/** What people type from habit, and the flag that they mean. */
const habits: ReadonlyMap<string, FlagName> = new Map([
  ['user', 'wapi-username'],
  ['username', 'wapi-username'],
  ['wapi-user', 'wapi-username'],
  ['pass', 'wapi-password-file'],
  ['password', 'wapi-password-file'],
  ['wapi-pass', 'wapi-password-file'],
  ['port', 'wapi-port'],
  ['host', 'grid-host'],
  ['grid', 'grid-host'],
  ['server', 'grid-host'],
  ['wapi-host', 'grid-host'],
]);

/**
 * Reads `--flag value`, `--flag=value` and the same with one dash; of a repeated flag the last counts.
 * @throws UsageError naming what is wrong, and the flag that may be meant
 */
export function parseFlags(args: readonly string[]): FlagValues {
  const canonical: string[] = [];
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    const [, name, , value] = /^--?([a-z][a-z-]*)(=(.*))?$/s.exec(arg === '-h' ? '--help' : arg) ?? [];
    if (name === undefined || !isFlag(name)) throw new UsageError(complaint(arg, canonical.at(-1)));
    if (flags[name].type === 'boolean') {
      if (value !== 'false') canonical.push(`--${name}`);
      continue;
    }
    const given = value ?? rest.shift();
    if (given === undefined) throw new UsageError(`flag --${name} needs a value`);
    refuseSwallowed(name, given);
    canonical.push(`--${name}=${given}`);
  }
  return parseArgs(canonical, flags) as unknown as FlagValues;
}

/** The text of `--help`, from the same table. */
export function usage(): string {
  const lines = Object.entries(flags).map(([name, flag]) => {
    const value = flag.type === 'string' ? ' string' : '';
    const standard = 'default' in flag && flag.default !== '' ? ` (default "${flag.default}")` : '';
    return `  --${name}${value}\n        ${flag.description}${standard}\n`;
  });
  return `infoblox-cni-daemon: allocates container addresses from an Infoblox grid for the CNI plugin "infoblox"

Usage: infoblox-cni-daemon [flags]
       infoblox-cni-daemon ${checkCommand} [flags]    checks flags and the files that they name, and leaves

${lines.join('')}
The password may also come from the environment variable WAPI_PASSWORD or the systemd credential "wapi-password".
`;
}

function isFlag(name: string): name is FlagName {
  return Object.hasOwn(flags, name);
}

/** Where systemd and the scripts split DAEMON_FLAGS into words. */
const quoting =
  'in /etc/infoblox-cni/daemon.env, put double quotes around a value with spaces, and single quotes around all of DAEMON_FLAGS';

/**
 * systemd takes a quote that is never closed without a word, and all flags after it as one value.
 * @throws UsageError naming both flags, never the value
 */
function refuseSwallowed(name: FlagName, value: string): void {
  const swallowed = [...value.matchAll(/\s--?([a-z][a-z-]*)(?==|\s|$)/g)].find(
    ([, other]) => other && isFlag(other),
  )?.[1];
  if (swallowed === undefined) return;
  throw new UsageError(`the value of --${name} holds the flag --${swallowed}: a quote is missing; ${quoting}`);
}

/** Never the value: a password may stand in it, or be the argument itself where it holds a space. */
function complaint(arg: string, before = ''): string {
  const name = /^--?([a-z][a-z_-]*)(?==|$)/i.exec(arg)?.[1];
  const meant = name && meantBy(name.toLowerCase().replaceAll('_', '-'));
  if (meant) return `unknown flag --${name}; did you mean --${meant}?`;
  const shown = arg.replace(/=.*/s, '');
  if (/^--[a-z-]+$/.test(shown)) return `unknown flag ${shown}; see --help`;
  const argument = before.startsWith('--wapi-password=') ? '...' : shown;
  // After a flag it is the rest of a value with spaces, most likely.
  return `unexpected argument "${argument}"${before === '' ? '' : `; if a quote is missing: ${quoting}`}`;
}

function meantBy(name: string): string | undefined {
  const nearest = Object.keys(flags).sort((one, other) => distance(name, one) - distance(name, other))[0] ?? '';
  return habits.get(name) ?? (distance(name, nearest) <= Math.min(3, name.length / 2) ? nearest : undefined);
}
