/** Files that flags name: reads them again when they change, warns if others can read them, explains why they are unreadable. */
import { statSync } from 'node:fs';
import { errnoOf, isErrno, messageOf } from '../../../errno.ts';
import { octal } from '../../../files/trusted-path.ts';
import { serviceUid } from '../process.ts';

/**
 * Content of files that are renewed while the daemon runs, such as certificates. While they are unusable, as during a renewal, the last
 * good content stays in use.
 */
export class RenewedFiles<Content> {
  readonly #files: readonly string[];
  readonly #load: () => Content;
  #seen: string;
  #content: Content;
  #failure: unknown;

  /** @param load reads and checks the files @throws as `load` */
  constructor(files: readonly string[], load: () => Content) {
    this.#files = files;
    this.#load = load;
    this.#seen = this.#look();
    this.#content = load();
  }

  /** Reads the files if they have changed. `failure`: why their current content is unusable; undefined if it is fine. */
  read(): { readonly content: Content; readonly failure: unknown } {
    const now = this.#look();
    if (now !== this.#seen) {
      this.#seen = now;
      try {
        this.#content = this.#load();
        this.#failure = undefined;
      } catch (error) {
        this.#failure = error;
      }
    }
    return { content: this.#content, failure: this.#failure };
  }

  /** Identifies the files' content, owner and mode. */
  #look(): string {
    const identities = this.#files.map((file) => {
      const stats = statSync(file, { bigint: true, throwIfNoEntry: false });
      return stats && [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join();
    });
    return identities.join(' ');
  }
}

/** Explains why a file is unreadable: adds which files the systemd unit hides from the daemon. */
export function whyUnreadable(file: string, error: unknown): string {
  const words: Readonly<Record<string, string>> = {
    ENOENT: `there is no ${file}`,
    EACCES: `no permission to read ${file}`,
    EISDIR: `${file} is a directory`,
  };
  const reason = words[errnoOf(error) ?? ''] ?? messageOf(error);
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

/** Says how to let the service read a file that only root can read; undefined if it can, is missing, or there is no service user. */
export function hiddenFromService(file: string, uid = serviceUid()): string | undefined {
  const stats = statSync(file, { throwIfNoEntry: false });
  if (uid === undefined || stats === undefined || (stats.mode & 0o004) !== 0) return undefined;
  if (stats.uid === uid || ((stats.mode & 0o040) !== 0 && stats.gid !== 0)) return undefined;
  return `${file} is root's alone, and the service has a user of its own: chgrp infoblox-cni ${file} && chmod g+r ${file}`;
}

/** A file that users other than root can read. */
export interface Exposure {
  readonly file: string;
  /** `everybody`, or a group. */
  readonly readers: string;
  /** Four octal digits. */
  readonly mode: string;
  readonly hint: string;
}

/**
 * Says who besides root and this process can read a file. Root's group counts as root: systemd lets it read credentials.
 * @returns undefined if none can, or the file is missing
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
