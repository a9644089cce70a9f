/** Answers to probes: does it live, can it serve, what does it say of the grid. */
import type { Condition, Conditions } from '../../../infoblox/conditions.ts';
import { gridTrouble } from '../../../infoblox/wapi/grid-state.ts';
import { servingTrouble } from '../readiness.ts';
import type { Page, Pages } from './listener.ts';

export interface ProbeSources {
  readonly conditions: Conditions;
  /** A line of `/health` while the grid's certificate is not verified. */
  readonly unverified: string | undefined;
}

/**
 * Makes the pages for probes. `/livez` is 200 as long as the event loop turns; `/readyz` and `/health` are 503 with the reason
 * when no ADD can be served, or the grid is away.
 */
export function probes({ conditions, unverified }: ProbeSources): Pages {
  return {
    '/livez': () => ({ text: 'ok\n' }),
    '/readyz': () => verdict(servingTrouble(conditions)),
    '/health': () => verdict(gridTrouble(conditions), unverified),
  };
}

function verdict(trouble: Condition | undefined, note?: string): Page {
  const lines = [trouble?.error.message ?? 'ok', ...(note === undefined ? [] : [note])];
  return { status: trouble === undefined ? 200 : 503, text: `${lines.join('\n')}\n` };
}
