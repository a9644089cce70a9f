import { printableLines } from '../../printable.ts';

/** Names of times in what the daemon answers, where they are milliseconds since 1970. */
export const timeName = /^(at|since|oldestRelease|\w+At)$/;

/** Writes a value for programs: indented, as people read it too, and so nothing in it commands their terminal. */
export function writeJson(value: unknown): void {
  process.stdout.write(`${jsonText(value)}\n`);
}

/**
 * Makes the text, with times as ISO 8601 writes them, in UTC. JSON itself escapes few of the characters that a terminal obeys; it
 * may escape them all.
 */
export function jsonText(value: unknown): string {
  return printableLines(JSON.stringify(value, inIso, 2));
}

/** Makes texts of times that are numbers, for `JSON.stringify`. What lies beyond the times of ECMAScript stays a number. */
export function inIso(name: string, value: unknown): unknown {
  if (typeof value !== 'number' || !timeName.test(name) || Math.abs(value) > 8.64e15) return value;
  return new Date(value).toISOString();
}
