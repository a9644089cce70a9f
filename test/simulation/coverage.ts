/** Counts how often each row of the tables is used, by intercepting reads of its decision. */
import { blockTable } from '../../src/infoblox/lease/block/block-plan.ts';
import { endings } from '../../src/infoblox/lease/endings.ts';
import { table } from '../../src/infoblox/lease/plan.ts';

/** Unreachable rows, with the reason. They exist because the tables cover all combinations. */
export const cannotBeMet: Readonly<Record<string, string>> = {
  'ending: dead ADD | none, bound, releasing | the call':
    'whoever says that an ADD is dead has seen its lease pending in the same turn of the event loop',
  'ending: release | none | alive, the call':
    'the command finds the leases of a container and ends them in one turn of the event loop, unless it has more than 200',
};

export interface Coverage {
  /** How often each row was used, by its conditions. */
  readonly met: ReadonlyMap<string, number>;
  /** Rows that were never used. */
  missing(): string[];
}

/** Starts counting, until the end of the process. */
export function watchTables(): Coverage {
  const met = new Map<string, number>();
  const watch = (row: object, decision: string, name: string) => {
    const value: unknown = Reflect.get(row, decision);
    if (value === 'impossible') return;
    met.set(name, 0);
    Object.defineProperty(row, decision, {
      get: () => {
        met.set(name, (met.get(name) ?? 0) + 1);
        return value;
      },
    });
  };
  for (const row of table)
    watch(row, 'step', `plan: ${row.phase} | ${row.seen.join(', ')} | ${row.doubt?.join(', ') ?? 'any'}`);
  for (const row of blockTable) {
    const { phase, seen, inside, doubt } = row;
    watch(row, 'step', `block: ${[phase, seen, inside, doubt].join(' | ')}`);
  }
  for (const row of endings)
    watch(row, 'answer', `ending: ${row.cause} | ${row.phase.join(', ')} | ${row.evidence.join(', ')}`);
  return { met, missing: () => [...met].filter(([, count]) => count === 0).map(([name]) => name) };
}
