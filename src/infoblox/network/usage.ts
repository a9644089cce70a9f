/**
 * Utilisation of this host's networks, for metrics. The grid is asked seldom and in the background, one small request
 * per network in sequence, so no call waits for it.
 */
import { type Cidr, contains, hostCount } from '../address.ts';
import { type Clock, deadline } from '../concurrency/clock.ts';
import type { Condition, Conditions } from '../conditions.ts';
import type { Grid } from '../grid.ts';
import { gridTrouble } from '../grid-state.ts';
import { subjectOf } from './exhaustion.ts';

/** Milliseconds that an answer stays valid: the grid itself counts only periodically (`utilization_update`). */
const maxAgeMs = 300_000;
/** Milliseconds for one request. */
const requestTimeoutMs = 15_000;
/** Maximum number of networks that are asked about and shown. */
export const maxNetworks = 50;

type Known = { readonly cidr: Cidr; readonly view: string };
type Leased = { readonly address: string; readonly view: string };
/** A network by its CIDR or by an address in it. */
type Target = Known | Leased;

export interface Usage extends Known {
  /** Usable addresses. */
  readonly total: number;
  /** In steps of a thousandth of `total`, as the grid counts; undefined if it does not count, as in IPv6. */
  readonly used: number | undefined;
}

interface NetworkUsageDeps {
  readonly grid: Pick<Grid, 'utilization'>;
  readonly conditions: Conditions;
  /** Networks used since the start; asked at each refresh. */
  readonly known: () => readonly Known[];
  /** Addresses of this host, at least one in each of its networks, so that these are found after a restart. */
  readonly leased: () => readonly Leased[];
  readonly clock: Clock;
}

export class NetworkUsage {
  readonly #deps: NetworkUsageDeps;
  readonly #asked = new Set<string>();
  /** Subjects of networks that have filled or emptied since the grid was asked. */
  readonly #changed = new Set<string>();
  #found: Usage[] = [];
  #askedAt = Number.NEGATIVE_INFINITY;
  #isAsking = false;

  constructor(deps: NetworkUsageDeps) {
    this.#deps = deps;
    const onChange = (condition: Condition) => this.#forget(condition);
    deps.conditions.subscribe({ raised: onChange, cleared: onChange });
  }

  /** The grid's last answers. */
  get all(): readonly Usage[] {
    return this.#found;
  }

  /**
   * Asks for new networks, or for all if the answers are old; asks nothing while the grid is unavailable.
   * @returns when the answers have arrived
   * @throws GridError `state` if the leases cannot be read
   */
  async refresh(): Promise<void> {
    const { conditions, known, leased, clock } = this.#deps;
    if (this.#isAsking || gridTrouble(conditions) !== undefined) return;
    const isOld = clock.now() - this.#askedAt >= maxAgeMs;
    if (isOld) {
      this.#askedAt = clock.now();
      this.#asked.clear();
    }
    const targets = targetsOf(known(), isOld ? leased() : []);
    this.#isAsking = true;
    await this.#ask(targets, isOld ? [] : [...this.#found]);
    this.#isAsking = false;
  }

  /** Invalidates the cached utilisation when a network fills or empties. */
  #forget({ kind, subject }: Condition): void {
    if (kind !== 'network-full') return;
    this.#changed.add(subject);
    this.#found = this.#found.filter((usage) => subjectOfNetwork(usage) !== subject);
    for (const target of this.#deps.known())
      if (subjectOfNetwork(target) === subject) this.#asked.delete(nameOf(target));
  }

  /** Drops networks whose utilisation cannot be read: no figure is better than an old one. */
  async #ask(targets: readonly Target[], found: Usage[]): Promise<void> {
    this.#changed.clear();
    for (const target of targets) {
      if (gridTrouble(this.#deps.conditions) !== undefined || this.#asked.size >= maxNetworks) break;
      if (this.#asked.has(nameOf(target)) || found.some((usage) => isIn(target, usage))) continue;
      this.#asked.add(nameOf(target));
      if ('cidr' in target) this.#changed.delete(subjectOfNetwork(target));
      const signal = deadline(this.#deps.clock, requestTimeoutMs);
      const usage = await usageOf(this.#deps.grid, target, signal).catch(() => undefined);
      if (usage !== undefined) found.push(usage);
    }
    this.#found = found.filter((usage) => !this.#changed.has(subjectOfNetwork(usage)));
  }
}

/**
 * Asks the utilisation of a network; undefined if the grid has none there.
 * @throws GridError
 */
export async function usageOf(
  grid: Pick<Grid, 'utilization'>,
  target: Target,
  signal: AbortSignal,
): Promise<Usage | undefined> {
  const found = await grid.utilization(target, signal);
  if (found === undefined) return undefined;
  const { cidr, tenths } = found;
  const total = hostCount(cidr);
  const used = tenths === undefined ? undefined : Math.min(Math.round((total * tenths) / 1000), total);
  return { cidr, view: target.view, total, used };
}

/** Chooses the targets: each known network once, and the networks of other leases. */
export function targetsOf(known: readonly Known[], leased: readonly Leased[]): Target[] {
  const networks = [...new Map(known.map(({ cidr, view }) => [nameOf({ cidr, view }), { cidr, view }])).values()];
  return [...networks, ...leased.filter((lease) => !networks.some((network) => isIn(lease, network)))];
}

function isIn(target: Target, { cidr, view }: Known): boolean {
  if (target.view !== view) return false;
  return 'cidr' in target ? target.cidr.text === cidr.text : contains(cidr, target.address);
}

function subjectOfNetwork({ cidr, view }: Known): string {
  return subjectOf({ nextOf: cidr, view });
}

function nameOf(target: Target): string {
  return `${'cidr' in target ? target.cidr.text : target.address} ${target.view}`;
}
