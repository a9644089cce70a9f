import { printableLines } from '../../printable.ts';

/** Writes a value for programs: indented, as people read it too, and so nothing in it commands their terminal. */
export function writeJson(value: unknown): void {
  process.stdout.write(`${jsonText(value)}\n`);
}

/** JSON itself escapes few of the characters that a terminal obeys; it may escape them all. */
export function jsonText(value: unknown): string {
  return printableLines(JSON.stringify(value, null, 2));
}
