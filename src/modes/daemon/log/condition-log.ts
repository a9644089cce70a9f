/** The log of conditions: one line when one begins or changes its reason, one when it ends. */
import type { Condition, ConditionKind, Conditions } from '../../../infoblox/conditions.ts';
import { gridConditions, gridTrouble } from '../../../infoblox/grid-state.ts';
import type { Log } from '../../../infoblox/log.ts';

interface Texts {
  readonly level: 'error' | 'warn';
  readonly begins: string;
  readonly ends: string;
}

/** That the grid has not been seen yet is no news, and of a lost reservation and an import whoever finds it says more. */
type Told = Exclude<ConditionKind, 'grid-not-seen' | 'reservation-lost' | 'import-incomplete'>;

const texts: Readonly<Record<Told, Texts>> = {
  'grid-unavailable': { level: 'error', begins: 'grid unavailable', ends: 'grid available' },
  'grid-read-only': { level: 'error', begins: 'grid refuses writes', ends: 'grid available' },
  'client-certificate': {
    level: 'error',
    begins: 'client certificate not usable',
    ends: 'client certificate usable',
  },
  'state-not-writable': { level: 'error', begins: 'state not writable', ends: 'state writable' },
  'history-not-written': { level: 'warn', begins: 'history not written', ends: 'history written' },
  'notes-ignored': {
    level: 'error',
    begins: 'release notes ignored: users other than root can write to their directory',
    ends: 'release notes read again',
  },
  'releases-refused': { level: 'error', begins: 'grid refuses releases', ends: 'grid accepts releases' },
  'network-refused': { level: 'warn', begins: 'network refused', ends: 'network accepted' },
  'network-duplicate': { level: 'warn', begins: 'several networks have one name', ends: 'one network has the name' },
  'network-full': { level: 'warn', begins: 'network full', ends: 'network has free addresses' },
};

/** Writes a line to the log whenever a condition begins, changes its reason, or ends. */
export function logConditions(conditions: Conditions, log: Log): void {
  conditions.subscribe({
    raised: ({ kind, error: { reason, message, hint } }) => {
      if (!isTold(kind)) return;
      const { level, begins } = texts[kind];
      log[level](begins, { reason, error: message, hint });
    },
    cleared: (condition, end) => {
      const { kind } = condition;
      if (end === 'lapsed') return log.info('condition not met again', { condition: kind, ...ofWhat(condition) });
      // One line for the grid, when all is well.
      if (gridConditions.includes(kind) && gridTrouble(conditions) !== undefined) return;
      if (kind === 'grid-not-seen') log.info('grid available');
      else if (isTold(kind)) log.info(texts[kind].ends, ofWhat(condition));
    },
  });
}

function isTold(kind: ConditionKind): kind is Told {
  return kind in texts;
}

/** What it was about, where the kind does not say. */
function ofWhat({ kind, error }: Condition): { readonly was?: string } {
  return /^(network|reservation|releases)-/.test(kind) ? { was: error.message } : {};
}
