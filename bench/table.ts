/** Formats the figures as a table for a terminal. */
import type { Row } from './figure.ts';

/** Returns `ok`, `MISSED`, or an empty text without a target. */
export function verdict(row: Row): string {
  return row.met === undefined ? '' : row.met ? 'ok' : 'MISSED';
}

/** Returns aligned lines, the head first. */
export function table(rows: readonly Row[]): string[] {
  const cells = [
    ['figure', 'target', 'measured', 'verdict'],
    ...rows.map((row) => [row.figure, row.target || '-', row.measured, verdict(row) || '-']),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...cells.map((line) => line[column]?.length ?? 0)));
  const lines = cells.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const rule = '-'.repeat(Math.max(...lines.map((line) => line.length)));
  return [lines[0] ?? '', rule, ...lines.slice(1)];
}
