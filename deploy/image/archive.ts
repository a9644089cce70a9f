/** Archives whose bytes follow from the names, modes and contents of files alone. */
import { readdirSync } from 'node:fs';
import { run } from './programs.ts';

/** The date of every file: a fixed one, as nothing depends on it. */
const date = '2026-01-01 00:00:00Z';

/** Writes what is in a directory into a tar file, all of it root's. @param names what to write, in this order; default all, sorted */
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

/** Compresses a file into FILE.gz. Node's own compression may differ from one type of CPU to another. */
export function gzip(file: string): string {
  run('gzip', ['--no-name', '--keep', '--force', file]);
  return `${file}.gz`;
}
