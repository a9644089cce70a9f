/** Answers probes: is the daemon alive, can it serve the next ADD, is the grid available. */
import type { Condition, Conditions } from '../../infoblox/conditions.ts';
import { gridTrouble } from '../../infoblox/grid-state.ts';
import type { Page, Pages } from './metrics/listener.ts';
import type { OperatorHandler } from './rpc/request.ts';

/** Finds the condition that prevents all ADDs, in any network; undefined if there is none. */
export function servingTrouble(conditions: Conditions): Condition | undefined {
  return gridTrouble(conditions) ?? hostTrouble(conditions);
}

/** Finds such a condition of this host alone: a block serves while the grid is unavailable. */
export function hostTrouble(conditions: Conditions): Condition | undefined {
  return conditions.find('state-not-writable') ?? conditions.find('notes-ignored');
}

/** Makes the handler of `status --probe`. Any answer shows that the event loop runs. */
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

/**
 * Makes the pages for probes. `/livez` returns 200 while the event loop runs. `/readyz` returns 503 with the reason while no ADD can be
 * served, `/health` while the grid is unavailable.
 * @param unverified line of `/health` while the grid's certificate is not verified
 */
export function probePages(conditions: Conditions, unverified: string | undefined): Pages {
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
