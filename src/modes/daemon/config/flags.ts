/**
 * Defines the daemon's flags in the groups of `--help`: names, defaults, valid values and texts. Flags of the original driver keep its
 * names and defaults.
 */
import type { ArgsDef } from 'citty';
import * as v from 'valibot';
import { creations } from '../../../infoblox/network/creation.ts';
import { isBlockSize, maxCooldownMs } from '../../../infoblox/network/spec.ts';
import { commandLines } from '../../about.ts';
import { callTimeoutsMs, defaultSocketDir, defaultStateDir } from '../../protocol.ts';
import { day, minute, parseDuration } from '../../quantity.ts';
import type { ListenAddress } from '../metrics/listener.ts';

const maxAddTimeoutMs = callTimeoutsMs.ADD - 5_000;
const maxHistoryMs = 3_650 * day;

const any = v.string();
const text = v.pipe(v.string(), v.trim(), v.minLength(1, 'must not be empty'));
const path = v.pipe(v.string(), v.regex(/^\//, 'must be an absolute path'));
const whatNamesAre = 'must consist of letters, digits, "_", "." and "-"';
const name = v.pipe(v.string(), v.regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/, whatNamesAre));
const whatHostsAre =
  'must name hosts or addresses alone, separated by commas: no https://, no path, the port in --wapi-port, IPv6 addresses in brackets';
const host = v.pipe(
  v.string(),
  v.regex(/^[a-zA-Z0-9_.-]+$|^\[[0-9a-fA-F:]+\]$/, whatHostsAre),
  // Normalised as in URLs: lower case, short form of addresses.
  v.transform((host) => URL.parse(`https://${host}`)?.hostname ?? host),
);
const hosts = v.pipe(
  text,
  v.transform((list) => list.split(',').map((one) => one.trim())),
  v.array(host),
);
const whatPortsAre = 'must be a port number';
const port = v.pipe(
  v.string(),
  v.regex(/^\d{1,5}$/, whatPortsAre),
  v.transform(Number),
  v.minValue(1, whatPortsAre),
  v.maxValue(65535, whatPortsAre),
);
const version = v.pipe(
  v.string(),
  v.regex(/^\d{1,2}\.\d{1,2}(\.\d{1,2})*$/, 'must be a version such as 2.3'),
  v.check((version) => {
    const [major = 0, minor = 0] = version.split('.').map(Number);
    return major > 2 || (major === 2 && minor >= 3);
  }, 'must be 2.3 or above'),
);
const bits = v.pipe(v.string(), v.regex(/^\d{1,3}$/, 'must be a whole number of bits'), v.transform(Number));
const labels = v.pipe(
  v.string(),
  v.transform((list) => (list === '' ? [] : list.split(',')).map((pair) => pair.split('=').map((part) => part.trim()))),
  v.everyItem(
    (pair) => pair.length === 2 && !pair.includes(''),
    'must be a list such as "Site=Paris,Owner=Network team"',
  ),
  v.transform((pairs): Record<string, string> => Object.fromEntries(pairs)),
);
/** In milliseconds. */
const duration = v.pipe(
  v.string(),
  v.transform(parseDuration),
  v.number('must be a duration such as 500ms, 30s or 10m'),
);
const addTimeout = v.pipe(
  duration,
  v.minValue(1_000, 'must be at least 1s'),
  v.maxValue(maxAddTimeoutMs, `must be at most ${maxAddTimeoutMs / 1000}s: runtimes give up then`),
);
const history = v.pipe(duration, v.maxValue(maxHistoryMs, `must be at most ${maxHistoryMs / day}d`));
const whatBlockSizesAre = 'must be 0 or a power of two from 8 to 256';
const blockSize = v.pipe(
  v.string(),
  v.regex(/^\d{1,3}$/, whatBlockSizesAre),
  v.transform(Number),
  v.check(isBlockSize, whatBlockSizesAre),
);
const blockValidity = v.pipe(
  duration,
  v.minValue(10 * minute, 'must be at least 10m: blocks are confirmed every 5m'),
  v.maxValue(day, 'must be at most 24h'),
);
const cooldown = v.pipe(duration, v.maxValue(maxCooldownMs, 'must be at most 1h'));
const listening = v.pipe(
  v.string(),
  v.regex(
    /^(off|\[[0-9a-fA-F:]+\]:\d{1,5}|[a-zA-Z0-9_.-]*:\d{1,5})$/,
    'must be off, or host:port such as 127.0.0.1:9477',
  ),
  v.transform(listenAddress),
  v.check((address) => address === undefined || address.port <= 65535, 'must have a port up to 65535'),
);
const create = v.picklist(creations, 'must be all, networks or none');
const level = v.picklist(['error', 'warn', 'info', 'debug'], 'must be error, warn, info or debug');
const format = v.picklist(['text', 'json', 'auto'], 'must be text, json or auto');

/** Makes a flag with a value; the help does not show the default `''`. */
const flag = <const S extends v.GenericSchema<string, unknown>>(standard: string, schema: S, description: string) =>
  ({ type: 'string', default: standard, description, schema }) as const;

const grid = {
  'grid-host': flag('192.168.124.200', hosts, 'Grid host; several, comma-separated, are tried in order'),
  'wapi-port': flag('443', port, 'WAPI port'),
  'wapi-username': flag('', any, 'WAPI user name'),
  'wapi-password': flag(
    '',
    any,
    'WAPI password; visible in the process list while the daemon starts: prefer --wapi-password-file',
  ),
  'wapi-password-file': flag('', any, 'File with the WAPI password, read again when it changes'),
  'wapi-client-cert': flag(
    '',
    any,
    'PEM file with the certificate (and chain) by which the grid knows this daemon, beside or without user and password',
  ),
  'wapi-client-key': flag(
    '',
    any,
    'PEM file with its key, if it is not in the same file; both are read again when they change',
  ),
  'wapi-version': flag('2.3', version, 'WAPI version, 2.3 or above'),
  'ssl-verify': flag(
    'false',
    text,
    "Check the grid's certificate: true, false, pin (the keys that its hosts had at the first start), or a file of certificates to trust",
  ),
  labels: flag(
    '',
    labels,
    'Extensible attributes for all created objects, "Site=Paris,Owner=Network team"; those that the grid does not define are left out',
  ),
} as const;

const driver = {
  'socket-dir': flag(defaultSocketDir, path, 'Directory of the socket that plugins connect to'),
  'driver-name': flag(
    'infoblox',
    name,
    'Name of the socket file, and of the plugin ("type" in the network configuration)',
  ),
  'cluster-name': flag('cluster-1', name, 'Cluster of this host: part of the mark of its reservations'),
  'node-name': flag(
    '',
    v.union([v.literal(''), name], whatNamesAre),
    'Name of this host, unique in its cluster; default: the host name',
  ),
  'add-timeout': flag('30s', addTimeout, 'Time for one ADD, at most 60s'),
  'release-original': flag(
    '',
    any,
    'Release, on DEL, also what the original driver reserved for the container under this Tenant ID; see docs/migration.md',
  ),
  'reap-after': flag(
    '10m',
    duration,
    'Release addresses whose network namespace has been gone for this long; 0: never',
  ),
} as const;

const policy = {
  'network-view': flag('default', text, 'Network view, if the network configuration names none'),
  'network-container': flag(
    '172.18.0.0/16',
    any,
    'Networks without "subnet" are allocated from these, comma-separated',
  ),
  'prefix-length': flag('24', bits, 'Prefix length of such networks'),
  create: flag(
    'all',
    create,
    'What may be created on the grid: all, networks (no network views and containers), or none (only reservations and blocks)',
  ),
  'block-size': flag(
    '0',
    blockSize,
    'Take blocks of this many addresses (a power of two from 8 to 256) in networks of at least four times the size; 0: no blocks',
  ),
  'block-validity': flag(
    '10m',
    blockValidity,
    'Hand out addresses of a block for this long after the grid has confirmed it, at most 24h',
  ),
  'ip-cooldown': flag(
    '0s',
    cooldown,
    'Keep a released address reserved for this long before it is assigned again, at most 1h',
  ),
} as const;

const state = {
  'state-dir': flag(defaultStateDir, path, 'Directory of the durable state'),
  'lease-history': flag('30d', history, 'Remember for this long who held an address; 0: not at all'),
} as const;

const observability = {
  'metrics-listen': flag(
    'off',
    listening,
    'Serve a page for people at /, /metrics (Prometheus), /livez, /readyz and /health at this address, host:port; ":9477" is 127.0.0.1:9477',
  ),
  'log-level': flag('info', level, 'error, warn, info or debug'),
  'log-format': flag('auto', format, 'text, json, or auto: text on a terminal'),
} as const;

const about = {
  'environment-file': flag(
    '',
    any,
    'File with DAEMON_FLAGS, which this command line overrides, and with variables to set; like EnvironmentFile= of systemd',
  ),
  help: { type: 'boolean', description: 'Show this help' },
  version: { type: 'boolean', description: 'Show the version' },
} as const;

/** The daemon's flags by the heading of their group, without those of every command. */
export const flagGroups = {
  'Infoblox grid': grid,
  'IPAM driver': driver,
  'Address policy, for keys that a network configuration omits': policy,
  State: state,
  Observability: observability,
} as const;

const settings = { ...grid, ...driver, ...policy, ...state, ...observability };

export const flags = { ...settings, ...about } satisfies ArgsDef;

/** Valid values of the flags. */
export const FlagSchema = v.object(
  Object.fromEntries(Object.entries(settings).map(([name, { schema }]) => [name, schema])) as {
    [Name in keyof typeof settings]: (typeof settings)[Name]['schema'];
  },
);

/** Reads host and port. A bare port listens at 127.0.0.1: to serve other hosts, an address must be given. */
function listenAddress(text: string): ListenAddress | undefined {
  if (text === 'off') return undefined;
  const colon = text.lastIndexOf(':');
  return { host: text.slice(0, colon).replace(/[[\]]/g, '') || '127.0.0.1', port: Number(text.slice(colon + 1)) };
}

/** Describes flags for `--help`, under the heading of their group. */
export function flagHelp(groups: Readonly<Record<string, ArgsDef>>): string {
  const sections = Object.entries(groups).map(([title, flags]) => {
    const lines = Object.entries(flags).map(([name, { type, description, default: standard }]) => {
      const value = type === 'string' ? ' string' : '';
      const shown = standard === undefined || standard === '' ? '' : ` (default "${standard}")`;
      return `  --${name}${value}\n        ${description}${shown}\n`;
    });
    return `${title}:\n${lines.join('')}`;
  });
  return sections.join('\n');
}

/** Makes the text of `--help`. */
export function usage(): string {
  return `infoblox-cni-daemon: allocates container addresses from an Infoblox grid for the CNI plugin "infoblox"

Usage: infoblox-cni-daemon [flags]            runs the daemon
       infoblox-cni-daemon COMMAND [flags]    see infoblox-cni-daemon COMMAND --help

Commands:
${commandLines()}
${flagHelp({ ...flagGroups, Other: about })}
The password may also come from the environment variable WAPI_PASSWORD or the systemd credential "wapi-password".
`;
}
