/** A small file system of a test's own, to be filled. Needs root. */
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
    // Lazily, so that a test that fails and leaves a file open leaves no file system behind.
    execFileSync('umount', ['--lazy', directory]);
    rmSync(directory, { recursive: true });
  }
}

/** Uses up all space, to the last byte. @returns what frees it again */
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
