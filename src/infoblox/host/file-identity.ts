import { statSync } from 'node:fs';

/**
 * Tells one file from another, whatever path leads to it: the device and the inode, as `DEVICE:INODE`.
 * @throws the error of the file system
 */
export function fileIdentity(path: string): string {
  const { dev, ino } = statSync(path, { bigint: true });
  return `${dev}:${ino}`;
}
