/** Texts that fit into a terminal: shortened, or broken at blanks. A pipe takes them as they are. */
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
