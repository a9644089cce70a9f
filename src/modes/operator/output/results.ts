/** What commands have found, on stdout: tables for people, JSON for programs. */
import type { LeaseRecord, OperatorResult } from '../../operator-protocol.ts';
import { counted } from '../../quantity.ts';
import { type Column, leaseColumns, type Writer } from '../../status-text.ts';
import { columnsOf, folded, printable, printableLines, shortened } from '../../terminal-text.ts';
import { whatToDo } from './terminal.ts';

const gap = '  ';
/** Characters below which a cell says nothing any more, and one that tells rows apart. */
const [minCell, minName] = [4, 8];

/** Names of times in what the daemon answers, where they are milliseconds since 1970. */
export const timeName = /^(at|since|oldestRelease|\w+At)$/;

/**
 * Makes a table with a line of titles, and no other lines, so that grep and awk take it, too; texts from outside are made printable.
 * In a pipe every text stands in full; on a terminal columns are left out and the widest shortened until a line fits. Ends with a newline.
 * @param available characters in a line of the terminal
 */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], available = columnsOf()): string {
  let shown = columns.map(({ title, cell, ...column }) => {
    const cells = [title, ...rows.map((row) => printable(cell(row)))];
    return { ...column, cells, width: cells.reduce((most, { length }) => Math.max(most, length), 0) };
  });
  const tooMany = () => shown.reduce((sum, { width }) => sum + width + gap.length, -gap.length) > available;
  while (tooMany()) {
    const dispensable = shown.findLast(({ whenNarrow }) => whenNarrow === 'left out');
    if (dispensable === undefined) break;
    shown = shown.filter((column) => column !== dispensable);
  }
  const least = () =>
    shown.map((column) => (column.isWhole ? column.width : Math.min(column.width, isLast(column) ? minName : minCell)));
  const isCramped = () =>
    shown.some(isLast) && least().reduce((sum, width) => sum + width + gap.length, -gap.length) > available;
  while (isCramped()) {
    const dispensable = shown.find((column) => !column.isWhole && !isLast(column));
    if (dispensable === undefined) break;
    shown = shown.filter((column) => column !== dispensable);
  }
  while (tooMany()) {
    const [widest] = shown
      .filter(({ isWhole, width }) => !isWhole && width > minCell)
      .sort((one, other) => Number(isLast(one)) - Number(isLast(other)) || other.width - one.width);
    if (widest === undefined) break;
    widest.width -= 1;
  }
  const lines = [undefined, ...rows].map((_, line) =>
    shown.map(({ cells, width, align }) => {
      const text = shortened(cells[line] ?? '', width);
      return align === 'right' ? text.padStart(width) : text.padEnd(width);
    }),
  );
  return lines.map((cells) => `${cells.join(gap).trimEnd()}\n`).join('');
}

function isLast({ whenNarrow }: Pick<Column<unknown>, 'whenNarrow'>): boolean {
  return whenNarrow === 'shortened last';
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
  const left = kept.map(({ lease: { address, containerId, phase }, why }) => {
    const next =
      phase === 'releasing'
        ? 'it is tried again now; status says what is in its way'
        : 'stop the container, or take the address from it with --force';
    return whatToDo(`kept ${address ?? 'a lease without address'} of ${containerId}: ${why}`, next);
  });
  return `${leases.length === 0 ? 'nothing to release\n' : `${count}${leaseTable(leases)}`}${printedLines(left)}`;
}

/** Leases of which one at most is meant that are shown. */
const maxShown = 10;

/** Says what a name may mean. @param leases of several containers */
export function ambiguousText(who: string, leases: readonly LeaseRecord[]): string {
  const more = leases.length - maxShown;
  const head = printedLines([`"${who}" may mean several containers: name one of them, or its address`]);
  return `${head}${leaseTable(leases.slice(0, maxShown))}${more > 0 ? `... and ${more} more\n` : ''}`;
}

/** Writes a time to the second. @param time milliseconds since 1970, or as ISO 8601 writes it in UTC */
export function secondOf(time: number | string): string {
  return new Date(time).toISOString().replace(/\.\d+/, '');
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
