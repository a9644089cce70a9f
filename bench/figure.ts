/** Figures of the benchmark with their targets. */
import { quantile } from './samples.ts';

export interface Row {
  readonly figure: string;
  /** As printed; empty without a target. */
  readonly target: string;
  readonly measured: string;
  /** Absent if it could not be measured. */
  readonly value?: number;
  /** Absent if there is no target. */
  readonly met?: boolean;
}

export interface Settings {
  /** Fewer repetitions, for a rough result. */
  readonly quick: boolean;
  /** Prints a line of progress. */
  readonly progress: (text: string) => void;
}

export interface Measurement {
  /** For `--only`. */
  readonly name: string;
  /** What is compared, printed below the table. */
  readonly about: string;
  run(settings: Settings): Promise<Row[]>;
}

/**
 * Makes a figure that must not exceed its target.
 * @param unit printed after the numbers, such as ` x` or ` ms`
 * @param detail the source of the number
 */
export function atMost(figure: string, value: number, limit: number, unit: string, detail = ''): Row {
  return {
    figure,
    target: `<= ${decimal(limit)}${unit}`,
    measured: withDetail(`${decimal(value)}${unit}`, detail),
    value,
    met: value <= limit,
  };
}

/** Makes a figure that must have an exact value. */
export function exactly(figure: string, value: number, wanted: number, detail = ''): Row {
  const measured = withDetail(decimal(value), detail);
  return { figure, target: decimal(wanted), measured, value, met: value === wanted };
}

/** Makes a figure without a target. */
export function plain(figure: string, value: number, unit: string, detail = ''): Row {
  return { figure, target: '', measured: withDetail(`${decimal(value)}${unit}`, detail), value };
}

/**
 * Makes a figure without a target: p50, p95 and p99.
 * @param milliseconds of each repetition
 */
export function percentiles(figure: string, milliseconds: readonly number[]): Row {
  const measured = [0.5, 0.95, 0.99].map((part) => quantile(milliseconds, part).toFixed(0)).join(', ');
  const detail = `p50, p95, p99 of ${milliseconds.length}`;
  return { figure, target: '', measured: withDetail(`${measured} ms`, detail), value: quantile(milliseconds, 0.5) };
}

/** Formats three significant digits: 1.08, 24.3, 812. */
export function decimal(value: number): string {
  if (Number.isInteger(value)) return String(value);
  const digits = Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0;
  return value.toFixed(digits);
}

function withDetail(text: string, detail: string): string {
  return detail === '' ? text : `${text}  (${detail})`;
}
