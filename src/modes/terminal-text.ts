/** Texts that fit into a terminal: measured in its columns, shortened, or broken at blanks. A pipe takes them as they are. */
import type { WriteStream } from 'node:tty';

const ellipsis = '…';
/** Characters that take two columns: those of East Asia (Unicode, UAX 11) and pictures. */
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
/** Marks that stand above or below the character before them. */
const combining = /\p{Mn}|\p{Me}/u;

/** How many columns a stream shows; without end if it is no terminal, or one that does not say. */
export function columnsOf(stream: Pick<WriteStream, 'isTTY' | 'columns'> = process.stdout): number {
  return stream.isTTY && stream.columns > 0 ? stream.columns : Number.POSITIVE_INFINITY;
}

/** Counts the columns that a text takes, all of whose characters can be printed. */
export function widthOf(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  return Array.from(text, columnsOfCharacter).reduce((sum, columns) => sum + columns, 0);
}

function columnsOfCharacter(character: string): number {
  if (combining.test(character)) return 0;
  return wide.test(character) ? 2 : 1;
}

/** Cuts a text to so many columns; its last character then says so. */
export function shortened(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  let kept = '';
  let left = columns - 1;
  for (const character of text) {
    left -= columnsOfCharacter(character);
    if (left < 0) break;
    kept += character;
  }
  return `${kept}${ellipsis}`;
}

/**
 * Breaks a text at blanks, so that no line is wider than a terminal. A word that is wider stays whole.
 * @param indent columns before the text: left of its first line already, and written before each further one
 */
export function folded(text: string, indent: number, columns = columnsOf()): string {
  if (indent + widthOf(text) <= columns) return text;
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length === 0 || indent + widthOf(longer) > columns) lines.push(word);
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
