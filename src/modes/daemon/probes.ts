/** Answers to probes: does the daemon live, can it serve the next ADD, what does it say of the grid. */
import type { Condition, Conditions } from '../../infoblox/conditions.ts';
import { gridTrouble } from '../../infoblox/grid-state.ts';
import type { Page, Pages } from './metrics/listener.ts';
import type { OperatorHandler } from './rpc/request.ts';

/** Finds what keeps every ADD from being served, whatever its network. @returns undefined when nothing is known to */
export function servingTrouble(conditions: Conditions): Condition | undefined {
  return gridTrouble(conditions) ?? hostTrouble(conditions);
}

/** The same of this host alone: a block of it serves while the grid is away. */
export function hostTrouble(conditions: Conditions): Condition | undefined {
  return conditions.find('state-not-writable') ?? conditions.find('notes-ignored');
}

/** Makes the handler of `status --probe`: that it answers says that the event loop turns. */
export function probeHandler(conditions: Conditions): OperatorHandler<'operator/probe'> {
  return {
    timeoutMs: 0,
    async run() {
      const error = servingTrouble(conditions)?.error;
      return {
        result: { notReady: error === undefined ? null : { message: error.message, hint: error.hint ?? null } },
      };
    },
  };
}

export interface ProbeSources {
  readonly conditions: Conditions;
  /** A line of `/health` while the grid's certificate is not verified. */
  readonly unverified: string | undefined;
}

/**
 * Makes the pages for probes. `/livez` is 200 as long as the event loop turns; `/readyz` and `/health` are 503 with the reason
 * when no ADD can be served, or the grid is away.
 */
export function probePages({ conditions, unverified }: ProbeSources): Pages {
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
