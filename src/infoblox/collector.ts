/** Garbage collection: what this host holds in a network and the runtime no longer knows goes back. */
import { type Attachment, networkPrefix, shortNetworkName } from './mark.ts';
import type { Ipam } from './ipam.ts';
import type { Origins } from './lease/former-names.ts';
import type { Reservations } from './reservations.ts';
import { importedAt, type Row, type Store } from './store.ts';
import type { Turns } from './turns.ts';

export interface CollectorParts {
  readonly ipam: Ipam;
  readonly store: Store;
  readonly turns: Turns;
  readonly reservations: Reservations;
  readonly origins: Origins;
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
   * Releases this host's reservations of a network but for those of the valid attachments. What has been given since the
   * call, or is under way, is not judged by a list that cannot know it. Goes on after a failure.
   * @param view where to look on the grid for what the state does not know
   * @throws the first failure, after everything else has been tried
   */
  async collect(
    network: string,
    view: string,
    valid: readonly Omit<Attachment, 'network'>[],
    signal: AbortSignal,
  ): Promise<Collected> {
    const { ipam, store, turns, origins, reservations } = this.#parts;
    const keep = new Set(valid.flatMap((attachment) => origins.identitiesOf({ ...attachment, network })));
    const known = new Map(store.ofNetwork(shortNetworkName(network)).map((row) => [row.identity, row]));
    const stale = (identity: string) => (row: Row | undefined) => canJudge(known.get(identity), row);
    const collected: Collected = { released: 0, owed: 0, addresses: [] };
    const failures: unknown[] = [];
    const seen = new Set<string>();
    const retire = async (identity: string, where: string) => {
      if (keep.has(identity) || seen.has(identity) || turns.busy(identity)) return;
      seen.add(identity);
      try {
        const outcome = await ipam.retire(identity, where, stale(identity), signal);
        if (outcome === undefined || outcome.altered !== undefined) return;
        collected[outcome.owed ? 'owed' : 'released'] += 1;
        collected.addresses.push(...outcome.addresses);
      } catch (error) {
        failures.push(error);
      }
    };
    for (const row of known.values()) {
      if (row.state === 'held') await retire(row.identity, row.view);
    }
    try {
      for await (const object of reservations.list(networkPrefix(origins.present, network), view, signal)) {
        // Somebody's address under a mark that nobody here knows: text was added to the holder's mark, say.
        const { comment, network_view, ipv4addr } = object;
        if (known.get(comment) === undefined && store.holder(network_view, ipv4addr, comment) !== undefined) {
          reservations.reportAltered(object);
        } else await retire(comment, network_view);
      }
    } catch (error) {
      failures.push(error);
    }
    if (failures.length > 0) throw failures[0];
    return collected;
  }
}

/**
 * Whether a list of valid attachments can judge what the state has of an attachment: nothing, what it had when the list
 * came, or what has been read from the grid since, which is older. Not by the clock, which may be set.
 */
function canJudge(before: Row | undefined, row: Row | undefined): boolean {
  if (row === undefined) return true;
  if (row.state !== 'held') return false;
  return before === undefined
    ? row.createdAt === importedAt
    : before.state === 'held' && before.createdAt === row.createdAt;
}
