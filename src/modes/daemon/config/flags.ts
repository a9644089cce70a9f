/** The daemon's flags: their names, defaults and texts, in the groups of `--help`. Those of the original keep its names and defaults. */
import type { ArgsDef } from 'citty';
import { commandLines } from '../../about.ts';
import { defaultSocketDir, defaultStateDir } from '../../protocol.ts';

/** A flag with a value, as all are but two; the default `''` is not shown. */
const text = (standard: string, description: string) => ({ type: 'string', default: standard, description }) as const;

const grid = {
  'grid-host': text('192.168.124.200', 'Grid host; several, comma-separated, are tried in order'),
  'wapi-port': text('443', 'WAPI port'),
  'wapi-username': text('', 'WAPI user name'),
  'wapi-password': text(
    '',
    'WAPI password; visible in the process list while the daemon starts: prefer --wapi-password-file',
  ),
  'wapi-password-file': text('', 'File with the WAPI password, read again when it changes'),
  'wapi-client-cert': text(
    '',
    'PEM file with the certificate (and chain) by which the grid knows this daemon, beside or without user and password',
  ),
  'wapi-client-key': text(
    '',
    'PEM file with its key, if it is not in the same file; both are read again when they change',
  ),
  'wapi-version': text('2.3', 'WAPI version, 2.3 or above'),
  'ssl-verify': text(
    'false',
    "Check the grid's certificate: true, false, pin (the keys that its hosts had at the first start), or a file of certificates to trust",
  ),
  labels: text(
    '',
    'Extensible attributes for all that is created, "Site=Paris,Owner=Network team"; left out where the grid does not define them',
  ),
} satisfies ArgsDef;

const driver = {
  'socket-dir': text(defaultSocketDir, 'Directory of the socket that plugins connect to'),
  'driver-name': text('infoblox', 'Name of the socket file, and of the plugin ("type" in the network configuration)'),
  'cluster-name': text('cluster-1', 'Cluster of this host: part of the mark of its reservations'),
  'node-name': text('', 'Name of this host, unique in its cluster; default: the host name'),
  'add-timeout': text('30s', 'Time for one ADD, at most 60s'),
  'release-original': text(
    '',
    'Release, on DEL, also what the original driver reserved for the container under this Tenant ID; see docs/migration.md',
  ),
  'reap-after': text('10m', 'Release addresses whose network namespace has been gone for this long; 0: never'),
} satisfies ArgsDef;

const policy = {
  'network-view': text('default', 'Network view, where the network configuration names none'),
  'network-container': text('172.18.0.0/16', 'Networks without "subnet" are allocated from these, comma-separated'),
  'prefix-length': text('24', 'Prefix length of such networks'),
  'ip-cooldown': text('0s', 'Keep a released address reserved for this long before it can be given again, at most 1h'),
} satisfies ArgsDef;

const state = {
  'state-dir': text(defaultStateDir, 'Directory of the durable state'),
  'lease-history': text('30d', 'Remember for this long who held an address; 0: not at all'),
} satisfies ArgsDef;

const observability = {
  'metrics-listen': text(
    'off',
    'Serve a page for people at /, /metrics (Prometheus), /livez, /readyz and /health at this address, host:port; ":9477" is 127.0.0.1:9477',
  ),
  'log-level': text('info', 'error, warn, info or debug'),
  'log-format': text('auto', 'text, json, or auto: text on a terminal'),
} satisfies ArgsDef;

const about = {
  'environment-file': text(
    '',
    'File whose DAEMON_FLAGS count where this command line says nothing, and whose variables are set; as EnvironmentFile= of systemd',
  ),
  help: { type: 'boolean', description: 'Show this help' },
  version: { type: 'boolean', description: 'Show the version' },
} as const satisfies ArgsDef;

/** All but those that every command has, by the heading of each group. */
export const flagGroups = {
  'Infoblox grid': grid,
  'IPAM driver': driver,
  'Address policy, where the network configuration says nothing': policy,
  State: state,
  Observability: observability,
} as const;

export const flags = { ...grid, ...driver, ...policy, ...state, ...observability, ...about } satisfies ArgsDef;

/** Describes flags for `--help`, by the heading of their group: a paragraph each. */
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
