/** Monitors the grid while there are no calls: probes it at the start, and while there is trouble. */
import { messageOf } from '../errno.ts';
import { type Backoff, type Clock, deadline, pauseBefore } from './concurrency/clock.ts';
import type { Conditions } from './conditions.ts';
import { hasReason, isGridAway } from './errors.ts';
import type { Grid } from './grid.ts';
import { type GridState, gridConditions, gridTrouble } from './grid-state.ts';
import type { Log } from './log.ts';

const probeTimeoutMs = 15_000;
/** Milliseconds for learning the attributes, which is tried once: on a busy grid it waits for its turn. */
const learnTimeoutMs = 300_000;
/** Pauses between probes while there is trouble. */
const probing: Backoff = { firstMs: 1_000, maxMs: 30_000 };

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
