/** What doctor examines on this host beside daemon and plugins: user, credentials, state directory. */
import { accessSync, constants, statfsSync, statSync } from 'node:fs';
import { isErrno } from '../../../errno.ts';
import { distrust, octal } from '../../../files/trusted-path.ts';
import { GridError } from '../../../infoblox/errors.ts';
import type { Exposure } from '../../daemon/config/given-file.ts';
import type { Options } from '../../daemon/config/options.ts';
import { refuseOtherUsers, serviceUid } from '../../daemon/process/own-process.ts';
import { StartError } from '../../daemon/start-error.ts';
import { type Check, checks } from './check.ts';
import { failure, ok, type Verdict, warning } from './finding.ts';

/** Makes the checks. */
export function hostChecks(options: Options): Check[] {
  const { stateDir } = options;
  const isStateHidden = failsWith(stateDir, constants.R_OK | constants.X_OK, 'EACCES', 'EPERM');
  return checks('host', {
    user: { run: () => judgeUser(options, { uid: process.getuid?.(), isStateHidden }) },
    credentials: { needs: ['user'], run: () => judgeCredentials(options) },
    'state directory': { needs: ['user'], run: () => judgeStateDirectory(stateDir, lookAtDirectory(stateDir)) },
  });
}

/** Whether access(2) to a path fails with one of these codes. */
function failsWith(path: string, mode: number, ...codes: readonly string[]): boolean {
  try {
    accessSync(path, mode);
    return false;
  } catch (error) {
    return isErrno(error, ...codes);
  }
}

/**
 * Judges the user that runs the command: what it may read, the daemon may, too.
 * @param who.uid undefined where there are none
 * @param who.isStateHidden whether the state directory is there, and this user may not look into it
 */
export function judgeUser(
  options: Pick<Options, 'socketDir' | 'stateDir'>,
  { uid, isStateHidden }: { readonly uid: number | undefined; readonly isStateHidden: boolean },
): Verdict[] {
  try {
    if (!isStateHidden) {
      refuseOtherUsers(options, uid);
      return [ok(uid === 0 ? 'root' : `uid ${uid}, with directories of its own`)];
    }
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
  }
  return [failure(`uid ${uid}, and socket and state are for root alone`, 'run this command as root, with sudo say')];
}

type Credentials = Pick<Options, 'wapiUsername' | 'readPassword' | 'passwordExposure' | 'clientCertificate'>;

/** Judges what the daemon logs in with, as far as this host knows; no secret is shown. */
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

function judgePassword({ wapiUsername, readPassword, passwordExposure }: Credentials): Verdict[] {
  if (wapiUsername === '') {
    return [failure('--wapi-username is not set: the grid refuses every request', 'set it in DAEMON_FLAGS')];
  }
  try {
    readPassword();
  } catch (error) {
    if (!(error instanceof GridError)) throw error;
    return [failure(error.message, error.hint)];
  }
  const exposure = passwordExposure();
  return [exposure === undefined ? ok('user and password') : readableByOthers(exposure, 'change the password')];
}

/** @param then what is to be done when others can read it no more */
function readableByOthers({ file, readers, mode, hint }: Exposure, then: string): Verdict {
  return warning(`${file} can be read by ${readers} (mode ${mode})`, `run ${hint}, then ${then}`);
}

const mebibyte = 2 ** 20;
/** Bytes: the state of 10,000 leases takes a few MiB, and SQLite needs as much again for a moment. */
const plenty = 64 * mebibyte;

/** Undefined if it is absent. */
type DirectoryFacts = ReturnType<typeof lookAtDirectory>;

/** Looks at a directory of the service, and writes nothing. @throws the error of the file system */
function lookAtDirectory(path: string) {
  const untrusted = distrust(path, { user: serviceUid() });
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  const { bavail, bsize, files, ffree } = statfsSync(path);
  return {
    untrusted,
    isDirectory: stats.isDirectory(),
    mode: stats.mode,
    // access(2) says so to root, too.
    isReadOnly: failsWith(path, constants.W_OK, 'EROFS'),
    /** Bytes that a process without privileges may still use. */
    free: bavail * bsize,
    // Some file systems count no inodes.
    takesFiles: files === 0 || ffree > 0,
  };
}

/** Says whether the daemon can keep its state in a directory. */
export function judgeStateDirectory(path: string, facts: DirectoryFacts): Verdict[] {
  if (facts === undefined) return [ok(`${path} is not there yet: the daemon makes it`)];
  const { untrusted, isDirectory, mode, free } = facts;
  if (untrusted !== undefined) return [failure(untrusted.message, `run ${untrusted.hint}`)];
  if (!isDirectory) return [failure(`${path} is not a directory`, 'remove it, or name another --state-dir')];
  if (facts.isReadOnly) {
    const fix = 'mount it writable; check dmesg for a disk error after which the kernel made it read-only';
    return [failure(`${path} is on a file system that is mounted read-only`, fix)];
  }
  if (!facts.takesFiles) return [failure(`no inode is left on the file system of ${path}`, 'remove files there')];
  const room = `${Math.floor(free / mebibyte)} MiB free`;
  if (free < mebibyte) {
    const what = `${path}: ${room}: ADDs fail with error 5, or soon will`;
    return [failure(what, 'free space there, or name another --state-dir')];
  }
  if (free < plenty) return [warning(`${path}: ${room}`, 'free space there: without it no container starts')];
  return [ok(`${path}, mode ${octal(mode)}, ${room}`)];
}
