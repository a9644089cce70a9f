/** Mounts a small file system that a test can fill. Needs root. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export async function onSmallDisk(run: (directory: string) => void | Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=0755', 'none', directory]);
  try {
    await run(directory);
  } finally {
    // A lazy unmount works even if a failed test has left a file open.
    execFileSync('umount', ['--lazy', directory]);
    rmSync(directory, { recursive: true });
  }
}

/** Uses up all space to the last byte. @returns a function that frees it */
export function fill(directory: string): () => void {
  const file = join(directory, 'filling');
  for (const size of [4096, 1]) {
    try {
      for (;;) writeFileSync(file, Buffer.alloc(size), { flag: 'a' });
    } catch {
      // Full.
    }
  }
  return () => rmSync(file);
}
