/** Reproducible archives: their bytes depend only on names, modes and contents of files. */
import { readdirSync } from 'node:fs';
import { run } from './programs.ts';

/** The fixed date of every file. */
const date = '2026-01-01 00:00:00Z';

/**
 * Writes the contents of a directory into a tar file, owned by root.
 * @param names what to write, in this order; default all, sorted
 */
export function writeTar(file: string, directory: string, names = readdirSync(directory).sort()): void {
  const reproducible = [
    '--format=ustar',
    '--sort=name',
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    `--mtime=${date}`,
  ];
  run('tar', [...reproducible, '--create', '--file', file, '--directory', directory, ...names]);
}

/** Compresses a file into FILE.gz. The output of Node's own compression may depend on the CPU. */
export function gzip(file: string): string {
  run('gzip', ['--no-name', '--keep', '--force', file]);
  return `${file}.gz`;
}
