/**
 * Writes manual pages and completion scripts, laid out as below /usr/share: `node deploy/manual/write.ts DIRECTORY`.
 * Equal sources give equal bytes.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { completionScripts } from './completion.ts';
import { manualPages } from './pages.ts';

/** Returns the date of the newest dated release in the changelog; mdoc wants a date. */
function releaseDate(): string {
  const changelog = readFileSync(join(import.meta.dirname, '../../CHANGELOG.md'), 'utf8');
  const date = /^## \S+ \((\d{4}-\d{2}-\d{2})\)$/m.exec(changelog)?.[1] ?? '2026-01-01';
  return new Date(date).toLocaleDateString('en-US', {
    month: 'long',
    day: 'numeric',
    year: 'numeric',
    timeZone: 'UTC',
  });
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

const [, , directory] = process.argv;
if (directory === undefined) throw new Error('usage: node deploy/manual/write.ts DIRECTORY');
for (const [name, page] of Object.entries(manualPages(releaseDate()))) write(join(directory, 'man/man8', name), page);
for (const [path, script] of Object.entries(completionScripts)) write(join(directory, path), script());
