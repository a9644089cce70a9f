/** The daemon's settings, checked: flags, environment and the files that they name. */
import { hostname } from 'node:os';
import * as v from 'valibot';
import { GridError } from '../../../infoblox/errors.ts';
import { maxCooldownMs, networkSpec } from '../../../infoblox/network/spec.ts';
import { callTimeoutsMs, socketFile } from '../../protocol.ts';
import { day, parseDuration } from '../../quantity.ts';
import type { ListenAddress } from '../metrics/listener.ts';
import { StartError } from '../start-error.ts';
import { type FlagValues, UsageError } from './command-line.ts';
import { passwordSource, readClientCertificate } from './credentials.ts';
import { readTrust } from './trust.ts';

export type Options = Readonly<ReturnType<typeof readOptions>>;

const maxAddTimeoutMs = callTimeoutsMs.ADD - 5_000;
const maxHistoryMs = 3_650 * day;
/** Bytes of a socket's path, its end not counted: unix(7), sun_path. */
const maxSocketPathBytes = 107;

const text = v.pipe(v.string(), v.trim(), v.minLength(1, 'must not be empty'));
const path = v.pipe(v.string(), v.regex(/^\//, 'must be an absolute path'));
const whatNamesAre = 'must consist of letters, digits, "_", "." and "-"';
const name = v.pipe(v.string(), v.regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/, whatNamesAre));
const whatHostsAre =
  'must name hosts or addresses alone, separated by commas: no https://, no path, the port in --wapi-port, IPv6 addresses in brackets';
const hosts = v.pipe(
  text,
  v.transform((list) => list.split(',').map((host) => host.trim())),
  v.array(
    v.pipe(
      v.string(),
      v.regex(/^[a-zA-Z0-9_.-]+$|^\[[0-9a-fA-F:]+\]$/, whatHostsAre),
      // As URLs have it: in lower case, an address in its short form.
      v.transform((host) => URL.parse(`https://${host}`)?.hostname ?? host),
    ),
  ),
);
const duration = v.pipe(
  v.string(),
  v.transform(parseDuration),
  v.number('must be a duration such as 500ms, 30s or 10m'),
);

const Flags = v.object({
  'grid-host': hosts,
  'wapi-port': v.pipe(
    v.string(),
    v.regex(/^\d{1,5}$/, 'must be a port number'),
    v.transform(Number),
    v.minValue(1, 'must be a port number'),
    v.maxValue(65535, 'must be a port number'),
  ),
  'wapi-username': v.string(),
  'wapi-password': v.string(),
  'wapi-password-file': v.string(),
  'wapi-client-cert': v.string(),
  'wapi-client-key': v.string(),
  'wapi-version': v.pipe(
    v.string(),
    v.regex(/^\d{1,2}\.\d{1,2}(\.\d{1,2})*$/, 'must be a version such as 2.3'),
    v.check((version) => atLeast(version, [2, 3]), 'must be 2.3 or above'),
  ),
  'ssl-verify': text,
  'socket-dir': path,
  'driver-name': name,
  'network-view': text,
  'network-container': v.string(),
  'prefix-length': v.pipe(v.string(), v.regex(/^\d{1,3}$/, 'must be a whole number of bits'), v.transform(Number)),
  'ip-cooldown': v.pipe(duration, v.maxValue(maxCooldownMs, 'must be at most 1h')),
  'cluster-name': name,
  'node-name': v.union([v.literal(''), name], whatNamesAre),
  labels: v.pipe(
    v.string(),
    v.transform((list) =>
      (list === '' ? [] : list.split(',')).map((pair) => pair.split('=').map((part) => part.trim())),
    ),
    v.everyItem(
      (pair) => pair.length === 2 && !pair.includes(''),
      'must be a list such as "Site=Paris,Owner=Network team"',
    ),
    v.transform((pairs): Record<string, string> => Object.fromEntries(pairs)),
  ),
  'state-dir': path,
  'lease-history': v.pipe(duration, v.maxValue(maxHistoryMs, `must be at most ${maxHistoryMs / day}d`)),
  'add-timeout': v.pipe(
    duration,
    v.minValue(1_000, 'must be at least 1s'),
    v.maxValue(maxAddTimeoutMs, `must be at most ${maxAddTimeoutMs / 1000}s: runtimes give up then`),
  ),
  'release-original': v.string(),
  'reap-after': duration,
  'metrics-listen': v.pipe(
    v.string(),
    v.regex(
      /^(off|\[[0-9a-fA-F:]+\]:\d{1,5}|[a-zA-Z0-9_.-]*:\d{1,5})$/,
      'must be off, or host:port such as 127.0.0.1:9477',
    ),
    v.transform(listenAddress),
    v.check((address) => address === undefined || address.port <= 65535, 'must have a port up to 65535'),
  ),
  'log-level': v.picklist(['error', 'warn', 'info', 'debug'], 'must be error, warn, info or debug'),
  'log-format': v.picklist(['text', 'json', 'auto'], 'must be text, json or auto'),
});

/**
 * Checks the flags and reads the files that they name.
 * @param isTerminal whether the log goes to a terminal
 * @param hostName names this host if --node-name does not
 * @throws UsageError naming the flag, its value and what it must be; never a secret. StartError where the same flags may do
 * at another time
 */
export function readOptions(
  values: FlagValues,
  env: NodeJS.ProcessEnv,
  { isTerminal, hostName = hostname() }: { readonly isTerminal: boolean; readonly hostName?: string },
) {
  const parsed = v.safeParse(Flags, values);
  if (!parsed.success) {
    const issue = parsed.issues[0];
    const flag = String(issue.path?.[0]?.key ?? '');
    // A URL may carry a password.
    const shown = withoutPassword(String(values[flag as keyof FlagValues] ?? ''));
    throw new UsageError(`--${flag} ${JSON.stringify(shown)} ${issue.message}`);
  }
  const flags = parsed.output;
  checkSpecDefaults(flags['network-container'], flags['prefix-length']);
  const socketDir = flags['socket-dir'].replace(/(?<!\/)\/+$/, '') || '/';
  checkSocketPath(socketFile(socketDir, flags['driver-name']));
  const password = passwordSource(flags['wapi-password'], flags['wapi-password-file'], env);
  return {
    gridHosts: flags['grid-host'],
    wapiPort: flags['wapi-port'],
    wapiUsername: flags['wapi-username'],
    readPassword: password.read,
    passwordExposure: password.exposure,
    /** Undefined: none is shown to the grid. */
    clientCertificate: readClientCertificate(flags['wapi-client-cert'], flags['wapi-client-key']),
    wapiVersion: flags['wapi-version'],
    tls: readTrust(flags['ssl-verify'], flags),
    socketDir,
    driverName: flags['driver-name'],
    networkView: flags['network-view'],
    networkContainer: flags['network-container'],
    prefixLength: flags['prefix-length'],
    /** Milliseconds; 0: not at all. */
    ipCooldownMs: flags['ip-cooldown'],
    clusterName: flags['cluster-name'],
    nodeName: flags['node-name'] || distinctive(hostName),
    /** Extensible attributes by name. */
    labels: flags.labels,
    stateDir: flags['state-dir'],
    /** Milliseconds; 0: not at all. */
    leaseHistoryMs: flags['lease-history'],
    /** Milliseconds. */
    addTimeoutMs: flags['add-timeout'],
    /** `Tenant ID` of the original driver; empty: what it has made is left alone. */
    releaseOriginal: flags['release-original'],
    /** Milliseconds; 0: never. */
    reapAfterMs: flags['reap-after'],
    /** Undefined: metrics are not served. */
    metricsListen: flags['metrics-listen'],
    logLevel: flags['log-level'],
    logFormat: flags['log-format'] === 'auto' ? (isTerminal ? 'text' : 'json') : flags['log-format'],
  };
}

/** A URL's user part: what stands between the first colon and the last at sign. */
function withoutPassword(text: string): string {
  const [colon, at] = [text.indexOf(':'), text.lastIndexOf('@')];
  return colon < 0 || at < colon ? text : `${text.slice(0, colon)}:...${text.slice(at)}`;
}

/** No UsageError: a host may be given its name after it has booted. */
function distinctive(hostName: string): string {
  if (hostName !== '' && !/^localhost\d?(\.localdomain\d?)?$/i.test(hostName)) return hostName;
  throw new StartError(
    `--node-name is not set, and this host is called "${hostName}" as others may be`,
    "set it to a name of its own: hosts of one name release each other's addresses",
  );
}

/** Checks the flags' network spec at the start, not when the first container needs it. */
function checkSpecDefaults(containers: string, prefixLength: number): void {
  try {
    networkSpec({ name: 'default', view: 'default', containers, prefixLength, keepFirst: false });
  } catch (error) {
    if (!(error instanceof GridError)) throw error;
    throw new UsageError(`--network-container, --prefix-length: ${error.message}; ${error.hint}`);
  }
}

function checkSocketPath(file: string): void {
  const bytes = Buffer.byteLength(file);
  if (bytes <= maxSocketPathBytes) return;
  throw new UsageError(
    `--socket-dir and --driver-name make ${file}, a path of ${bytes} bytes, and that of a socket may have ${maxSocketPathBytes}: use a shorter --socket-dir or --driver-name`,
  );
}

/** A bare port is served to the host alone: metrics for everybody have to be asked for by an address. */
function listenAddress(text: string): ListenAddress | undefined {
  if (text === 'off') return undefined;
  const colon = text.lastIndexOf(':');
  return { host: text.slice(0, colon).replace(/[[\]]/g, '') || '127.0.0.1', port: Number(text.slice(colon + 1)) };
}

function atLeast(version: string, least: readonly [number, number]): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > least[0] || (major === least[0] && minor >= least[1]);
}
