/** Derives the grid's conditions from the results of requests. */
import type { Clock } from './concurrency/clock.ts';
import type { Condition, ConditionKind, Conditions } from './conditions.ts';
import { GridError, hasReason } from './errors.ts';

/** Milliseconds after which a good answer is too old to rely on. */
const maxAnswerAgeMs = 60_000;
/** Milliseconds until a refused write expires: no read can show that the grid accepts writes again. */
const readOnlyLapsesMs = 60_000;

/** The conditions of the grid, the most specific first. */
export const gridConditions: readonly ConditionKind[] = ['grid-unavailable', 'grid-read-only', 'grid-not-seen'];

/**
 * Finds why the grid cannot serve requests.
 * @returns undefined if no reason is known
 */
export function gridTrouble(conditions: Conditions): Condition | undefined {
  for (const kind of gridConditions) {
    const condition = conditions.find(kind);
    if (condition !== undefined) return condition;
  }
  return undefined;
}

export class GridState {
  readonly #conditions: Conditions;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #switchListeners = new Set<() => void>();
  #goodAt = Number.NEGATIVE_INFINITY;
  #isUnclear = false;

  constructor(conditions: Conditions, clock: Pick<Clock, 'now'>) {
    this.#conditions = conditions;
    this.#clock = clock;
    const error = new GridError('timeout', 'the grid has not answered yet since the daemon started', {
      hint: 'try again in a few seconds; if this stays, check --grid-host and --wapi-port of the daemon',
    });
    conditions.raise('grid-not-seen', error);
  }

  /**
   * Records the result of a request.
   * @param trouble undefined for a proper answer; `not-wapi`: it is unclear whether the grid would give one
   * @param request whether it was a write
   */
  report(trouble: GridError | undefined, { writes }: { readonly writes: boolean }): void {
    const conditions = this.#conditions;
    this.#isUnclear = hasReason(trouble, 'not-wapi');
    if (this.#isUnclear) return;
    if (hasReason(trouble, 'read-only', 'licence')) {
      conditions.raise('grid-read-only', trouble, { lapsesAfterMs: readOnlyLapsesMs });
    } else if (trouble !== undefined) conditions.raise('grid-unavailable', trouble);
    else {
      this.#goodAt = this.#clock.now();
      conditions.clear('grid-unavailable');
      if (writes) conditions.clear('grid-read-only');
    }
    // Last, so that listeners see the other results of the first answer.
    conditions.clear('grid-not-seen');
  }

  /** Records that another grid host serves. */
  switched(): void {
    for (const listener of this.#switchListeners) listener();
  }

  /** Subscribes to switches to another grid host. */
  onSwitch(listener: () => void): void {
    this.#switchListeners.add(listener);
  }

  /** Milliseconds since the last good answer; infinite before the first. */
  get sinceAnswer(): number {
    return this.#clock.now() - this.#goodAt;
  }

  /** Whether the last good answer is too old, or something other than WAPI has answered since. */
  get isStale(): boolean {
    return this.#isUnclear || this.sinceAnswer > maxAnswerAgeMs;
  }
}
