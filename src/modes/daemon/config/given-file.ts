/** Files that flags name: why one cannot be read, and who else can read the secret in one. */
import { statSync } from 'node:fs';
import { isErrno, messageOf } from '../../../infoblox/host/errno.ts';
import { octal } from '../../../infoblox/host/trusted-path.ts';

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
