/** The daemon's flags: their names, defaults and texts, in the groups of `--help`. Those of the original keep its names and defaults. */
import type { ArgsDef } from 'citty';
import { defaultSocketDir } from '../../protocol.ts';

/** As the first argument: checks flags and files, and leaves. */
export const checkCommand = 'check-config';

export const defaultStateDir = '/var/lib/infoblox-cni';

const grid = {
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
  labels: {
    type: 'string',
    default: '',
    description:
      'Extensible attributes for all that is created, "Site=Paris,Owner=Network team"; left out where the grid does not define them',
  },
} as const satisfies ArgsDef;

const driver = {
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
  'cluster-name': {
    type: 'string',
    default: 'cluster-1',
    description: 'Cluster of this host: part of the mark of its reservations',
  },
  'node-name': {
    type: 'string',
    default: '',
    description: 'Name of this host, unique in its cluster; default: the host name',
  },
  'add-timeout': { type: 'string', default: '30s', description: 'Time for one ADD, at most 60s' },
  'reap-after': {
    type: 'string',
    default: '10m',
    description: 'Release addresses whose network namespace has been gone for this long; 0: never',
  },
} as const satisfies ArgsDef;

const policy = {
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
} as const satisfies ArgsDef;

const state = {
  'state-dir': { type: 'string', default: defaultStateDir, description: 'Directory of the durable state' },
} as const satisfies ArgsDef;

const observability = {
  'metrics-listen': {
    type: 'string',
    default: 'off',
    description: 'Serve /metrics (Prometheus) and /health at this address, host:port; ":9477" is 127.0.0.1:9477',
  },
  'log-level': { type: 'string', default: 'info', description: 'error, warn, info or debug' },
  'log-format': { type: 'string', default: 'auto', description: 'text, json, or auto: text on a terminal' },
} as const satisfies ArgsDef;

const about = {
  help: { type: 'boolean', alias: 'h', description: 'Show this help' },
  version: { type: 'boolean', description: 'Show the version' },
} as const satisfies ArgsDef;

/** By the heading of each group. */
const groups: Readonly<Record<string, ArgsDef>> = {
  'Infoblox grid': grid,
  'IPAM driver': driver,
  'Address policy, where the network configuration says nothing': policy,
  State: state,
  Observability: observability,
  Other: about,
};

export const flags = { ...grid, ...driver, ...policy, ...state, ...observability, ...about } as const satisfies ArgsDef;

export type FlagName = keyof typeof flags;

/** Makes the text of `--help`. */
export function usage(): string {
  const sections = Object.entries(groups).map(([title, flags]) => {
    const lines = Object.entries(flags).map(([name, { type, description, default: standard }]) => {
      const value = type === 'string' ? ' string' : '';
      const shown = standard === undefined || standard === '' ? '' : ` (default "${standard}")`;
      return `  --${name}${value}\n        ${description}${shown}\n`;
    });
    return `${title}:\n${lines.join('')}`;
  });
  return `infoblox-cni-daemon: allocates container addresses from an Infoblox grid for the CNI plugin "infoblox"

Usage: infoblox-cni-daemon [flags]
       infoblox-cni-daemon ${checkCommand} [flags]    checks flags and the files that they name, and leaves

${sections.join('\n')}
The password may also come from the environment variable WAPI_PASSWORD or the systemd credential "wapi-password".
`;
}
