/** Tables for people: columns as wide as they need, no lines, so that grep and awk take them too. */
import { printable } from '../../daemon/log/printable.ts';

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  readonly align?: 'right';
}

/** Makes a table with a line of titles; texts from outside are made printable. Ends with a newline. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const lines = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map(({ cell }) => printable(cell(row)))),
  ];
  const widths = columns.map((_, at) => lines.reduce((widest, line) => Math.max(widest, line[at]?.length ?? 0), 0));
  const padded = lines.map((line) =>
    line.map((cell, at) =>
      columns[at]?.align === 'right' ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0),
    ),
  );
  return padded.map((line) => `${line.join('  ').trimEnd()}\n`).join('');
}
