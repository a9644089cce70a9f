/**
 * How full the networks are that this host uses, for figures: asked of the grid seldom, one small request a network, one
 * after another and in the background, so that nobody ever waits for it.
 */
import { type Cidr, contains, hostCount } from '../address.ts';
import { type Clock, deadline } from '../concurrency/clock.ts';
import type { Condition, Conditions } from '../conditions.ts';
import type { Grid } from '../grid.ts';
import { gridTrouble } from '../grid-state.ts';
import { subjectOf } from './exhaustion.ts';

/** Milliseconds that an answer is good for: the grid itself counts only from time to time (`utilization_update`). */
const maxAgeMs = 300_000;
/** Milliseconds for one request. */
const requestTimeoutMs = 15_000;
/** Networks that are asked about, and shown: a host with more has to be seen on the grid. */
export const maxNetworks = 50;

type Known = { readonly cidr: Cidr; readonly view: string };
type Leased = { readonly address: string; readonly view: string };
/** A network, known by its CIDR or by an address in it. */
type Target = Known | Leased;

export interface Usage extends Known {
  /** Addresses that hosts can have. */
  readonly total: number;
  /** In steps of a thousandth of `total`, as the grid counts; undefined if it does not, as in IPv6. */
  readonly used: number | undefined;
}

interface NetworkUsageDeps {
  readonly grid: Pick<Grid, 'utilization'>;
  readonly conditions: Conditions;
  /** Networks that addresses were taken from since the start; asked at each refresh. */
  readonly known: () => readonly Known[];
  /** Addresses of this host, at least one in each of its networks, so that they are found after a restart, too. */
  readonly leased: () => readonly Leased[];
  readonly clock: Clock;
}

export class NetworkUsage {
  readonly #deps: NetworkUsageDeps;
  readonly #asked = new Set<string>();
  /** Subjects of networks that have become full, or are so no longer, since the grid was asked. */
  readonly #changed = new Set<string>();
  #found: Usage[] = [];
  #askedAt = Number.NEGATIVE_INFINITY;
  #isAsking = false;

  constructor(deps: NetworkUsageDeps) {
    this.#deps = deps;
    const onChange = (condition: Condition) => this.#forget(condition);
    deps.conditions.subscribe({ raised: onChange, cleared: onChange });
  }

  /** What the grid has said last. */
  get all(): readonly Usage[] {
    return this.#found;
  }

  /**
   * Asks for what is new, or for everything if that is old; for nothing while the grid is away.
   * @returns when the answers are here
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

  /** A network that has become full, or is so no longer, is another than the grid has last said: it is asked anew. */
  #forget({ kind, subject }: Condition): void {
    if (kind !== 'network-full') return;
    this.#changed.add(subject);
    this.#found = this.#found.filter((usage) => subjectOfNetwork(usage) !== subject);
    for (const target of this.#deps.known())
      if (subjectOfNetwork(target) === subject) this.#asked.delete(nameOf(target));
  }

  /** What cannot be learnt is left out: no figure is better than an old one. */
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

/** Asks how full a network is; undefined if the grid has none there. @throws GridError */
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

/** Chooses what to ask about: each known network once, and what leases lie in beside them. */
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
