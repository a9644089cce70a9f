/** Knows whether the grid answers while nobody asks for anything: asks first, and again while there is trouble. */
import { type Backoff, pauseBefore } from '../../infoblox/concurrency/backoff.ts';
import type { Conditions } from '../../infoblox/conditions.ts';
import { hasReason, isGridAway } from '../../infoblox/errors.ts';
import { messageOf } from '../../infoblox/host/errno.ts';
import type { Import } from '../../infoblox/lease/import.ts';
import type { Reconciler } from '../../infoblox/lease/release/reconciler.ts';
import type { Log } from '../../infoblox/log.ts';
import type { WapiClient } from '../../infoblox/wapi/client.ts';
import { type GridState, gridConditions, gridTrouble } from '../../infoblox/wapi/grid-state.ts';

/** Milliseconds for a probe. */
const probeTimeoutMs = 15_000;
/** Between probes while there is trouble: soon at first, then seldom. */
const probing: Backoff = { first: 1_000, longest: 30_000 };

interface GridMonitorDeps {
  readonly wapi: WapiClient;
  /** A probe looks for this network view. */
  readonly view: string;
  readonly conditions: Conditions;
  readonly gridState: GridState;
  readonly reconciler: Reconciler;
  readonly importer: Import;
  readonly log: Log;
}

export class GridMonitor {
  readonly #deps: GridMonitorDeps;
  #timer: NodeJS.Timeout | undefined;
  #probes = 0;
  #isProbing = false;
  #knowsAttributes = false;
  #wasAway = false;
  #stopped = false;

  constructor(deps: GridMonitorDeps) {
    this.#deps = deps;
    const { conditions, gridState, reconciler } = deps;
    gridState.onSwitch(() => reconciler.gridIsBack(true));
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

  /** Asks the grid something cheap, to learn whether it answers. */
  probe(): void {
    if (this.#isProbing || this.#stopped) return;
    this.#isProbing = true;
    const { wapi, view, conditions } = this.#deps;
    wapi
      .exists('networkview', { name: view }, AbortSignal.timeout(probeTimeoutMs))
      .catch((error) => {
        // The session reports all else. Nothing in this request comes from a network configuration: what refuses it is no grid.
        if (hasReason(error, 'not-wapi')) conditions.raise('grid-unavailable', error);
      })
      .finally(() => {
        this.#isProbing = false;
        this.#schedule();
      });
  }

  /** Probes in the background if the last good answer is too old to rely on. */
  refresh(): void {
    if (this.#deps.gridState.isStale) this.probe();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #isBack(): void {
    this.#probes = 0;
    this.#learnAttributes();
    const { reconciler, importer } = this.#deps;
    reconciler.gridIsBack(this.#wasAway);
    void importer.attempt();
    this.#wasAway = false;
  }

  #schedule(): void {
    if (gridTrouble(this.#deps.conditions) === undefined || this.#stopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.probe(), pauseBefore(this.#probes, probing));
    this.#timer.unref();
    this.#probes += 1;
  }

  #learnAttributes(): void {
    if (this.#knowsAttributes) return;
    this.#knowsAttributes = true;
    const { wapi, log } = this.#deps;
    wapi.learnAttributes(AbortSignal.timeout(probeTimeoutMs)).catch((error) => {
      log.debug('cannot read the attribute definitions', { reason: messageOf(error) });
    });
  }
}
