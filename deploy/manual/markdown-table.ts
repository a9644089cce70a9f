/** Reads tables of the docs, so that the meaning of a key or code is written once. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const docs = join(import.meta.dirname, '../../docs');

/**
 * Reads the first table below a heading.
 * @returns its rows without the titles, cell by cell
 * @throws Error if the page has no such heading or table
 */
export function tableBelow(page: string, heading: string): string[][] {
  const lines = readFileSync(join(docs, page), 'utf8').split('\n');
  const from = lines.indexOf(heading);
  const rows = from < 0 ? [] : firstRun(lines.slice(from), (line) => line.startsWith('| '));
  if (rows.length < 3) throw new Error(`${page}: no table below "${heading}"`);
  return rows.slice(2).map((row) => row.split(/(?<!\\) ?\| ?/).slice(1, -1));
}

function firstRun(lines: readonly string[], belongs: (line: string) => boolean): string[] {
  const start = lines.findIndex(belongs);
  if (start < 0) return [];
  const end = lines.findIndex((line, at) => at > start && !belongs(line));
  return lines.slice(start, end < 0 ? undefined : end);
}
