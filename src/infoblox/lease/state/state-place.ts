/** The place of the state file: kept from other daemons, and watched, since whoever is root can remove what is open. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isErrno } from '../../host/errno.ts';
import { fileIdentity } from '../../host/file-identity.ts';

/**
 * Locks the directory until the database that this returns is closed. The lock of `state.db` would go with that file, and
 * a second daemon would make itself another one.
 * @throws the error of SQLite: busy if another daemon has the directory
 */
export function lockDirectory(directory: string): DatabaseSync {
  const lock = new DatabaseSync(join(directory, 'state.lock'), { timeout: 0 });
  try {
    // Nothing is ever written, so that a full disk is no reason not to start.
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    throw error;
  }
}

export class StatePlace {
  readonly file: string;
  readonly #id: string;
  readonly #lock: DatabaseSync;

  /** To be made when the file has been opened. */
  constructor(file: string, lock: DatabaseSync) {
    this.file = file;
    this.#id = fileIdentity(file);
    this.#lock = lock;
  }

  /** True if the path leads to another file by now, or to none: what is written is lost with this process. */
  isLost(): boolean {
    try {
      return fileIdentity(this.file) !== this.#id;
    } catch (error) {
      return isErrno(error, 'ENOENT', 'ENOTDIR');
    }
  }

  /** Lets another daemon have the directory. */
  release(): void {
    this.#lock.close();
  }
}
