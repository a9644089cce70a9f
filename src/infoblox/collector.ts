/** Garbage collection: what this host holds in a network and the runtime no longer knows goes back. */
import { type Attachment, networkPrefix, shortNetworkName } from './identity.ts';
import type { Ipam } from './ipam.ts';
import type { Origins } from './origins.ts';
import type { Reservations } from './reservations.ts';
import type { Row, Store } from './store.ts';
import type { Turns } from './turns.ts';

export interface CollectorParts {
  readonly ipam: Ipam;
  readonly store: Store;
  readonly turns: Turns;
  readonly reservations: Reservations;
  readonly origins: Origins;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** What a collection did. */
export interface Collected {
  released: number;
  owed: number;
  readonly addresses: string[];
}

export class Collector {
  readonly #parts: CollectorParts;

  constructor(parts: CollectorParts) {
    this.#parts = parts;
  }

  /**
   * Releases this host's reservations of a network but for those of the valid attachments. What is younger than the
   * call, or under way, is not judged by a list that cannot know it. Goes on after a failure.
   * @param view where to look on the grid for what the state does not know
   * @throws the first failure, after everything else has been tried
   */
  async collect(
    network: string,
    view: string,
    valid: readonly Omit<Attachment, 'network'>[],
    signal: AbortSignal,
  ): Promise<Collected> {
    const { ipam, store, turns, origins, now } = this.#parts;
    const startedAt = now();
    const keep = new Set(valid.flatMap((attachment) => origins.identitiesOf({ ...attachment, network })));
    const stale = (row: Row | undefined) => row === undefined || (row.state === 'held' && row.createdAt < startedAt);
    const collected: Collected = { released: 0, owed: 0, addresses: [] };
    const failures: unknown[] = [];
    const seen = new Set<string>();
    const retire = async (identity: string, where: string) => {
      if (keep.has(identity) || seen.has(identity) || turns.busy(identity)) return;
      seen.add(identity);
      try {
        const outcome = await ipam.retire(identity, where, stale, signal);
        if (outcome === undefined) return;
        collected[outcome.owed ? 'owed' : 'released'] += 1;
        collected.addresses.push(...outcome.addresses);
      } catch (error) {
        failures.push(error);
      }
    };
    for (const row of store.ofNetwork(shortNetworkName(network))) {
      if (stale(row)) await retire(row.identity, row.view);
    }
    try {
      for (const origin of origins.all) {
        for await (const object of this.#parts.reservations.list(networkPrefix(origin, network), view, signal)) {
          await retire(object.comment, object.network_view);
        }
      }
    } catch (error) {
      failures.push(error);
    }
    if (failures.length > 0) throw failures[0];
    return collected;
  }
}
