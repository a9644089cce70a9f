/** Keeps in touch with the grid while nobody asks for anything: the first contact, and the way back after trouble. */
import type { ExtensibleAttributes } from '../../infoblox/attributes.ts';
import { pauseBefore } from '../../infoblox/concurrency/backoff.ts';
import { type GridError, isGridAway } from '../../infoblox/errors.ts';
import type { Health } from '../../infoblox/health.ts';
import type { Import } from '../../infoblox/lease/import.ts';
import type { Reconciler } from '../../infoblox/lease/reconciler.ts';
import type { WapiClient } from '../../infoblox/wapi/client.ts';
import type { Log } from './log/log.ts';

const probeTimeout = 15_000;
/** Between probes while the grid is away: soon at first, then seldom. */
const probePause = { first: 1_000, longest: 30_000 };

export interface GridMonitorDeps {
  readonly grid: WapiClient;
  readonly labels: ExtensibleAttributes;
  /** A probe looks for this network view. */
  readonly view: string;
  readonly health: Health;
  readonly reconciler: Reconciler;
  readonly importer: Import;
  readonly log: Log;
}

export class GridMonitor {
  readonly #deps: GridMonitorDeps;
  #timer: NodeJS.Timeout | undefined;
  #probes = 0;
  #probing = false;
  #learned = false;
  #wasAway = false;
  #stopped = false;

  constructor(parts: GridMonitorDeps) {
    this.#deps = parts;
  }

  start(): void {
    this.probe();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Asks the grid something cheap, to learn whether it answers. */
  probe(): void {
    if (this.#probing || this.#stopped) return;
    this.#probing = true;
    const { grid, view } = this.#deps;
    grid
      .findReferences('networkview', { name: view }, AbortSignal.timeout(probeTimeout))
      .then(
        () => undefined,
        () => undefined,
      )
      .finally(() => {
        this.#probing = false;
        this.#schedule();
      });
  }

  onTrouble(trouble: GridError): void {
    const { hint, message, reason } = trouble;
    this.#wasAway ||= isGridAway(trouble);
    this.#deps.log.error(`the grid does not serve us: ${message}`, {
      reason,
      ...(hint === undefined ? {} : { hint }),
    });
    this.#schedule();
  }

  onWell(): void {
    this.#probes = 0;
    this.#deps.log.info('the grid answers');
    if (!this.#learned) {
      this.#learned = true;
      this.#learnAttributes();
    }
    const { reconciler, importer } = this.#deps;
    reconciler.gridIsBack(this.#wasAway);
    void importer.attempt();
    this.#wasAway = false;
  }

  #schedule(): void {
    if (this.#deps.health.trouble === undefined || this.#stopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.probe(), pauseBefore(this.#probes, probePause));
    this.#timer.unref();
    this.#probes += 1;
  }

  /** Spares creates that the grid would refuse for an undefined attribute; not needed, as such refusals teach the same. */
  #learnAttributes(): void {
    const { grid, labels, log } = this.#deps;
    grid.attributeNames(AbortSignal.timeout(probeTimeout)).then(
      (names) => labels.learn(names),
      (error) => log.debug('cannot read the attribute definitions', { reason: String(error) }),
    );
  }
}
