/** What commands have found, on stdout: tables for people, JSON for programs. */
import type { LeaseRecord, OperatorResult } from '../../operator-protocol.ts';
import { counted } from '../../quantity.ts';
import { type Column, leaseColumns, type Writer } from '../../status-text.ts';
import { columnsOf, folded, printable, printableLines, shortened } from '../../terminal-text.ts';

const gap = '  ';
/** Characters below which a cell says nothing any more. */
const minCell = 4;

/** Names of times in what the daemon answers, where they are milliseconds since 1970. */
export const timeName = /^(at|since|oldestRelease|\w+At)$/;

/**
 * Makes a table with a line of titles, and no other lines, so that grep and awk take it, too; texts from outside are made printable.
 * In a pipe every text stands in full; on a terminal the widest are shortened until a line fits. Ends with a newline.
 * @param available characters in a line of the terminal
 */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], available = columnsOf()): string {
  const filled = columns.map(({ title, cell, isWhole = false, align }) => {
    const cells = [title, ...rows.map((row) => printable(cell(row)))];
    return { cells, isWhole, align, width: cells.reduce((most, { length }) => Math.max(most, length), 0) };
  });
  const tooMany = () => filled.reduce((sum, { width }) => sum + width + gap.length, -gap.length) > available;
  while (tooMany()) {
    const [widest] = filled.filter(({ isWhole }) => !isWhole).sort((one, other) => other.width - one.width);
    if (widest === undefined || widest.width <= minCell) break;
    widest.width -= 1;
  }
  const lines = [undefined, ...rows].map((_, line) =>
    filled.map(({ cells, width, align }) => {
      const text = shortened(cells[line] ?? '', width);
      return align === 'right' ? text.padStart(width) : text.padEnd(width);
    }),
  );
  return lines.map((cells) => `${cells.join(gap).trimEnd()}\n`).join('');
}

/** Makes the table of leases. */
export function leaseTable(leases: readonly LeaseRecord[]): string {
  return table(leaseColumns(Date.now(), leases), leases);
}

/** Columns before a fact. */
const factIndent = 9;

/** Writes what is said of a host for a terminal; texts from outside are made printable. */
export const forTerminal: Writer<string> = {
  facts: (facts) =>
    facts.map(([name, text]) => `${name.padEnd(factIndent)}${folded(printable(text), factIndent)}\n`).join(''),
  list(title, items) {
    const lines = items.flatMap(({ what, text, fix }) => [
      `  ${folded(printable(`${what} ${text}`), 4)}\n`,
      ...(fix === null ? [] : [`    ${folded(printable(`fix: ${fix}`), 4)}\n`]),
    ]);
    return `${title}\n${lines.join('')}`;
  },
  table: (title, columns, rows) => `${title}\n${table(columns, rows)}`,
};

/**
 * Says what a command has released, and what it has left alone.
 * @param verb what happens to the leases: `releasing`, `would release`
 */
export function releasedText({ leases, kept }: OperatorResult<'operator/release'>, verb: string): string {
  const count = `${verb} ${counted(leases.length, 'address', 'addresses')}\n`;
  const left = kept.map(({ lease: { address, containerId }, why }) => {
    return `kept ${address ?? 'a lease without address'} of ${containerId}: ${why}`;
  });
  return `${leases.length === 0 ? 'nothing to release\n' : `${count}${leaseTable(leases)}`}${printedLines(left)}`;
}

/** Ends each line; texts from outside are made printable. */
export function printedLines(lines: readonly string[]): string {
  return lines.map((line) => `${printable(line)}\n`).join('');
}

/**
 * Writes a value for programs: indented, as people read it too, with times as ISO 8601 writes them, in UTC. JSON itself escapes
 * few of the characters that a terminal obeys; it may escape them all.
 */
export function jsonText(value: unknown): string {
  return printableLines(JSON.stringify(value, inIso, 2));
}

/** Makes texts of times that are numbers, for `JSON.stringify`. What lies beyond the times of ECMAScript stays a number. */
export function inIso(name: string, value: unknown): unknown {
  if (typeof value !== 'number' || !timeName.test(name) || Math.abs(value) > 8.64e15) return value;
  return new Date(value).toISOString();
}
