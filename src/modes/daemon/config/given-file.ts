/** What flags name in files, the grid's password above all: why a file cannot be read, and who else can read the secret in it. */
import { readFileSync, statSync } from 'node:fs';
import { isErrno, messageOf } from '../../../errno.ts';
import { octal, refuseUntrusted, UntrustedPath } from '../../../files/trusted-path.ts';
import { GridError } from '../../../infoblox/errors.ts';

/** Adds to the error of the file system what it does not say: which files the systemd unit keeps from the daemon. */
export function whyUnreadable(file: string, error: unknown): string {
  const reason = messageOf(error);
  if (isErrno(error, 'ENOENT') && /^\/(home|root|tmp|var\/tmp)\//.test(file)) {
    return `${reason}; its systemd unit hides /home, /root and /tmp from the daemon: put the file into /etc/infoblox-cni`;
  }
  if (isErrno(error, 'EACCES')) {
    const [uid, gid] = [process.geteuid?.(), process.getegid?.()];
    if (uid === 0) return `${reason}; the daemon has no capabilities: give the file and its directories to root`;
    return `${reason}; the daemon is user ${uid} and group ${gid}: chgrp ${gid} ${file} && chmod g+r ${file}`;
  }
  return reason;
}

/** Users other than root can read a file. */
export interface Exposure {
  readonly file: string;
  /** `everybody`, or a group. */
  readonly readers: string;
  /** Four octal digits. */
  readonly mode: string;
  readonly hint: string;
}

/**
 * Says who else can read a file than root and this process. The group of root counts as root: systemd lets it read
 * credentials.
 * @returns undefined if nobody can, or there is no file
 */
export function exposureOf(file: string): Exposure | undefined {
  try {
    const { mode, gid } = statSync(file);
    const isOurs = gid === 0 || gid === process.getegid?.();
    const readers = (mode & 0o004) !== 0 ? 'everybody' : (mode & 0o040) !== 0 && !isOurs ? `group ${gid}` : undefined;
    if (readers === undefined) return undefined;
    return { file, readers, mode: octal(mode), hint: `chmod 0600 ${file}` };
  } catch {
    return undefined;
  }
}

interface Password {
  /** Reads it; called for each request. Throws GridError `credentials` where there is none, which is not worth a login. */
  readonly read: () => string;
  /** Who else than root can read it; undefined if others cannot, or there is none. */
  readonly exposure: () => Exposure | undefined;
}

/** systemd copies the file at the start of the service, to a place that is of no use to the operator. */
const credentialHint =
  'put the password, alone on a line, into /etc/infoblox-cni/wapi-password, then: systemctl restart infoblox-cni-daemon';

/** Finds where the password comes from: flag, file, environment, systemd credential; the first that is set. */
export function passwordSource(flag: string, file: string, env: NodeJS.ProcessEnv): Password {
  if (flag !== '') return { read: () => flag, exposure: () => undefined };
  const credential = env.CREDENTIALS_DIRECTORY === undefined ? '' : `${env.CREDENTIALS_DIRECTORY}/wapi-password`;
  const source = file || (env.WAPI_PASSWORD ? '' : credential);
  const hint = source !== '' && source === credential ? credentialHint : undefined;
  return {
    read: () => {
      const password = source === '' ? (env.WAPI_PASSWORD ?? '') : readPasswordFile(source, hint);
      if (password !== '') return password;
      throw new GridError('credentials', `no WAPI password given${source === '' ? '' : `: ${source} is empty`}`, {
        hint:
          hint ??
          'put it into the file of --wapi-password-file, into WAPI_PASSWORD, or into the systemd credential wapi-password',
      });
    },
    exposure: () => (source === '' ? undefined : exposureOf(source)),
  };
}

/** Refuses a file that others can write: they would choose the password. */
function readPasswordFile(file: string, hint = `put it into ${file}, readable by the daemon only`): string {
  try {
    refuseUntrusted(file);
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw new GridError('credentials', `cannot read the WAPI password: ${messageOf(error)}`, {
      hint: error instanceof UntrustedPath ? `run ${error.hint}, or put it where only root can write` : hint,
      cause: error,
    });
  }
}
