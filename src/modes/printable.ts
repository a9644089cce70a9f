/**
 * Texts from outside (the grid, interface names, errors) as a terminal may show them. A raw newline would forge a line of
 * the log, ESC and the C1 controls would command the terminal, and the bidirectional controls would reorder what is read.
 */

/** Control, format and separator characters, and halves of surrogate pairs. */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
/** Texts that need no second look, which most are. */
const plain = /^[ -~]*$/;
const short: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** @returns the text on one line, each such character written as an escape: `\n`, `\u001b` */
export function printable(text: string): string {
  if (plain.test(text)) return text;
  return text.replace(unprintable, (character) => short[character] ?? escapeUnits(character));
}

/** @returns the text with its lines; all other such characters as `printable` writes them */
export function printableLines(text: string): string {
  // What is plain is most of it, and may be long.
  return /^[\n -~]*$/.test(text) ? text : text.split('\n').map(printable).join('\n');
}

/** UTF-16 units, as JSON writes them: what is escaped in a JSON document is the same document. */
function escapeUnits(character: string): string {
  return character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
}
