/**
 * Text for terminals and logs: without control characters, and folded to the terminal's width. Output to a pipe is not
 * folded.
 */
import type { WriteStream } from 'node:tty';

/** Returns the characters per line of a stream; Infinity unless it is a terminal with a known width. */
export function columnsOf(stream: Pick<WriteStream, 'isTTY' | 'columns'> = process.stdout): number {
  return stream.isTTY && stream.columns > 0 ? stream.columns : Number.POSITIVE_INFINITY;
}

/** Cuts a text to a number of characters, with an ellipsis as the last one. */
export function shortened(text: string, characters: number): string {
  return text.length <= characters ? text : `${text.slice(0, characters - 1)}…`;
}

/**
 * Folds a text at blanks to the width of a terminal. A longer word stays whole.
 * @param indent characters before the text: present on its first line, written before each further one
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

/** Folds each line of a text, continuation lines indented like its first. */
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
/** Texts without special characters: the usual case, checked first. */
const plain = /^[ -~]*$/;
const short: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/**
 * Escapes a text from outside (the grid, interface names, errors), so that it stays on one line. A raw newline would
 * forge a log line, ESC and the C1 controls would command the terminal, and bidirectional controls would reorder the
 * text.
 * @returns the text, each such character as an escape: `\n`, `\u001b`
 */
export function printable(text: string): string {
  if (plain.test(text)) return text;
  return text.replace(unprintable, (character) => short[character] ?? escapeUnits(character));
}

/** As `printable`, but keeps newlines. */
export function printableLines(text: string): string {
  // Most texts are plain, and some are long.
  return /^[\n -~]*$/.test(text) ? text : text.split('\n').map(printable).join('\n');
}

/** Escapes UTF-16 units as JSON does, so that an escaped JSON document stays equivalent. */
function escapeUnits(character: string): string {
  return character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
}
