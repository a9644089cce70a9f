import { type BigIntStats, statSync } from 'node:fs';

/**
 * Tells one file from another, whatever path leads to it: the device and the inode, as `DEVICE:INODE`.
 * @throws the error of the file system
 */
export function fileIdentity(path: string): string {
  return identityOf(statSync(path, { bigint: true }));
}

/** As `fileIdentity`, of a file that has been looked at. */
export function identityOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}
