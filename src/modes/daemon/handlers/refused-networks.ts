/** Networks whose last ADD the grid refused for a reason that meets the next one too: STATUS tells it. */
import { type GridError, hasReason } from '../../../infoblox/errors.ts';
import type { NetworkSpec } from '../../../infoblox/network/spec.ts';

/** Milliseconds that a refusal counts, since only an ADD can tell that it is over. */
const countsFor = 60_000;

export class RefusedNetworks {
  readonly #refusals = new Map<string, { readonly error: GridError; readonly at: number }>();
  readonly #now: () => number;

  /** @param now milliseconds, monotonic */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Watches an ADD. */
  async watch<T>(spec: NetworkSpec, add: Promise<T>): Promise<T> {
    const key = JSON.stringify(spec);
    try {
      const answer = await add;
      this.#refusals.delete(key);
      return answer;
    } catch (error) {
      if (hasReason(error, 'permission', 'network-conflict', 'no-free-network')) {
        this.#refusals.set(key, { error, at: this.#now() });
      }
      throw error;
    }
  }

  /** Why the next ADD is likely to be refused, if that is known. */
  known(spec: NetworkSpec): GridError | undefined {
    const refusal = this.#refusals.get(JSON.stringify(spec));
    return refusal !== undefined && this.#now() - refusal.at < countsFor ? refusal.error : undefined;
  }
}
