/**
 * Remembers the address families that this host uses on the grid: IPv4, and those for which it has ever asked or found anything. Searches
 * without a network or an address cover only these, so a host without IPv6 never asks for it, and needs no rights for it.
 */
import { type Family, families, familyOf, type Interval } from '../address.ts';
import { hasReason } from '../errors.ts';
import type { ReservationFilter } from '../grid.ts';
import type { Facts } from './connection/hosts.ts';
import { type Objects, objectsOf } from './objects.ts';

/** The fact that keeps the families over a restart: an ADD may have left reservations. */
const familiesFact = 'families';

export class Families {
  readonly #asked: Set<Family>;
  readonly #facts: Facts | undefined;

  constructor(facts?: Facts) {
    const remembered = facts?.fact(familiesFact)?.split(',') ?? [];
    this.#asked = new Set(families.filter((family) => family === 4 || remembered.includes(String(family))));
    this.#facts = facts;
  }

  /** Returns the objects of a place's family, and remembers the family. */
  of(place: Family | string | Interval): Objects {
    const family = familyIn(place);
    this.#asked.add(family);
    // Each time: an earlier write of the state may have failed.
    if (this.#asked.size > 1) this.#facts?.setFact(familiesFact, [...this.#asked].join());
    return objectsOf[family];
  }

  /** Returns the objects of one family, or of all used families. */
  searched(family: Family | undefined): Objects[] {
    return (family === undefined ? [...this.#asked] : [family]).map((one) => objectsOf[one]);
  }

  /** Yields the results of a search in one family after another. In a family that was never used, a refusal counts as no results. */
  async *search<T>(
    { network, families = [...this.#asked] }: Pick<ReservationFilter, 'network' | 'families'>,
    search: (objects: Objects) => AsyncIterable<T>,
  ): AsyncGenerator<T> {
    for (const family of network === undefined ? families : [network.family]) {
      try {
        for await (const found of search(objectsOf[family])) {
          // Later searches by mark must cover this family.
          this.of(family);
          yield found;
        }
      } catch (error) {
        if (this.#asked.has(family) || !hasReason(error, 'permission', 'rejected')) throw error;
      }
    }
  }
}

function familyIn(place: Family | string | Interval): Family {
  if (typeof place === 'number') return place;
  return familyOf(typeof place === 'string' ? place : place.first);
}
