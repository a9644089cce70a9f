/** What doctor examines on this host beside plugins: user, credentials, state directory, socket, and the daemon that runs. */
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
import { askDaemon, startHint } from '../daemon-connection.ts';
import { after, type Check, checks, failure, ok, type Verdict, warning } from './check.ts';

/** Makes the checks. @param socket path of the daemon's */
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

/** Makes the check of leases, which needs those of daemon and grid. */
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

/** Differences that are shown one by one. */
const maxDifferences = 10;

/** Whether a directory is there that this user may not look into. */
function isHidden(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.X_OK);
    return false;
  } catch (error) {
    return isErrno(error, 'EACCES', 'EPERM');
  }
}

/**
 * Judges the user that runs the command: what it may read, the daemon may, too.
 * @param who.uid undefined where there are none
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
  return failure(`uid ${uid}, and socket and state are for root alone`, 'run this command as root, with sudo say');
}

type Credentials = Pick<
  Options,
  'wapiUsername' | 'readPassword' | 'passwordExposure' | 'passwordRemark' | 'clientCertificate'
>;

/** Judges what the daemon logs in with, as far as this host knows; no secret is shown. @throws GridError without a password */
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

/** @param then what is to be done when others can read it no more */
function readableByOthers({ file, readers, mode, hint }: Exposure, then: string): Verdict {
  return warning(`${file} can be read by ${readers} (mode ${mode})`, `run ${hint}, then ${then}`);
}

const mebibyte = 2 ** 20;
/** Bytes: the state of 10,000 leases takes a few MiB, and SQLite needs as much again for a moment. */
const plenty = 64 * mebibyte;

/** What is at a path of the service; undefined if nothing is. @param user who may own it beside root */
function lookAt(path: string, user?: number) {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  const untrusted = distrust(path, { user });
  return { untrusted, mode: stats.mode, isSocket: stats.isSocket(), isDirectory: stats.isDirectory() };
}

/** Bytes that a process without privileges may still use. */
function roomAt(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}

/** Says whether the daemon can keep its state in a directory. @throws the error of the file system */
export function judgeStateDirectory(path: string, facts = lookAt(path, serviceUid()), room = roomAt): Verdict {
  if (facts === undefined) return ok(`${path} is not there yet: the daemon makes it`);
  const { untrusted, isDirectory, mode } = facts;
  if (untrusted !== undefined) return failure(untrusted.message, `run ${untrusted.hint}`);
  if (!isDirectory) return failure(`${path} is not a directory`, 'remove it, or name another --state-dir');
  const free = room(path);
  const what = `${path}, mode ${octal(mode)}, ${Math.floor(free / mebibyte)} MiB free`;
  if (free > plenty) return ok(what);
  const judge = free < mebibyte ? failure : warning;
  return judge(what, 'free space there, or name another --state-dir: without it no container starts');
}

/** Says whether plugins can trust the socket. */
export function judgeSocket(path: string, facts = lookAt(path)): Verdict {
  if (facts === undefined) return failure(`the daemon is not running: there is no ${path}`, startHint);
  const { untrusted, isSocket, mode } = facts;
  if (untrusted !== undefined) return failure(`${untrusted.message}: plugins refuse it`, `run ${untrusted.hint}`);
  if (!isSocket) return failure(`${path} is no socket`, 'remove it, then restart the daemon');
  if ((mode & 0o077) === 0) return ok(`${path}, mode ${octal(mode)}`);
  return failure(`${path} can be used by users other than root (mode ${octal(mode)})`, `run chmod 0600 ${path}`);
}

/** What a daemon is compared with. */
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

/** Conditions of which containers do not start, or have an address that is not theirs, and which no check of this command can see. */
const failing: readonly string[] = [
  'grid-read-only',
  'network-refused',
  'notes-ignored',
  'reservation-lost',
  'state-not-writable',
];

/** Says whether the daemon that runs is the one that is installed and configured, and what it complains of itself. */
export function judgeDaemon(status: Status, { version, commit, now, options }: Expected): Verdict[] {
  const runs = `infoblox-cni ${status.version} (${status.commit})`;
  const isInstalled = status.version === version && status.commit === commit;
  const differences = differingFlags(status, options).join(', ');
  const differ = `the running daemon has another ${differences} than configured now`;
  return [
    isInstalled
      ? ok(`${runs} answers, running for ${ago(status.startedAt, now)}`)
      : failure(`${runs} is running, but ${version} (${commit}) is installed`, restart),
    ...(differences === '' ? [] : [warning(differ, `if the change is meant, ${restart}`)]),
    ...status.conditions.map(({ kind, message, hint, since }) => {
      const judge = failing.includes(kind) ? failure : warning;
      return judge(`it reports ${kind} for ${ago(since, now)}: ${message}`, hint);
    }),
  ];
}

/** Names the flags whose value the running daemon does not have. */
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
