/**
 * Texts for a terminal, or for a log that one shows: without characters that command it, and as wide as it is. A pipe takes them as wide as
 * they are.
 */
import type { WriteStream } from 'node:tty';

/** How many characters a line of a stream shows; without end if it is no terminal, or one that does not say. */
export function columnsOf(stream: Pick<WriteStream, 'isTTY' | 'columns'> = process.stdout): number {
  return stream.isTTY && stream.columns > 0 ? stream.columns : Number.POSITIVE_INFINITY;
}

/** Cuts a text to so many characters; the last one then says so. */
export function shortened(text: string, characters: number): string {
  return text.length <= characters ? text : `${text.slice(0, characters - 1)}…`;
}

/**
 * Breaks a text at blanks, so that no line is wider than a terminal. A word that is wider stays whole.
 * @param indent characters before the text: left of its first line already, and written before each further one
 */
export function folded(text: string, indent: number, columns = columnsOf()): string {
  if (indent + text.length <= columns) return text;
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length === 0 || indent + longer.length > columns) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines.join(`\n${' '.repeat(indent)}`);
}

/** Breaks each line of a text so; what goes on in a further line stands below the beginning of its first. */
export function foldedLines(text: string, columns = columnsOf()): string {
  return text
    .split('\n')
    .map((line) => {
      const indent = line.search(/\S|$/);
      return `${line.slice(0, indent)}${folded(line.slice(indent), indent, columns)}`;
    })
    .join('\n');
}

/** Control, format and separator characters, and halves of surrogate pairs. */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
/** Texts that need no second look, which most are. */
const plain = /^[ -~]*$/;
const short: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/**
 * Writes a text from outside (the grid, interface names, errors) on one line. A raw newline would forge a line of the log, ESC and the
 * C1 controls would command the terminal, and the bidirectional controls would reorder what is read.
 * @returns the text, each such character written as an escape: `\n`, `\u001b`
 */
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
