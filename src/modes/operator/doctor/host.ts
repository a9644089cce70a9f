/** Checks this host except its plugins: user, credentials, state directory, socket, and the running daemon. */
import { accessSync, constants, statfsSync, statSync } from 'node:fs';
import { isErrno } from '../../../errno.ts';
import { distrust, octal } from '../../../files/trusted-path.ts';
import { commit, version } from '../../about.ts';
import type { Exposure } from '../../daemon/config/given-file.ts';
import type { Options } from '../../daemon/config/options.ts';
import { refuseOtherUsers, serviceUid } from '../../daemon/process.ts';
import { StartError } from '../../daemon/start-error.ts';
import type { Status } from '../../operator-protocol.ts';
import { ago, counted } from '../../quantity.ts';
import { askDaemon } from '../daemon-connection.ts';
import { after, type Check, checks, failure, ok, type Verdict, warning } from './check.ts';

/** Makes the checks of this host. @param socket path of the daemon's socket */
export function hostChecks(options: Options, socket: string): Check[] {
  return checks('host', {
    user: () => judgeUser(options, { uid: process.getuid?.(), isStateHidden: isHidden(options.stateDir) }),
    credentials: after(['user'], () => judgeCredentials(options)),
    'state directory': after(['user'], () => judgeStateDirectory(options.stateDir)),
    socket: after(['user'], () => judgeSocket(socket)),
    daemon: after(['socket'], async () => {
      const status = await askDaemon({ socket, method: 'operator/status', params: {} });
      return judgeDaemon(status, { version, commit, options, now: Date.now() });
    }),
  });
}

/** Makes the check of leases; the daemon compares them with the grid. */
export function leaseChecks(socket: string): Check[] {
  return checks('leases', {
    'on the grid': after(['daemon', 'permissions'], async () => {
      const { leases, findings } = await askDaemon({ socket, method: 'operator/audit', params: {} });
      if (findings.length === 0) return ok(`${counted(leases, 'lease', 'leases')} compared: the grid agrees`);
      const shown = findings.slice(0, maxDifferences).map(({ kind, address, view, message, fix }) => {
        return warning(`${kind}: ${address} in view ${view}: ${message}`, fix);
      });
      const more = findings.length - shown.length;
      return more === 0 ? shown : [...shown, warning(`and ${more} more`, 'run infoblox-cni audit')];
    }),
  });
}

/** Differences shown; `audit` lists all. */
const maxDifferences = 10;

/** Tells whether a directory exists that this user may not read. */
function isHidden(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.X_OK);
    return false;
  } catch (error) {
    return isErrno(error, 'EACCES', 'EPERM');
  }
}

/**
 * Judges the user of the command: like the daemon, it must be root or own the directories.
 * @param who.uid undefined on systems without user IDs
 */
export function judgeUser(
  options: Pick<Options, 'socketDir' | 'stateDir'>,
  { uid, isStateHidden }: { readonly uid: number | undefined; readonly isStateHidden: boolean },
): Verdict {
  try {
    if (!isStateHidden) {
      refuseOtherUsers(options, uid);
      return ok(uid === 0 ? 'root' : `uid ${uid}, with directories of its own`);
    }
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
  }
  return failure(
    `uid ${uid}, but only root may use the socket and the state`,
    'run this command as root, for example with sudo',
  );
}

type Credentials = Pick<
  Options,
  'wapiUsername' | 'readPassword' | 'passwordExposure' | 'passwordRemark' | 'clientCertificate'
>;

/** Judges the daemon's credentials, without asking the grid or showing secrets. @throws GridError without a password */
export function judgeCredentials(options: Credentials): Verdict[] {
  const { wapiUsername, clientCertificate } = options;
  if (clientCertificate === undefined) return judgePassword(options);
  const { pair, trouble } = clientCertificate.read();
  const exposure = clientCertificate.exposure();
  return [
    ...(trouble === undefined ? [] : [failure(trouble.message, trouble.hint)]),
    ...(exposure === undefined ? [] : [readableByOthers(exposure, 'have the certificate reissued with a new key')]),
    ok(`client certificate, valid until ${new Date(pair.expiresAt).toISOString()}`),
    ...(wapiUsername === '' ? [] : judgePassword(options)),
  ];
}

function judgePassword({ wapiUsername, readPassword, passwordExposure, passwordRemark }: Credentials): Verdict[] {
  if (wapiUsername === '') {
    return [failure('--wapi-username is not set: the grid refuses every request', 'set it in DAEMON_FLAGS')];
  }
  readPassword();
  const exposure = passwordExposure();
  const remark = passwordRemark();
  return [
    exposure === undefined ? ok('user and password') : readableByOthers(exposure, 'change the password'),
    ...(remark === undefined ? [] : [warning(remark, 'write it without the blank, if that is not part of it')]),
  ];
}

/** Warns about a file that others can read. @param then what to do after the fix */
function readableByOthers({ file, readers, mode, hint }: Exposure, then: string): Verdict {
  return warning(`${file} can be read by ${readers} (mode ${mode})`, `run ${hint}, then ${then}`);
}

const mebibyte = 2 ** 20;
/** Bytes: the state of 10,000 leases takes a few MiB, and SQLite briefly needs the same again. */
const plenty = 64 * mebibyte;

/** Examines a path of the service; undefined if it does not exist. @param user may own it besides root */
function lookAt(path: string, user?: number) {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  const untrusted = distrust(path, { user });
  return { untrusted, mode: stats.mode, isSocket: stats.isSocket(), isDirectory: stats.isDirectory() };
}

/** Returns the bytes available to unprivileged processes. */
function roomAt(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}

/** Says whether the daemon can keep its state in a directory. @throws the error of the file system */
export function judgeStateDirectory(path: string, facts = lookAt(path, serviceUid()), room = roomAt): Verdict {
  if (facts === undefined) return ok(`${path} does not exist yet: the daemon creates it`);
  const { untrusted, isDirectory, mode } = facts;
  if (untrusted !== undefined) return failure(untrusted.message, `run ${untrusted.hint}`);
  if (!isDirectory) return failure(`${path} is not a directory`, 'remove it, or name another --state-dir');
  const free = room(path);
  const what = `${path}, mode ${octal(mode)}, ${Math.floor(free / mebibyte)} MiB free`;
  if (free > plenty) return ok(what);
  const judge = free < mebibyte ? failure : warning;
  return judge(what, 'free space there, or name another --state-dir: without space no container starts');
}

const startHint = 'start it with systemctl start infoblox-cni-daemon, or name its --socket-dir and --driver-name';

/** Says whether plugins can trust the socket. */
export function judgeSocket(path: string, facts = lookAt(path)): Verdict {
  if (facts === undefined) return failure(`the daemon is not running: there is no ${path}`, startHint);
  const { untrusted, isSocket, mode } = facts;
  if (untrusted !== undefined) return failure(`${untrusted.message}: plugins refuse it`, `run ${untrusted.hint}`);
  if (!isSocket) return failure(`${path} is not a socket`, 'remove it, then restart the daemon');
  if ((mode & 0o077) === 0) return ok(`${path}, mode ${octal(mode)}`);
  return failure(`${path} can be used by users other than root (mode ${octal(mode)})`, `run chmod 0600 ${path}`);
}

/** The installed release and the configured flags. */
interface Expected {
  readonly version: string;
  readonly commit: string;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly options: Pick<
    Options,
    'gridHosts' | 'wapiPort' | 'wapiVersion' | 'wapiUsername' | 'stateDir' | 'clusterName' | 'nodeName'
  >;
}

const restart = 'run systemctl restart infoblox-cni-daemon (containers keep their addresses)';

/** Conditions that keep containers from starting or give them a wrong address; no other check detects them. */
const failing: readonly string[] = [
  'grid-read-only',
  'network-refused',
  'notes-ignored',
  'reservation-lost',
  'state-not-writable',
];

/** Compares the running daemon with the installed release and the flags, and reports its conditions. */
export function judgeDaemon(status: Status, { version, commit, now, options }: Expected): Verdict[] {
  const runs = `infoblox-cni ${status.version} (${status.commit})`;
  const isInstalled = status.version === version && status.commit === commit;
  const differences = differingFlags(status, options).join(', ');
  const differ = `the running daemon was started with other values of ${differences}`;
  return [
    isInstalled
      ? ok(`${runs} answers, running for ${ago(status.startedAt, now)}`)
      : failure(`${runs} is running, but ${version} (${commit}) is installed`, restart),
    ...(differences === '' ? [] : [warning(differ, `to apply the current ones, ${restart}`)]),
    ...status.conditions.map(({ kind, message, hint, since }) => {
      const judge = failing.includes(kind) ? failure : warning;
      return judge(`it reports ${kind} for ${ago(since, now)}: ${message}`, hint);
    }),
  ];
}

/** Names the flags whose current value differs from the running daemon's. */
function differingFlags({ grid, ...status }: Status, options: Expected['options']): string[] {
  const pairs: readonly (readonly [string, unknown, unknown])[] = [
    ['--grid-host', grid.hosts.join(), options.gridHosts.join()],
    ['--wapi-port', grid.port, options.wapiPort],
    ['--wapi-version', grid.wapiVersion, options.wapiVersion],
    ['--wapi-username', grid.user, options.wapiUsername],
    ['--state-dir', status.stateDir, options.stateDir],
    ['--cluster-name', status.cluster, options.clusterName],
    ['--node-name', status.node, options.nodeName],
  ];
  return pairs.filter(([, its, ours]) => its !== ours).map(([flag]) => flag);
}
