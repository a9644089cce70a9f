/**
 * Which source an address is asked of: the first, and the next one only when those before it have no free address. What is known to be
 * full is passed over, so that an ADD costs no request more for it, until nothing else is left.
 */
import { GridError, hasReason } from '../errors.ts';
import type { Pool } from '../grid.ts';
import { type Exhaustion, subjectOf } from './exhaustion.ts';
import { poolsOf } from './fit.ts';
import type { Networks, ReadyNetwork } from './networks.ts';
import type { NetworkSpec } from './spec.ts';

interface SuccessionDeps {
  readonly networks: Pick<Networks, 'ensure' | 'known'>;
  readonly exhaustion: Pick<Exhaustion, 'known'>;
}

/** Where an address is asked of. */
export interface Target {
  readonly spec: NetworkSpec;
  readonly network: ReadyNetwork;
  readonly pool: Pool;
}

export class Succession {
  readonly #deps: SuccessionDeps;
  readonly #sources: readonly NetworkSpec[];
  /** Subjects of pools that are left out, and of those among them that were not asked. */
  readonly #passed = new Set<string>();
  readonly #notAsked: Set<string>;
  /** Why sources have no network. */
  readonly #without = new Map<NetworkSpec, GridError>();

  constructor(deps: SuccessionDeps, sources: readonly NetworkSpec[]) {
    this.#deps = deps;
    this.#sources = sources;
    const { exhaustion } = deps;
    const full = this.networks.flatMap(poolsOf).filter((pool) => exhaustion.known(pool) !== undefined);
    this.#notAsked = new Set(full.map(subjectOf));
    for (const subject of this.#notAsked) this.#passed.add(subject);
    if (!this.#hasNext()) this.restart();
  }

  /** The networks of the sources that are known. */
  get networks(): ReadyNetwork[] {
    return this.#sources.flatMap((spec) => this.#deps.networks.known(spec) ?? []);
  }

  /** Makes sure of the first source with something left to ask. @throws GridError as `Networks.ensure` */
  async next(signal: AbortSignal): Promise<Target> {
    for (const spec of this.#sources) {
      if (this.#without.has(spec)) continue;
      try {
        const network = await this.#deps.networks.ensure(spec, signal);
        const pool = poolsOf(network).find((one) => !this.#passed.has(subjectOf(one)));
        if (pool !== undefined) return { spec, network, pool };
      } catch (error) {
        if (!hasReason(error, 'no-free-network')) throw error;
        this.#without.set(spec, error);
      }
    }
    throw [...this.#without.values()].at(-1) ?? new GridError('no-free-address', 'no source has a free address');
  }

  /** Leaves out what has no free address. @returns whether there is something else to ask */
  pass({ pool }: Target): boolean {
    this.#passed.add(subjectOf(pool));
    this.#notAsked.delete(subjectOf(pool));
    if (this.#hasNext()) return true;
    for (const subject of this.#notAsked) this.#passed.delete(subject);
    this.#notAsked.clear();
    return this.#hasNext();
  }

  /** An address has come back: all are asked again. */
  restart(): void {
    this.#passed.clear();
    this.#notAsked.clear();
  }

  /** Says that nothing has a free address. @param error of what was asked last */
  noneFree(error: GridError): GridError {
    const all = this.networks.flatMap(poolsOf).map(subjectOf);
    if (all.length === 1) return error;
    const what = `no free address in ${all.join(', ')}`;
    return new GridError(error.reason, what, { hint: error.hint, outcome: error.outcome, cause: error });
  }

  #hasNext(): boolean {
    return this.#sources.some((spec) => {
      const network = this.#deps.networks.known(spec);
      if (network === undefined) return !this.#without.has(spec);
      return poolsOf(network).some((pool) => !this.#passed.has(subjectOf(pool)));
    });
  }
}
