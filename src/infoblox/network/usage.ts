/**
 * Utilisation of this host's networks, for metrics. The grid is asked seldom and in the background, one small request
 * per network in sequence, so no call waits for it.
 */
import { hostCount, isWithin } from '../address.ts';
import { type Clock, deadline } from '../concurrency/clock.ts';
import type { Conditions } from '../conditions.ts';
import type { Grid, Network, NetworkPlace } from '../grid.ts';
import { gridTrouble } from '../grid-state.ts';

/** Milliseconds that an answer stays valid: the grid itself counts only periodically (`utilization_update`). */
const maxAgeMs = 300_000;
/** Milliseconds for one request. */
const requestTimeoutMs = 15_000;
/** Maximum number of networks that are asked about and shown. */
export const maxNetworks = 50;

export interface Usage extends Pick<Network, 'cidr' | 'view'> {
  /** Usable addresses. */
  readonly total: number;
  /** In steps of a thousandth of `total`, as the grid counts; undefined if it does not count, as in IPv6. */
  readonly used: number | undefined;
}

interface NetworkUsageDeps {
  readonly grid: Pick<Grid, 'utilization'>;
  readonly conditions: Conditions;
  /** Networks used since the start; asked at each refresh. */
  readonly known: () => readonly NetworkPlace[];
  /** Addresses of this host, at least one in each of its networks, so that these are found after a restart. */
  readonly leased: () => readonly NetworkPlace[];
  readonly clock: Clock;
}

export class NetworkUsage {
  readonly #deps: NetworkUsageDeps;
  readonly #asked = new Set<string>();
  #found: Usage[] = [];
  #askedAt = Number.NEGATIVE_INFINITY;
  #isAsking = false;

  constructor(deps: NetworkUsageDeps) {
    this.#deps = deps;
  }

  /** The grid's last answers. */
  get all(): readonly Usage[] {
    return this.#found;
  }

  /**
   * Asks for new networks, or for all if the answers are old; asks nothing while the grid is unavailable. Drops networks whose utilisation
   * cannot be read: no figure is better than an old one.
   * @returns when the answers have arrived
   * @throws GridError `state` if the leases cannot be read
   */
  async refresh(): Promise<void> {
    const { grid, conditions, known, leased, clock } = this.#deps;
    if (this.#isAsking || gridTrouble(conditions) !== undefined) return;
    const isOld = clock.now() - this.#askedAt >= maxAgeMs;
    if (isOld) {
      this.#askedAt = clock.now();
      this.#asked.clear();
    }
    // The known networks first: leases are asked for only outside of them.
    const targets = [...known(), ...(isOld ? leased() : [])];
    const found = isOld ? [] : [...this.#found];
    this.#isAsking = true;
    for (const target of targets) {
      if (gridTrouble(conditions) !== undefined || this.#asked.size >= maxNetworks) break;
      if (this.#asked.has(nameOf(target)) || found.some((usage) => isIn(target, usage))) continue;
      this.#asked.add(nameOf(target));
      const usage = await usageOf(grid, target, deadline(clock, requestTimeoutMs)).catch(() => undefined);
      if (usage !== undefined) found.push(usage);
    }
    this.#found = found;
    this.#isAsking = false;
  }
}

/**
 * Asks the utilisation of a network; undefined if the grid has none there.
 * @throws GridError
 */
export async function usageOf(
  grid: Pick<Grid, 'utilization'>,
  target: NetworkPlace,
  signal: AbortSignal,
): Promise<Usage | undefined> {
  const found = await grid.utilization(target, signal);
  if (found === undefined) return undefined;
  const { cidr, tenths } = found;
  const total = hostCount(cidr);
  const used = tenths === undefined ? undefined : Math.min(Math.round((total * tenths) / 1000), total);
  return { cidr, view: target.view, total, used };
}

function isIn(target: NetworkPlace, { cidr, view }: Usage): boolean {
  if (target.view !== view) return false;
  return 'cidr' in target ? target.cidr.text === cidr.text : isWithin(target.address, cidr);
}

function nameOf(target: NetworkPlace): string {
  return `${'cidr' in target ? target.cidr.text : target.address} ${target.view}`;
}
