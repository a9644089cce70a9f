/** What the benchmark prints: figures with their targets, and whether these are met. */
import { quantile } from './samples.ts';

export interface Row {
  readonly figure: string;
  /** As it is printed; empty if the figure has none. */
  readonly target: string;
  readonly measured: string;
  /** Absent if it could not be measured. */
  readonly value?: number;
  /** Absent if there is no target. */
  readonly met?: boolean;
}

export interface Settings {
  /** Fewer repetitions: a look, no proof. */
  readonly quick: boolean;
  /** A line for whoever waits. */
  readonly progress: (text: string) => void;
}

/** Figures that are measured together. */
export interface Measurement {
  /** For `--only`. */
  readonly name: string;
  /** What is compared with what, printed below the table. */
  readonly about: string;
  run(settings: Settings): Promise<Row[]>;
}

/**
 * A figure that must not exceed its target.
 * @param unit printed after the numbers, such as ` x` or ` ms`
 * @param detail what the number comes from
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

/** A figure that must have one value. */
export function exactly(figure: string, value: number, wanted: number, detail = ''): Row {
  const measured = withDetail(decimal(value), detail);
  return { figure, target: decimal(wanted), measured, value, met: value === wanted };
}

/** A figure without a target. */
export function plain(figure: string, value: number, unit: string, detail = ''): Row {
  return { figure, target: '', measured: withDetail(`${decimal(value)}${unit}`, detail), value };
}

/**
 * A figure without a target, as the median of many and what one in twenty and one in a hundred exceed.
 * @param milliseconds of each repetition
 */
export function percentiles(figure: string, milliseconds: readonly number[]): Row {
  const measured = [0.5, 0.95, 0.99].map((part) => quantile(milliseconds, part).toFixed(0)).join(', ');
  const detail = `p50, p95, p99 of ${milliseconds.length}`;
  return { figure, target: '', measured: withDetail(`${measured} ms`, detail), value: quantile(milliseconds, 0.5) };
}

/** Three digits that count: 1.08, 24.3, 812. */
export function decimal(value: number): string {
  if (Number.isInteger(value)) return String(value);
  const digits = Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0;
  return value.toFixed(digits);
}

function withDetail(text: string, detail: string): string {
  return detail === '' ? text : `${text}  (${detail})`;
}
