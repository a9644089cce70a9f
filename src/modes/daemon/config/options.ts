/** Checks the daemon's settings: flags, environment, and the files that they name. */
import { hostname } from 'node:os';
import * as v from 'valibot';
import { GridError } from '../../../infoblox/errors.ts';
import { networkSpec } from '../../../infoblox/network/spec.ts';
import { socketFile } from '../../protocol.ts';
import { StartError } from '../start-error.ts';
import { type FlagValues, UsageError } from './command-line.ts';
import { passwordSource, readClientCertificate } from './credentials.ts';
import { FlagSchema } from './flags.ts';
import { readTrust } from './trust.ts';

export type Options = Readonly<ReturnType<typeof readOptions>>;

/** Bytes of a socket's path without its final zero: unix(7), sun_path. */
const maxSocketPathBytes = 107;

/**
 * Checks the flags and reads the files that they name.
 * @param isTerminal whether the log goes to a terminal
 * @param hostName the node name if --node-name is not set
 * @throws UsageError with the flag, its value and the rule, never a secret; StartError if the same flags may work later
 */
export function readOptions(
  values: FlagValues,
  env: NodeJS.ProcessEnv,
  { isTerminal = false, hostName = hostname() }: { readonly isTerminal?: boolean; readonly hostName?: string } = {},
) {
  const parsed = v.safeParse(FlagSchema, values);
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
    /** The given flags without the password. */
    given: givenFlags(values),
    gridHosts: flags['grid-host'],
    wapiPort: flags['wapi-port'],
    wapiUsername: flags['wapi-username'],
    readPassword: password.read,
    passwordExposure: password.exposure,
    passwordRemark: password.remark,
    /** Undefined: log in without a certificate. */
    clientCertificate: readClientCertificate(flags['wapi-client-cert'], flags['wapi-client-key']),
    wapiVersion: flags['wapi-version'],
    tls: readTrust(flags['ssl-verify'], flags),
    socketDir,
    driverName: flags['driver-name'],
    networkView: flags['network-view'],
    networkContainer: flags['network-container'],
    prefixLength: flags['prefix-length'],
    create: flags.create,
    /** Addresses; 0: no blocks. */
    blockSize: flags['block-size'],
    blockValidityMs: flags['block-validity'],
    /** 0: no cooldown. */
    ipCooldownMs: flags['ip-cooldown'],
    clusterName: flags['cluster-name'],
    nodeName: flags['node-name'] || distinctive(hostName),
    /** Extensible attributes by name. */
    labels: flags.labels,
    stateDir: flags['state-dir'],
    /** 0: no history. */
    leaseHistoryMs: flags['lease-history'],
    addTimeoutMs: flags['add-timeout'],
    /** `Tenant ID` of the original driver; empty: do not release its addresses. */
    releaseOriginal: flags['release-original'],
    /** 0: never. */
    reapAfterMs: flags['reap-after'],
    /** Undefined: metrics are not served. */
    metricsListen: flags['metrics-listen'],
    logLevel: flags['log-level'],
    logFormat: flags['log-format'] === 'auto' ? (isTerminal ? 'text' : 'json') : flags['log-format'],
  };
}

function givenFlags(values: FlagValues): Record<string, string> {
  const isGiven = ([name, value]: [string, unknown]) =>
    Object.hasOwn(FlagSchema.entries, name) && name !== 'wapi-password' && value !== '';
  return Object.fromEntries(Object.entries(values).filter(isGiven)) as Record<string, string>;
}

/** Masks a URL's password: from the first colon to the last at sign. */
function withoutPassword(text: string): string {
  const [colon, at] = [text.indexOf(':'), text.lastIndexOf('@')];
  return colon < 0 || at < colon ? text : `${text.slice(0, colon)}:...${text.slice(at)}`;
}

/** Returns a host name unless it is a common default. @throws StartError, as a host may get its name after boot */
function distinctive(hostName: string): string {
  if (hostName !== '' && !/^localhost\d?(\.localdomain\d?)?$/i.test(hostName)) return hostName;
  throw new StartError(
    `--node-name is not set, and the host name "${hostName}" is not unique`,
    "set it to a name of its own: hosts of one name release each other's addresses",
  );
}

/** Checks the default network spec at the start, before the first container needs it. */
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
    `--socket-dir and --driver-name make ${file}, a path of ${bytes} bytes; a socket's path may have ${maxSocketPathBytes}: use a shorter --socket-dir or --driver-name`,
  );
}
