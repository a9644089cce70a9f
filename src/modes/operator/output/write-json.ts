import { printableLines } from '../../printable.ts';

/** Names of times, which are milliseconds since 1970 in here. */
const timeName = /^(at|since|oldestRelease|\w+At)$/;

/**
 * Writes a value for programs: indented, as people read it too, and so nothing in it commands their terminal. Times are written as
 * ISO 8601 writes them, in UTC.
 */
export function writeJson(value: unknown): void {
  process.stdout.write(`${jsonText(value, inIso)}\n`);
}

/** JSON itself escapes few of the characters that a terminal obeys; it may escape them all. */
export function jsonText(value: unknown, replacer?: (name: string, value: unknown) => unknown): string {
  return printableLines(JSON.stringify(value, replacer, 2));
}

/** For `JSON.stringify`: a time that is a number becomes one that programs and people read. */
export function inIso(name: string, value: unknown): unknown {
  return typeof value === 'number' && timeName.test(name) ? new Date(value).toISOString() : value;
}
