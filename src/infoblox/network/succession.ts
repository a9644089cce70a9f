/**
 * The order of sources for an address: the next one is used only if those before it have no free address. Sources known
 * to be full are skipped until no other is left, which saves requests.
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

/** The pool to ask for an address. */
export interface Target {
  readonly spec: NetworkSpec;
  readonly network: ReadyNetwork;
  readonly pool: Pool;
}

export class Succession {
  readonly #deps: SuccessionDeps;
  readonly #sources: readonly NetworkSpec[];
  /** Subjects of pools without a free address. */
  readonly #passed = new Set<string>();
  /** The errors of sources without a network. */
  readonly #without = new Map<NetworkSpec, GridError>();

  constructor(deps: SuccessionDeps, sources: readonly NetworkSpec[]) {
    this.#deps = deps;
    this.#sources = sources;
  }

  /** The known networks of the sources. */
  get networks(): ReadyNetwork[] {
    return this.#sources.flatMap((spec) => this.#deps.networks.known(spec) ?? []);
  }

  /**
   * Finds or creates the network of the first source with a pool left to ask: one that is not known to be full, if there is one.
   * @throws GridError as `Networks.ensure`
   */
  async next(signal: AbortSignal): Promise<Target> {
    const { networks, exhaustion } = this.#deps;
    let full: Target | undefined;
    for (const spec of this.#sources) {
      if (this.#without.has(spec)) continue;
      try {
        const network = await networks.ensure(spec, signal);
        for (const pool of this.#left(network)) {
          if (exhaustion.known(pool) === undefined) return { spec, network, pool };
          full ??= { spec, network, pool };
        }
      } catch (error) {
        if (!hasReason(error, 'no-free-network')) throw error;
        this.#without.set(spec, error);
      }
    }
    if (full !== undefined) return full;
    throw [...this.#without.values()].at(-1) ?? new GridError('no-free-address', 'no source has a free address');
  }

  /**
   * Skips a pool without a free address.
   * @returns whether another pool is left
   */
  pass({ pool }: Target): boolean {
    this.#passed.add(subjectOf(pool));
    return this.#sources.some((spec) => {
      const network = this.#deps.networks.known(spec);
      return network === undefined ? !this.#without.has(spec) : this.#left(network).length > 0;
    });
  }

  /** Asks all pools again, after an address was released. */
  restart(): void {
    this.#passed.clear();
  }

  /**
   * Makes the error for no free address anywhere.
   * @param error of the last request
   */
  noneFree(error: GridError): GridError {
    const all = this.networks.flatMap(poolsOf).map(subjectOf);
    if (all.length === 1) return error;
    const what = `no free address in ${all.join(', ')}`;
    return new GridError(error.reason, what, { hint: error.hint, outcome: error.outcome, cause: error });
  }

  #left(network: ReadyNetwork): Pool[] {
    return poolsOf(network).filter((pool) => !this.#passed.has(subjectOf(pool)));
  }
}
