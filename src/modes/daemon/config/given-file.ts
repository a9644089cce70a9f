/** What flags name in files: read again when it changes, told when others can read it, explained when it cannot be read. */
import { statSync } from 'node:fs';
import { isErrno, messageOf } from '../../../errno.ts';
import { octal } from '../../../files/trusted-path.ts';

/**
 * The content of files that are exchanged while the daemon runs, as certificates are. While they cannot be used, as in the middle of a
 * renewal, their last good content counts.
 */
export class RenewedFiles<Content> {
  readonly #files: readonly string[];
  readonly #load: () => Content;
  #seen: string;
  #content: Content;
  #failure: unknown;

  /** @param load reads and judges them; what it throws here, the constructor throws */
  constructor(files: readonly string[], load: () => Content) {
    this.#files = files;
    this.#load = load;
    this.#seen = this.#look();
    this.#content = load();
  }

  /** Reads them only if they have changed. `failure`: why what they are now cannot be used; undefined if it can. */
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

  /** Everything that a change of content, owner or mode changes. */
  #look(): string {
    const identities = this.#files.map((file) => {
      const stats = statSync(file, { bigint: true, throwIfNoEntry: false });
      return stats && [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join();
    });
    return identities.join(' ');
  }
}

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
