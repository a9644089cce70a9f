/**
 * Tables for people: columns as wide as they need, no lines, so that grep and awk take them too. On a terminal that is narrower,
 * what matters least is left out, and the widest columns are shortened; in a pipe everything stands in full.
 */
import { printable } from '../../printable.ts';
import { columnsOf, folded, shortened, widthOf } from '../../terminal-text.ts';

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  readonly align?: 'right';
  /** On a terminal that is too narrow: `whole` is never shortened, and of what is `spare` the last goes first. */
  readonly narrow?: 'whole' | 'spare';
}

/** A column with the texts of its cells, the title first. */
interface Filled {
  readonly cells: readonly string[];
  readonly align: 'right' | undefined;
  readonly narrow: 'whole' | 'spare' | undefined;
  /** Columns of the terminal. */
  readonly width: number;
  /** Those below which spare columns are left out rather. */
  readonly least: number;
}

const gap = 2;
/** Columns below which nothing is shortened: it would say nothing any more. */
const narrowest = 4;
/** Columns that a text shall have before anything spare is shown. */
const readable = 14;

/**
 * Makes a table with a line of titles; texts from outside are made printable. Ends with a newline.
 * @param available columns of the terminal
 */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], available = columnsOf()): string {
  const all = columns.map(({ title, cell, align, narrow }): Filled => {
    const cells = [title, ...rows.map((row) => printable(cell(row)))];
    const width = cells.reduce((widest, text) => Math.max(widest, widthOf(text)), 0);
    const enough = narrow === 'spare' ? widthOf(title) : Math.max(widthOf(title), readable);
    return { cells, align, narrow, width, least: narrow === 'whole' ? width : Math.min(width, enough) };
  });
  const { shown, missing } = choose(all, available);
  const fitting = shorten(shown, available);
  const lines = [undefined, ...rows].map((_, line) =>
    fitting.map((column) => padded(column, line)).join(' '.repeat(gap)),
  );
  const titles = missing.map(({ cells: [title] }) => title);
  if (titles.length > 0) lines.push(folded(`without ${titles.join(', ')}: the terminal is too narrow`, 0, available));
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}

/** Leaves out what there is no room for: columns in which no row says anything, without a word; then what is spare. */
function choose(all: readonly Filled[], available: number): { shown: readonly Filled[]; missing: Filled[] } {
  const isTooWide = (columns: readonly Filled[]) => widthOfLine(columns.map(({ least }) => least)) > available;
  const missing: Filled[] = [];
  let shown = isTooWide(all) ? all.filter(saysSomething) : all;
  for (const spare of all.filter(({ narrow }) => narrow === 'spare').reverse()) {
    if (!isTooWide(shown)) break;
    if (shown.includes(spare)) missing.unshift(spare);
    shown = shown.filter((column) => column !== spare);
  }
  return { shown, missing };
}

function saysSomething({ cells: [, ...texts] }: Filled): boolean {
  return texts.some((text) => text !== '' && text !== '-');
}

/** Takes a column of the terminal from whatever is widest, until the line fits. */
function shorten(columns: readonly Filled[], available: number): Filled[] {
  const widths = columns.map(({ width }) => width);
  while (widthOfLine(widths) > available) {
    const most = Math.max(...widths.filter((_, at) => columns[at]?.narrow !== 'whole'));
    if (most <= narrowest) break;
    widths[widths.findIndex((width, at) => width === most && columns[at]?.narrow !== 'whole')] = most - 1;
  }
  return columns.map((column, at) => ({ ...column, width: widths[at] ?? 0 }));
}

function widthOfLine(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, (widths.length - 1) * gap);
}

function padded({ cells, align, width }: Filled, line: number): string {
  const text = shortened(cells[line] ?? '', width);
  const blanks = ' '.repeat(Math.max(width - widthOf(text), 0));
  return align === 'right' ? `${blanks}${text}` : `${text}${blanks}`;
}
