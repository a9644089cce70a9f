/** A row of bad input: an action, and its expected error. */
import type { Grid } from '../../simulator/grid.ts';
import type { CallOptions } from '../built-host.ts';

/** The place of a row. Each has a network view of its own. */
export interface Place {
  readonly grid: Grid;
  readonly view: string;
  /** Gives an address to another container in this view. */
  readonly other: (options?: CallOptions) => Promise<string>;
}

export interface Row {
  readonly title: string;
  readonly prepare?: (place: Place) => unknown;
  /** The ADD that must fail. */
  readonly call: CallOptions;
  readonly code: number;
  /** Matches the thing in the error. */
  readonly msg: string | RegExp;
  /** Matches the hint in the error. */
  readonly details: string | RegExp;
}
