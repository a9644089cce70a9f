/** Whether the daemon can serve the next ADD, whatever its network: STATUS and `/readyz` say so. */
import type { Condition, Conditions } from '../../infoblox/conditions.ts';
import { gridTrouble } from '../../infoblox/wapi/grid-state.ts';

/** Finds what keeps every ADD from being served. @returns undefined when nothing is known to */
export function servingTrouble(conditions: Conditions): Condition | undefined {
  return gridTrouble(conditions) ?? conditions.find('state-not-writable') ?? conditions.find('notes-ignored');
}
