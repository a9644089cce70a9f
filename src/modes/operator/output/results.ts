/** Formats the results of commands for stdout: tables for people, JSON for programs. */
import type { LeaseRecord, OperatorResult } from '../../operator-protocol.ts';
import { counted } from '../../quantity.ts';
import { type Column, leaseColumns, type Writer } from '../../status-text.ts';
import { columnsOf, folded, printable, printableLines, shortened } from '../../terminal-text.ts';
import { whatToDo } from './terminal.ts';

const gap = '  ';
/** Minimum characters of a cell, and of a cell that identifies its row. */
const [minCell, minName] = [4, 8];

/** Names of fields of the daemon's answers that are times, in milliseconds since 1970. */
export const timeName = /^(at|since|oldestRelease|\w+At)$/;

/**
 * Makes a table with one line of titles, for people, grep and awk; texts from outside are made printable. In a pipe all texts are complete;
 * on a terminal columns are left out and the widest ones shortened until a line fits. Ends with a newline.
 * @param available characters in a line of the terminal
 */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], available = columnsOf()): string {
  let shown = columns.map(({ title, cell, ...column }) => {
    const cells = [title, ...rows.map((row) => printable(cell(row)))];
    return { ...column, cells, width: cells.reduce((most, { length }) => Math.max(most, length), 0) };
  });
  const excess = (widths = shown.map(({ width }) => width)) =>
    widths.reduce((sum, width) => sum + width + gap.length, -gap.length) - available;
  while (excess() > 0) {
    const dispensable = shown.findLast(({ whenNarrow }) => whenNarrow === 'left out');
    if (dispensable === undefined) break;
    const id = shown.find(({ minWidth, width }) => minWidth !== undefined && width - excess() >= minWidth);
    if (id === undefined) shown = shown.filter((column) => column !== dispensable);
    else id.width -= excess();
  }
  const least = () =>
    shown.map((column) => (column.isWhole ? column.width : Math.min(column.width, isLast(column) ? minName : minCell)));
  while (shown.some(isLast) && excess(least()) > 0) {
    const dispensable = shown.find((column) => !column.isWhole && !isLast(column));
    if (dispensable === undefined) break;
    shown = shown.filter((column) => column !== dispensable);
  }
  while (excess() > 0) {
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

/** Writes the status of a host for a terminal; texts from outside are made printable. */
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
 * Lists the leases that a command released, and those that it kept.
 * @param verb what happens to the leases: `releasing`, `would release`
 */
export function releasedText({ leases, kept }: OperatorResult<'operator/release'>, verb: string): string {
  const count = `${verb} ${counted(leases.length, 'address', 'addresses')}\n`;
  const left = kept.map(({ lease: { address, containerId, phase }, why }) => {
    const next =
      phase === 'releasing'
        ? 'the daemon retries it now; status says what prevents it'
        : 'stop the container, or take the address from it with --force';
    return whatToDo(`kept ${address ?? 'a lease without address'} of ${containerId}: ${why}`, next);
  });
  return `${leases.length === 0 ? 'nothing to release\n' : `${count}${leaseTable(leases)}`}${printedLines(left)}`;
}

/** Leases shown for an ambiguous name. */
const maxShown = 10;

/** Lists what an ambiguous name may mean. @param leases of several containers */
export function ambiguousText(who: string, leases: readonly LeaseRecord[]): string {
  const more = leases.length - maxShown;
  const head = printedLines([`"${who}" may mean several containers: name one of them, or its address`]);
  return `${head}${leaseTable(leases.slice(0, maxShown))}${more > 0 ? `... and ${more} more\n` : ''}`;
}

/** Writes a time to the second. @param time milliseconds since 1970, or ISO 8601 in UTC */
export function secondOf(time: number | string): string {
  return new Date(time).toISOString().replace(/\.\d+/, '');
}

/** Ends each line, folded on a terminal; texts from outside are made printable. @param columns of the terminal */
export function printedLines(lines: readonly string[], columns = columnsOf()): string {
  return lines.map((line) => `${folded(printable(line), 2, columns)}\n`).join('');
}

/**
 * Writes a value as indented JSON with ISO 8601 times in UTC. Also escapes the control characters that a terminal obeys and JSON leaves.
 */
export function jsonText(value: unknown): string {
  return printableLines(JSON.stringify(value, inIso, 2));
}

/** Converts numeric times to ISO 8601, for `JSON.stringify`. Times beyond ECMAScript's range stay numbers. */
export function inIso(name: string, value: unknown): unknown {
  if (typeof value !== 'number' || !timeName.test(name) || Math.abs(value) > 8.64e15) return value;
  return new Date(value).toISOString();
}
