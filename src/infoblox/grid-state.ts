/**
 * Whether the grid answers. `GridState` derives its conditions from the results of requests; `GridMonitor` sends probes
 * while there are no calls: at the start, and while there is trouble.
 */
import { messageOf } from '../errno.ts';
import { type Backoff, type Clock, deadline, pauseBefore } from './concurrency/clock.ts';
import type { Condition, ConditionKind, Conditions } from './conditions.ts';
import { GridError, hasReason, isGridAway } from './errors.ts';
import type { Grid } from './grid.ts';
import type { Log } from './log.ts';

/** Milliseconds after which a good answer is too old to rely on. */
const maxAnswerAgeMs = 60_000;
/** Milliseconds until a refused write expires: no read can show that the grid accepts writes again. */
const readOnlyLapsesMs = 60_000;
const probeTimeoutMs = 15_000;
/** Milliseconds for learning the attributes, which is tried once: on a busy grid it waits for its turn. */
const learnTimeoutMs = 300_000;
/** Pauses between probes while there is trouble. */
const probing: Backoff = { firstMs: 1_000, maxMs: 30_000 };

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
  get sinceAnswerMs(): number {
    return this.#clock.now() - this.#goodAt;
  }

  /** Whether the last good answer is too old, or something other than WAPI has answered since. */
  get isStale(): boolean {
    return this.#isUnclear || this.sinceAnswerMs > maxAnswerAgeMs;
  }
}

interface GridMonitorDeps {
  readonly grid: Pick<Grid, 'exists'>;
  /** Learns the attribute definitions, which saves requests later. Started once, when the grid has answered. */
  readonly learnAttributes: (signal: AbortSignal) => Promise<void>;
  /** The network view that probes look for. */
  readonly view: string;
  readonly gridState: GridState;
  /**
   * Called when the grid answers, for the first time and after trouble, and when another grid host serves.
   * `afterFailover`: another host may serve now.
   */
  readonly onBack: (afterFailover: boolean) => void;
  readonly clock: Clock;
  readonly random: () => number;
  readonly conditions: Conditions;
  readonly log: Log;
}

/** Probes the grid, and tells when it is back. */
export class GridMonitor {
  readonly #deps: GridMonitorDeps;
  #cancelProbe = () => {};
  #probes = 0;
  #isProbing = false;
  #knowsAttributes = false;
  #wasAway = false;
  #stopped = false;

  constructor(deps: GridMonitorDeps) {
    this.#deps = deps;
    const { conditions, gridState, onBack } = deps;
    gridState.onSwitch(() => onBack(true));
    conditions.subscribe({
      raised: ({ kind, error }) => {
        if (!gridConditions.includes(kind)) return;
        this.#wasAway ||= isGridAway(error);
        this.#schedule();
      },
      cleared: ({ kind }, end) => {
        if (gridConditions.includes(kind) && end === 'seen' && gridTrouble(conditions) === undefined) this.#isBack();
      },
    });
  }

  /** Sends the grid a cheap request, to learn whether it answers. */
  probe(): void {
    if (this.#isProbing || this.#stopped) return;
    this.#isProbing = true;
    const { grid, view, clock, conditions } = this.#deps;
    grid
      .exists({ view }, deadline(clock, probeTimeoutMs))
      .catch((error) => {
        // The session reports all other errors. This request contains nothing from a network configuration, so a server
        // that refuses it is not a grid.
        if (hasReason(error, 'not-wapi')) conditions.raise('grid-unavailable', error);
      })
      .finally(() => {
        this.#isProbing = false;
        this.#schedule();
      });
  }

  /** Probes in the background if the last good answer is too old. */
  refresh(): void {
    if (this.#deps.gridState.isStale) this.probe();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelProbe();
  }

  #isBack(): void {
    this.#probes = 0;
    this.#learnAttributes();
    this.#deps.onBack(this.#wasAway);
    this.#wasAway = false;
  }

  #schedule(): void {
    const { clock, random, conditions } = this.#deps;
    if (gridTrouble(conditions) === undefined || this.#stopped) return;
    this.#cancelProbe();
    this.#cancelProbe = clock.after(pauseBefore(this.#probes, probing, random), () => this.probe());
    this.#probes += 1;
  }

  #learnAttributes(): void {
    if (this.#knowsAttributes) return;
    this.#knowsAttributes = true;
    const { learnAttributes, clock, log } = this.#deps;
    learnAttributes(deadline(clock, learnTimeoutMs)).catch((error) => {
      log.debug('cannot read the attribute definitions', { reason: messageOf(error) });
    });
  }
}
