/** A row of bad input: an action, and its expected error. */
import type { Grid } from '../../simulator/grid.ts';
import type { CallOptions } from '../built-host.ts';

/** Where a row takes place; each has a network view of its own. */
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
  /** Names the thing. */
  readonly msg: string | RegExp;
  /** Names the hint. */
  readonly details: string | RegExp;
}
